"""All that the side ports know of the proxy that runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from proxy.admin.bodies import Route
from proxy.state import Switched
from proxy.telemetry.audit_log import AuditLog
from proxy.telemetry.decisions import Decisions
from proxy.telemetry.shadow_report import ShadowReport


class LastReload(msgspec.Struct, frozen=True, kw_only=True):
    """How the last attempt to load the policy files ended, that of the start included."""

    ok: bool
    at: float
    """Seconds since the epoch."""
    problems: Sequence[str] = ()
    """As `seawall check` prints them; what was live before still is."""


class Details(msgspec.Struct, frozen=True, kw_only=True):
    """Health in detail. Times are seconds, points in time seconds since the epoch."""

    version: str
    revision: str
    """Hash of the policy files that are live."""
    live_since: float
    last_change: Sequence[str] = ()
    """What that revision changed beside the one before, in sentences; nothing where it is the first."""
    uptime: float
    last_reload: LastReload
    watching: str = "off"
    """How changes of the files are noticed, in words."""
    draining: bool
    in_flight: int
    access_log_error: str = ""
    """Why lines of the access log are being lost; empty where they are not."""
    audit_log_error: str = ""
    """Why the audit log cannot be written; empty where it can, or there is none."""
    checks: Mapping[str, Mapping[str, object]] = {}
    """Name -> what is known of each of `health.checks`, beginning with its `state`."""
    upstreams: Mapping[str, object]
    """Name -> what its pool and its health check say of it; anything that JSON can hold."""
    store: Mapping[str, object] = {}
    """How the store of state is; anything that JSON can hold."""


class Running(Protocol):
    """Implemented by the composition root. Nothing here blocks."""

    @property
    def decisions(self) -> Decisions:
        """The last ones."""
        ...

    @property
    def shadow_report(self) -> ShadowReport:
        """What policies in shadow would have done."""
        ...

    @property
    def audit(self) -> AuditLog | None:
        """Where changes are told of, if there is one."""
        ...

    def live(self) -> bool:
        """False where only a restart can help."""
        ...

    def ready(self) -> tuple[bool, str]:
        """Whether traffic should come; if not, why, in a few words that anybody may read."""
        ...

    def details(self) -> Details:
        """For operators only."""
        ...

    def metrics(self, accept: str) -> tuple[bytes, str]:
        """The exposition and its content type."""
        ...

    def routes(self) -> Sequence[Route]:
        """What is served, in file order."""
        ...

    def breakers_seen(self) -> Mapping[str, Switched]:
        """Every circuit breaker that is enforced, by its name."""
        ...

    def force_breaker(self, name: str, state: Literal["open", "closed"] | None) -> Switched | None:
        """Hold one open or closed; with None it decides again. None where there is no such breaker."""
        ...

    async def reload(self) -> str:
        """Load the policy files, all or nothing; the new revision.

        Waits for a reload that is going on. Raises ConfigError, and nothing has changed.
        """
        ...
