"""The audit log: who, what, decision and reason, one line of JSON for each request that proved an
identity or was refused, and for each change of what is in force.

It never has a body, a query, a header or a secret in it. Lines are encoded on the event
loop's thread and handed to the writer 0.2 s later at most; when a batch counts as written it
is on the disk (fdatasync). A process that is killed loses the lines of the last 0.2 s and
what the writer has not come to; one that is asked to end loses nothing that can be written.

What happens when it cannot be written is chosen. `refuse`: no request gets in and the admin
port changes nothing, since nobody could tell of it afterwards; what was in flight when it
began, and edits of policy files, are still told of, as lines are kept and tried again.
Requests without a route have no effect, and get their 404. At most 8 MiB of lines are kept;
past that they are lost and counted. `drop`: all goes on, and lines are lost and counted.
"""

from __future__ import annotations

import json
from pathlib import Path
from threading import Lock
from typing import Literal

from proxy.clock import Clock
from proxy.errors import Rejection, UpstreamError
from proxy.exchange import Exchange, Outcome
from proxy.problem import encodable
from proxy.telemetry.access_log import path_of, reason_of
from proxy.telemetry.audit_file import AuditFile
from proxy.telemetry.audit_writer import AuditWriter, OnFailure
from proxy.telemetry.batch import Batch, Schedule
from proxy.telemetry.redaction import Redaction
from proxy.telemetry.timestamp import rfc3339

UNAVAILABLE = "audit.unavailable"
_LONGEST_TEXT = 2048
_MOST_SHADOWED = 16
_RETRY_AFTER = 5.0

Verdict = Literal["allowed", "refused", "failed"]


class AuditLog:
    """For one thread. `path` is a file, or `-` for standard output. Raises ValueError where it cannot
    be written at all."""

    def __init__(
        self,
        path: str,
        clock: Clock,
        schedule: Schedule,
        *,
        max_size: int,
        keep: int,
        on_failure: OnFailure,
        lock: Lock,
    ) -> None:
        try:
            file = AuditFile(None if path == "-" else Path(path).absolute(), max_size=max_size, keep=keep)
        except OSError as error:
            raise ValueError(f"cannot write the audit log {path}: {error.strerror}") from None
        self._writer = AuditWriter(file, path, on_failure, lock)
        self._refuses = on_failure == "refuse"
        self._now = clock.now
        self._batch = Batch(self._writer.put, schedule)
        self.redaction: Redaction | None = None
        """What is not to be seen in it, beside what never is."""

    @property
    def dropped(self) -> int:
        """Lines lost so far."""
        return self._writer.dropped

    @property
    def error(self) -> str:
        """Why it cannot be written; empty where it can."""
        return self._writer.error or ("the disk is too slow" if self._writer.failing else "")

    @property
    def unavailable(self) -> bool:
        """What would have to be audited must not happen now."""
        return self._refuses and self._writer.failing

    def admit(self, _: Exchange) -> None:
        """Asked before all policies of a request; raises Rejection."""
        if self._refuses and self._writer.failing:
            raise refusal()

    def write(self, exchange: Exchange, outcome: Outcome) -> None:
        """Add the line of an exchange that is over, where it is one to tell of."""
        refusal, identity = exchange.refusal, exchange.identity
        verdict = _verdict(refusal, outcome)
        if (identity is None and verdict != "refused") or reason_of(refusal, outcome) == UNAVAILABLE:
            return
        hidden = self.redaction
        line: dict[str, object] = {
            "request_id": exchange.request_id,
            "decision_id": exchange.decision_id,
            "route": exchange.route.name,
            "method": exchange.request.method,
            "path": path_of(exchange.request),
            "client_ip": exchange.client_ip if hidden is None else hidden.client_ip(exchange),
        }
        if hidden is not None:
            line["path"] = hidden.path(path_of(exchange.request), exchange.route.template)
        if identity is not None:
            id_ = identity.id if hidden is None else hidden.identity(exchange)
            line["identity"] = {"id": _cut(id_), "method": identity.method}
        line["status"] = outcome.status
        line["decision"] = verdict
        if reason := reason_of(refusal, outcome):
            line["reason"] = reason
        if exchange.shadowed:
            line["shadow"] = [each.reason for each in exchange.shadowed[:_MOST_SHADOWED]]
        line["revision"] = exchange.route.revision
        self.add("request", line)

    def add(self, kind: str, line: dict[str, object]) -> None:
        """Add a line of another kind: `admin`, `policies`, `process`."""
        shown = {name: _cut(value) if isinstance(value, str) else value for name, value in line.items()}
        text = json.dumps({"time": rfc3339(self._now()), "kind": kind, **shown}, separators=(",", ":"))
        self._batch.add(text.encode() + b"\n")

    def flush(self) -> None:
        """Hand what there is to the writer."""
        self._batch.flush()

    def close(self, wait: float = 5.0) -> bool:
        """Write what is left, for `wait` seconds at most; False where some of it was not."""
        self.flush()
        return self._writer.close(wait) and not self._writer.error


def refusal() -> Rejection:
    """Of what nobody could tell of afterwards."""
    detail = "This service cannot record requests now, and so takes none. Try again later."
    return Rejection(503, UNAVAILABLE, detail, retry_after=_RETRY_AFTER)


def _verdict(refusal: Rejection | None, outcome: Outcome) -> Verdict:
    if refusal is None:
        return "failed" if outcome.reason else "allowed"
    return "failed" if isinstance(refusal, UpstreamError) or refusal.status == 500 else "refused"


def _cut(text: str) -> str:
    if len(text) > _LONGEST_TEXT:
        text = f"{text[:_LONGEST_TEXT]}..."
    return text if text.isascii() else encodable(text)
