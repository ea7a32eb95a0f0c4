r"""An API for statistics and achievements of players, as Steam's, on its good days and on its bad ones.

It knows nothing of Seawall: it is what is called. What its next calls come to is told by who plays with it,

    curl -k -X PUT https://localhost:3000/faults/statistics \
        -d '[503, "hang", {"status": 429, "retry_after": 2}]'

and GET /calls says who has called when, and who did not wait for the answer.

    python -m examples.certificates /tmp/pki
    python -m examples.analytics.app --port 3000 --certificate /tmp/pki/server.pem
"""

from __future__ import annotations

import json
import socket
import time
from typing import Any
from urllib.parse import parse_qs

from examples.answering import Answer, Application, serve

KEY = "0123456789ABCDEF0123456789ABCDEF"
STATISTICS = "/ISteamUserStats/GetUserStatsForGame/"
ACHIEVEMENTS = "/ISteamUserStats/GetPlayerAchievements/"
BYTE_EACH = 0.25
"""Seconds between two bytes of an answer that trickles."""

calls: list[dict[str, Any]] = []
faults: dict[str, list[Any]] = {}
"""Of statistics and achievements: what the next calls come to, each once. A status; an object with `status`
and `retry_after`; or hang, close, half (of an answer) or trickle."""


class Api(Application):
    """One call, good or bad."""

    bad_day: dict[str, Any] = {}  # noqa: RUF012 - each call sets its own

    def do_GET(self) -> None:  # noqa: N802 - http.server's name
        about = topic(self.path)
        if about is None:
            super().do_GET()
            return
        call = {
            "about": about,
            "at": seconds(),
            "left": None,
            "connection": self.client_address[1],
            "host": self.headers["Host"],
            "told": sorted(name for name in self.headers if "forwarded" in name.lower()),
        }
        calls.append(call)
        waiting = faults.get(about)
        fault = waiting.pop(0) if waiting else None
        if fault in ("hang", "close", "half", "trickle"):
            self.close_connection = True
            try:
                getattr(self, fault)(call)
            except OSError:
                call["left"] = seconds()
            return
        self.bad_day = fault if isinstance(fault, dict) else {"status": fault}
        super().do_GET()
        self.bad_day = {}

    def end_headers(self) -> None:
        if "retry_after" in self.bad_day:
            self.send_header("Retry-After", str(self.bad_day["retry_after"]))
        super().end_headers()

    def answer(self, path: str, body: bytes) -> Answer:
        if path == "/calls":
            return 200, {"calls": calls, "now": seconds()}
        if path.startswith("/faults/"):
            faults[path.removeprefix("/faults/")] = json.loads(body)
            return 200, faults
        if self.bad_day.get("status"):
            return self.bad_day["status"], {"error": "the API has a bad day"}
        query = parse_qs(self.path.partition("?")[2])
        if query.get("key") != [KEY]:
            return 403, "Forbidden: verify your key="
        player = query.get("steamid", ["0"])[0]
        return 200, told_of(topic(path), player)

    # ---- bad days

    def hang(self, call: dict[str, Any]) -> None:
        """No answer, ever: until the caller gives up."""
        self.rfile.read(1)
        call["left"] = seconds()

    def close(self, _: dict[str, Any]) -> None:
        """It breaks off instead of an answer."""
        self.connection.shutdown(socket.SHUT_RDWR)

    def half(self, _: dict[str, Any]) -> None:
        """It breaks off in the middle."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 40\r\n\r\n{")
        self.connection.shutdown(socket.SHUT_RDWR)

    def trickle(self, _: dict[str, Any]) -> None:
        """A byte now and then: it moves, and does not get there."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4000\r\n\r\n")
        for _byte in range(4000):
            self.wfile.write(b" ")
            time.sleep(BYTE_EACH)


def seconds() -> float:
    """On a clock that is not set."""
    return time.monotonic()  # noqa: TID251 - a program of its own


def topic(path: str) -> str | None:
    """What is asked for; None for what this API does not have."""
    if path.startswith(STATISTICS):
        return "statistics"
    return "achievements" if path.startswith(ACHIEVEMENTS) else None


def told_of(about: str | None, player: str) -> object:
    """What there is to say of a player."""
    if about == "statistics":
        return {"playerstats": {"steamID": player, "stats": [{"name": "DBD_KillerSkulls", "value": 7}]}}
    if about == "achievements":
        unlocked = [{"apiname": "ACH_UNLOCK_DWIGHT_PERKS", "achieved": 1}]
        return {"playerstats": {"steamID": player, "achievements": unlocked, "success": True}}
    return {"response": {"players": [{"steamid": player}]}}


if __name__ == "__main__":
    serve(Api, __doc__)
