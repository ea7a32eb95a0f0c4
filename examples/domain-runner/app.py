"""An API that works on lists of domains, as long as everybody is friendly.

It knows nothing of Seawall and stays as it is. It asks nobody who they are, makes its queries of what it
is sent, works on everything at once until its database has no connection left, and shows its traceback.

    python -m examples.domain-runner.app --port 3000
"""

from __future__ import annotations

import json
import time
from typing import ClassVar
from urllib.parse import parse_qs

from examples.answering import Answer, Application, serve

CONNECTIONS = 15
queries: list[str] = []
"""What would have been asked of the database: this is only an example."""
asked: list[str] = []
"""The priority of each job, in the order in which they came."""
under_way = 0


class DomainRunner(Application):
    """Its answers tell what it runs on."""

    more_headers: ClassVar[dict[str, str]] = {"X-Powered-By": "Express"}

    def answer(self, path: str, body: bytes) -> Answer:
        if path == "/queries":
            return 200, {"queries": queries, "jobs": asked}
        if path.startswith("/api/v2/domains") and self.command == "POST":
            wanted = json.loads(body)
            queries.append("insert into domains values ('" + "', '".join(wanted["domains"]) + "')")
            return 201, {"accepted": len(wanted["domains"])}
        if path == "/api/v2/jobs":
            return self.job()
        if path == "/api/v2/report":
            raise RuntimeError("no connection to db-3.internal as domains:opensesame")
        return 200, {"path": path, "request_id": self.headers.get("X-Request-ID")}

    def job(self) -> Answer:
        """Keep a connection to the database for as long as the query says."""
        global under_way  # noqa: PLW0603 - what such applications do
        under_way += 1
        try:
            if under_way > CONNECTIONS:
                raise RuntimeError(f"all {CONNECTIONS} connections are in use")
            asked.append(self.headers.get("X-Priority", "none"))
            time.sleep(float(parse_qs(self.path.partition("?")[2]).get("seconds", ["0"])[0]))
        finally:
            under_way -= 1
        return 200, {"done": len(asked)}


if __name__ == "__main__":
    serve(DomainRunner, __doc__)
