"""The part of a provider that takes webhooks, and believes everybody who sends one.

It knows nothing of Seawall and stays as it is. It works on each event as often as it comes, on events that
it has never heard of too, writes what it is sent into its log, and shows its traceback.

    python -m examples.namecheap-webhooks.app --port 3000
"""

from __future__ import annotations

import json

from examples.answering import Answer, Application, serve

done: list[str] = []
"""What would have been changed in the cluster: this is only an example."""
log: list[str] = []
fails = 0


class Webhooks(Application):
    """One connection; it stays open."""

    def answer(self, path: str, body: bytes) -> Answer:
        global fails  # noqa: PLW0603 - what such applications do
        if path == "/done":
            return 200, {"done": done, "log": log}
        if path == "/fail":
            fails += 1
            return 200, {"fails": fails}
        if path != "/webhook":
            return 404, "no such page\n"
        if fails:
            fails -= 1
            raise RuntimeError("no connection to the cluster as provider:opensesame")
        event = json.loads(body)
        log.append(f"event {event['type']}: {event.get('data')}")
        done.append(event["type"])
        return 200, {"done": len(done)}


if __name__ == "__main__":
    serve(Webhooks, __doc__)
