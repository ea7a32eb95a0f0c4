"""A service that makes tickets of what Freshdesk and Zendesk send, for everybody who knows its address.

It knows nothing of Seawall and stays as it is. It believes whoever asks, makes a ticket of every try of
a sender, takes as much as it is sent, and shows its traceback for a message without an id.

    python -m examples.ingestion.app --port 3000
"""

from __future__ import annotations

import json
import uuid
from itertools import count

from examples.answering import Answer, Application, serve

WEBHOOKS = "/api/v1/ingest/webhook/"
tickets: list[dict[str, str]] = []
connections = count(1)
latest = 0


class Ingestion(Application):
    """One connection; it stays open."""

    def setup(self) -> None:
        global latest  # noqa: PLW0603 - what such applications do
        super().setup()
        latest = next(connections)

    def answer(self, path: str, body: bytes) -> Answer:
        if path == "/health":
            return 200, {"status": "ok", "tickets": len(tickets), "connections": latest}
        source = path.removeprefix(WEBHOOKS)
        if self.command != "POST" or source not in ("freshdesk", "zendesk"):
            return 404, "no such page\n"
        message = json.loads(body)
        ticket = {
            "ticket_id": str(uuid.uuid4()),
            "external_source": source,
            "external_id": str(message["id"]),
            "subject": message["subject"],
        }
        tickets.append(ticket)
        return 200, {"status": "created", "ticket_id": ticket["ticket_id"]}


if __name__ == "__main__":
    serve(Ingestion, __doc__)
