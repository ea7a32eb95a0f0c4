"""Plays the API of a registrar: answers in XML, orders by GET and by POST alike, refuses who is too fast.

It plays what is called, not who calls, and knows nothing of Seawall. It has bad days: POST
/next?faults=503,hang tells what becomes of the next calls, GET /calls what came, when, and what was ordered.

    python -m examples.namecheap.app --port 3000 --certificate server.pem
"""

from __future__ import annotations

import itertools
import select
import threading
import time
from typing import Any, NoReturn
from urllib.parse import parse_qs

from examples.answering import Answer, Application, serve

ALLOWED = 8
"""Calls in any second; who makes more is refused, with a number in the body of a 200."""
GOOD = (
    '<?xml version="1.0" encoding="utf-8"?>\n'
    '<ApiResponse Status="OK" xmlns="http://api.namecheap.com/xml.response"><Errors />'
    '<CommandResponse Type="{command}" /></ApiResponse>\n'
)
BAD = (
    '<?xml version="1.0" encoding="utf-8"?>\n'
    '<ApiResponse Status="ERROR" xmlns="http://api.namecheap.com/xml.response">'
    '<Errors><Error Number="{number}">{number}</Error></Errors></ApiResponse>\n'
)
calls: list[dict[str, Any]] = []
orders: list[str] = []
faults: list[str] = []
left: list[str] = []
"""Commands whose caller did not wait for the answer."""
lock = threading.Lock()
connections = itertools.count(1)


class Api(Application):
    """One connection; it stays open."""

    text_type = "text/xml; charset=utf-8"

    def setup(self) -> None:
        super().setup()
        self.number = next(connections)

    def answer(self, path: str, body: bytes) -> Answer:
        asked = {
            name: values[-1]
            for text in (self.path.partition("?")[2], body.decode())
            for name, values in parse_qs(text).items()
        }
        if path == "/calls":
            return 200, {"calls": calls, "orders": orders, "left": left}
        if path == "/next" and self.command == "POST":
            faults[:] = asked["faults"].split(",")
            return 200, {"faults": faults}
        if path != "/xml.response":
            return 404, "no such page\n"
        with lock:
            fault = self._note(asked)
        return self._go_wrong(fault, asked) if fault else self._carry_out(asked)

    def _note(self, asked: dict[str, str]) -> str:
        """What is to go wrong with this call."""
        now = time.monotonic()  # noqa: TID251 - an application of its own
        calls.append(
            {
                "at": now,
                "command": asked["Command"],
                "host": self.headers["Host"],
                "headers": sorted(name.lower() for name in self.headers),
                "connection": self.number,
            }
        )
        recent = sum(now - call["at"] < 1 for call in calls)
        return "2030280" if recent > ALLOWED else faults.pop(0) if faults else ""

    def _carry_out(self, asked: dict[str, str]) -> Answer:
        if asked["Command"] == "namecheap.domains.create":
            orders.append(asked["DomainName"])
        return 200, GOOD.format(command=asked["Command"])

    def _go_wrong(self, fault: str, asked: dict[str, str]) -> Answer:
        if fault == "good":
            return self._carry_out(asked)
        if fault == "slow":
            time.sleep(1)
            return self._carry_out(asked)
        if fault == "hang":
            self._hang(asked["Command"])
        if fault == "drop":  # it is done, and nobody is told
            self._carry_out(asked)
            raise ConnectionAbortedError
        if fault == "cut":
            self._cut()
        return (int(fault), "bad day\n") if len(fault) == 3 else (200, BAD.format(number=fault))

    def _hang(self, command: str) -> NoReturn:
        """Until the caller has had enough."""
        while select.select([self.connection], [], [], 60)[0] and self.connection.recv(1):
            pass
        left.append(command)
        raise ConnectionAbortedError

    def _cut(self) -> NoReturn:
        """Break off in the middle of the answer."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n<ApiResponse")
        self.wfile.flush()
        raise ConnectionAbortedError


if __name__ == "__main__":
    serve(Api, __doc__)
