"""Who changed something through the admin port, or tried to: one line of JSON each, in Seawall's own log
and in the audit log, where there is one.

Every change is told. Of those who were not let in, or asked for what is not there, some
lines a minute say as much as all: a flood of them must not drive out the rest of the log.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

from proxy.admin.access import Caller
from proxy.telemetry.audit_log import AuditLog, refusal

MOST_REFUSALS = 10
"""Lines in each `_WINDOW` about callers who achieved nothing."""
_WINDOW = 60.0
_LONGEST_TEXT = 200
_DECISIONS = {"done": "allowed", "failed": "failed", "refused": "refused"}
_NOT_LET_IN = frozenset({400, 401, 403, 404, 405, 421})

_log = logging.getLogger("seawall.audit")


class Audit:
    """`monotonic` is in seconds. For one thread."""

    def __init__(
        self, monotonic: Callable[[], float], *, has_token: bool, log: AuditLog | None = None
    ) -> None:
        self._log = log
        self._monotonic = monotonic
        self._has_token = has_token
        self._window_ends = float("-inf")
        self._in_window = 0
        self._unlogged = 0

    def check(self) -> None:
        """Raises Rejection where nobody could tell of a change afterwards."""
        if self._log is not None and self._log.unavailable:
            raise refusal()

    def tell(self, caller: Caller, status: int, reason: str = "") -> None:
        """`caller` asked for a change and got `status`; `reason` is why not."""
        let_in = status not in _NOT_LET_IN
        if not let_in and not self._may_tell():
            self._unlogged += 1
            return
        line: dict[str, object] = {
            "peer": caller.peer,
            "origin": None if caller.origin is None else caller.origin[:_LONGEST_TEXT],
            "by": ("token" if self._has_token else "this machine") if let_in else None,
            "what": f"{caller.method} {caller.path}"[:_LONGEST_TEXT],
            "outcome": "done" if status < 400 else "failed" if status >= 500 else "refused",
            "status": status,
        }
        if reason:
            line["reason"] = reason
        if self._unlogged:
            line["unlogged_before"], self._unlogged = self._unlogged, 0
        if self._log is not None:
            self._log.add("admin", {**line, "decision": _DECISIONS[str(line["outcome"])]})
        # json.dumps escapes all but printable ASCII, so that no request can forge a line.
        _log.log(logging.INFO if status < 400 else logging.WARNING, "admin %s", json.dumps(line))

    def _may_tell(self) -> bool:
        now = self._monotonic()
        if now >= self._window_ends:
            self._window_ends, self._in_window = now + _WINDOW, 0
        self._in_window += 1
        return self._in_window <= MOST_REFUSALS
