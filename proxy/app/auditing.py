"""The audit log as the command line asks for it."""

from __future__ import annotations

from threading import Lock

from proxy.app.settings import Settings
from proxy.clock import Clock
from proxy.telemetry.audit_log import AuditLog
from proxy.telemetry.batch import Schedule


def audit_log(settings: Settings, clock: Clock, schedule: Schedule, stdout: Lock) -> AuditLog | None:
    """None where none is asked for; raises ValueError where it cannot be written at all.

    `stdout` is held by who writes to standard output.
    """
    if settings.audit_log is None:
        return None
    log = AuditLog(
        settings.audit_log,
        clock,
        schedule,
        max_size=settings.audit_max_size,
        keep=settings.audit_keep,
        on_failure=settings.audit_on_failure,
        lock=stdout if settings.audit_log == "-" else Lock(),
    )
    log.add("process", {"decision": "allowed", "what": "start"})
    return log
