"""What the admin API answers, as types: the same that are written are those that are documented."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

import msgspec
from msgspec import UNSET, Meta, UnsetType

from proxy.config.configuration import RouteConfig
from proxy.telemetry.decisions import Decision
from proxy.telemetry.shadow_report import ShadowedPolicy

Time = Annotated[str, Meta(description="RFC 3339, in UTC with milliseconds.")]


class PublicHealth(msgspec.Struct, frozen=True, kw_only=True):
    """What anybody may know."""

    status: Literal["ready", "not ready"]
    reason: Annotated[str | UnsetType, Meta(description="Why it is not ready.")] = UNSET
    uptime_seconds: float
    checks: Annotated[
        Mapping[str, object] | UnsetType,
        Meta(
            description="Of `health.checks`, where there are any: name -> `healthy`, `unhealthy` or "
            "`unknown`; for operators with what else is known of it."
        ),
    ] = UNSET


class Reload(msgspec.Struct, frozen=True, kw_only=True):
    """How the last attempt to load the policy files ended, that of the start included."""

    ok: Annotated[bool, Meta(description="False: the files were refused, and what was live before still is.")]
    at: Time
    problems: Annotated[Sequence[str], Meta(description="As `seawall check` prints them.")]


class Health(PublicHealth, frozen=True, kw_only=True):
    """How the process is doing."""

    version: str
    revision: Annotated[str, Meta(description="Hash of the policy files that are live.")]
    live_since: Time
    last_reload: Reload
    draining: Annotated[bool, Meta(description="It goes on with what is in flight, and ends.")]
    in_flight: Annotated[int, Meta(description="Exchanges that are not over.")]
    access_log_error: Annotated[
        str, Meta(description="Why lines of the access log are being lost; else empty.")
    ]
    audit_log_error: Annotated[
        str, Meta(description="Why the audit log cannot be written; else empty. Empty where there is none.")
    ]
    upstreams: Annotated[
        Mapping[str, object],
        Meta(
            description="Name -> how many connections are in which state, and where it has a "
            "`health_check`, what that says under `health`."
        ),
    ]
    store: Annotated[
        Mapping[str, object],
        Meta(
            description="The store of state: its kind, and whether it can be reached; of one in a file or a "
            "server also where it is, the state of its circuit breaker, and its last error."
        ),
    ]


class Revision(msgspec.Struct, frozen=True, kw_only=True):
    """Which policy files are live, and whether those on disk are."""

    revision: Annotated[str, Meta(description="Hash of the policy files that are live.")]
    live_since: Time
    last_reload: Reload
    last_change: Annotated[
        Sequence[str],
        Meta(
            description="What this revision changed beside the one before, in sentences; "
            "none where it is the first since the start."
        ),
    ]
    watching: Annotated[str, Meta(description="How changes of the files are noticed, in words; or `off`.")]


class RoutePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """A policy of a route."""

    kind: Annotated[str, Meta(description="Its key in policy files: `rate_limit`.")]
    mode: Annotated[str, Meta(description="`enforce`, `shadow`, or a share such as `10%`.")]
    place: Annotated[str, Meta(description="`file:line` of what is in force.")]


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A match and the policies for it."""

    name: str
    path: str
    methods: Annotated[list[str], Meta(description="Any where empty.")]
    hosts: Annotated[list[str], Meta(description="Any where empty.")]
    upstream: str
    policies: Annotated[list[RoutePolicy], Meta(description="In the order in which a request meets them.")]
    place: Annotated[str, Meta(description="`file:line` of its first line.")]

    @classmethod
    def of(cls, route: RouteConfig) -> Self:
        """As the files have it."""
        return cls(
            name=route.name,
            path=route.match.path,
            methods=list(route.match.methods),
            hosts=list(route.match.hosts),
            upstream=route.upstream,
            policies=[
                RoutePolicy(kind=each.kind, mode=str(each.mode), place=each.place) for each in route.policies
            ],
            place=route.place,
        )


class Routes(msgspec.Struct, frozen=True):
    """What is served."""

    routes: Annotated[Sequence[Route], Meta(description="In file order; the most specific one wins.")]


class Decisions(msgspec.Struct, frozen=True):
    """Some of the last decisions."""

    decisions: Annotated[Sequence[Decision], Meta(description="The newest first, without their `chain`.")]


class Shadow(msgspec.Struct, frozen=True):
    """What policies in shadow would have done, each since it went live as it is now."""

    total: Annotated[int, Meta(description="How many policies there are, of which `limit` are told.")]
    policies: Annotated[
        Sequence[ShadowedPolicy], Meta(description="Those that would have refused most come first.")
    ]


class Breaker(msgspec.Struct, frozen=True, kw_only=True):
    """A circuit breaker."""

    name: Annotated[str, Meta(description="Its own, or that of its route where it has none.")]
    state: Literal["closed", "open", "half-open"]
    since: Time
    forced: Annotated[bool, Meta(description="An operator holds it in this state.")]
    numbers: Annotated[Mapping[str, object], Meta(description="What it counts, and what opened it.")]


class Breakers(msgspec.Struct, frozen=True):
    """Every circuit breaker that is enforced."""

    breakers: Annotated[Sequence[Breaker], Meta(description="By name.")]


class BreakerSetting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a circuit breaker is to do."""

    state: Annotated[
        Literal["open", "closed", "automatic"],
        Meta(description="Hold it `open` or `closed`, until it is `automatic` again or Seawall restarts."),
    ]


class Reloaded(msgspec.Struct, frozen=True):
    """The files were loaded."""

    revision: Annotated[str, Meta(description="Hash of the policy files that are live now.")]


class ProblemDetails(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no answer (RFC 9457)."""

    type: str
    title: str
    status: int
    reason: Annotated[str, Meta(description="A stable code, such as `admin.token`.")]
    detail: Annotated[str | UnsetType, Meta(description="A sentence for people.")] = UNSET


class FileProblem(msgspec.Struct, frozen=True, kw_only=True):
    """One mistake in a policy file."""

    file: str
    line: Annotated[int, Meta(description="From 1; 0 where it is the whole file.")]
    column: int
    path: Annotated[str, Meta(description="Such as `routes[0].policies.size_limit.body`.")]
    message: str
    excerpt: Annotated[str, Meta(description="The line and a caret under it, secrets masked.")]


class FilesRefused(ProblemDetails, frozen=True, kw_only=True):
    """The files have problems, and what was live before still is."""

    problems: list[FileProblem]
