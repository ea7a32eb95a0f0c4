"""What a deploy platform calls outside, on a bad day: GitHub's API, and the one of Fly.io for machines.

It plays both, and knows nothing of Seawall. It fails twice before it answers, asks for time, hangs, is down,
starts a machine for each call that says so, and says at /calls what it was asked.

    python -m examples.deployments-calls.app --port 3000
"""

from __future__ import annotations

import time
from typing import ClassVar

from examples.answering import Answer, Application, serve

calls: list[str] = []
"""Method and path of each, in the order in which they came."""
machines: list[str] = []


class Outside(Application):
    """Both of them."""

    more_headers: ClassVar[dict[str, str]] = {"Server": "outside"}

    def answer(self, path: str, _: bytes) -> Answer:
        if path == "/calls":
            return 200, calls
        calls.append(f"{self.command} {path}")
        if path.startswith("/repos/acme/"):
            return self.repository(path, calls.count(f"{self.command} {path}"))
        if path.startswith("/v1/apps/"):
            return self.machine(path)
        return 404, {"message": "Not Found"}

    def repository(self, path: str, time_of_asking: int) -> Answer:
        """GitHub's: `flaky` is there the third time, `slow` takes three seconds, `down` is down."""
        name = path.split("/")[3]
        if name == "down" or (name == "flaky" and time_of_asking < 3):
            return 502, {"message": "Server Error"}
        if name == "slow":
            time.sleep(3)
        told = {name: self.headers.get(name) for name in ("Host", "Authorization", "X-Forwarded-For")}
        return 200, {"full_name": path.removeprefix("/repos/"), "permissions": {"push": True}, "asked": told}

    def machine(self, path: str) -> Answer:
        """Those of Fly.io: one more for each POST, also where it then says that it failed."""
        if self.command == "POST":
            machines.append(path)
        if "/broken/" in path:
            return 500, {"error": "no capacity"}
        return 200, {"machines": len(machines)}


if __name__ == "__main__":
    serve(Outside, __doc__)
