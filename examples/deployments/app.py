"""A platform that deploys what GitHub tells it of, and what its users ask for, written in a hurry.

It knows nothing of Seawall and stays as it is. It believes every webhook, works on each as often as it
comes, makes commands of whatever it is sent, and shows its traceback, with what is in it.

    python -m examples.deployments.app --port 3000
"""

from __future__ import annotations

import json
from typing import ClassVar

from examples.answering import Answer, Application, serve

done: list[str] = []
"""What would have been run: this is only an example."""


class Deployments(Application):
    """Its answers tell what it runs on."""

    more_headers: ClassVar[dict[str, str]] = {"X-Powered-By": "Next.js"}

    def answer(self, path: str, body: bytes) -> Answer:
        if path == "/done":
            return 200, done
        if path.startswith("/api/webhooks/github"):
            message = json.loads(body)
            done.append(f"git fetch origin {message['ref']}")
            return 200, {"queued": len(done)}
        if f"{path}/".startswith("/deployments/") and self.command == "POST":
            wanted = json.loads(body)
            done.append(f"flyctl deploy --app {wanted['app_name']} {wanted.get('directory', '.')}")
            return 201, {"command": done[-1]}
        return 200, "a page\n"


if __name__ == "__main__":
    serve(Deployments, __doc__)
