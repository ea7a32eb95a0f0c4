"""Every path of the admin port: the one table that routes, checks queries and documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from proxy.admin import bodies
from proxy.errors import Rejection
from proxy.telemetry.decisions import Decision
from proxy.telemetry.shadow_report import MOST_EXAMPLES

MOST_DECISIONS = 1000
MOST_SHADOWED = 1000

Access = Literal["anybody", "operator", "change"]
"""`operator`: with the token, or from this machine. `change`: with the token where one is set."""

Filter = Annotated[str, Meta(min_length=1, max_length=200)]


class DecisionsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which of the last decisions are wanted."""

    limit: Annotated[int, Meta(ge=1, le=MOST_DECISIONS, description="How many at most.")] = 100
    route: Annotated[Filter, Meta(description="Of the route with this name.")] = ""
    reason: Annotated[
        Filter,
        Meta(description="With this reason (`rate_limit.exceeded`), or of this policy's kind or name."),
    ] = ""


class ShadowQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which policies in shadow are to be told of."""

    limit: Annotated[int, Meta(ge=1, le=MOST_SHADOWED, description="How many policies at most.")] = 100
    route: Annotated[Filter, Meta(description="On the route with this name.")] = ""
    policy: Annotated[Filter, Meta(description="With this kind or name.")] = ""
    examples: Annotated[
        int, Meta(ge=0, le=MOST_EXAMPLES, description="How many examples of each finding at most.")
    ] = MOST_EXAMPLES


class NoQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing can be asked for."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: `body` is what JSON holds, or None for what is no JSON."""

    says: str
    body: Any
    media_types: tuple[str, ...] = ("application/json",)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path and method. Its name is that of the operation, and of what handles it."""

    name: str
    path: str
    summary: str
    answers: Mapping[int, Answer]
    method: Literal["GET", "POST"] = "GET"
    access: Access = "operator"
    says: str = ""
    query: Any = NoQuery
    takes: Any = None
    """What the body of the request holds, as JSON; None where nobody looks at it."""
    in_path: Mapping[str, str] = field(default_factory=dict)
    """Parameter of the path -> what it is."""


def _json(says: str, body: Any) -> Answer:
    return Answer(says, body)


def _text(says: str) -> Answer:
    return Answer(says, None, ("text/plain",))


def problem_answer(says: str, body: Any = bodies.ProblemDetails) -> Answer:
    """A refusal."""
    return Answer(says, body, ("application/problem+json",))


_BAD_QUERY = {400: problem_answer("A parameter is unknown, or not as it must be: `admin.parameter`.")}
_BAD_BODY = {
    400: problem_answer("A parameter or the body is not as it must be: `admin.parameter`, `admin.body`.")
}

ENDPOINTS = (
    Endpoint(
        "liveness",
        "/livez",
        "Does the process work?",
        {200: _text("`live`"), 503: _text("Only a restart can help.")},
        access="anybody",
    ),
    Endpoint(
        "readiness",
        "/readyz",
        "Should traffic come here?",
        {200: _text("`ready`"), 503: _text("Not, and why in a few words.")},
        access="anybody",
    ),
    Endpoint(
        "metrics",
        "/metrics",
        "Counters for Prometheus",
        {
            200: Answer(
                "OpenMetrics where Accept asks for it.", None, ("text/plain", "application/openmetrics-text")
            )
        },
        access="anybody",
    ),
    Endpoint(
        "health",
        "/healthz",
        "How the process is doing",
        {200: _json("Ready.", bodies.Health), 503: _json("Not ready.", bodies.Health)},
    ),
    Endpoint(
        "revision",
        "/api/revision",
        "Which policy files are live, and what changed",
        {200: _json("The revision that is live.", bodies.Revision), **_BAD_QUERY},
    ),
    Endpoint(
        "routes",
        "/api/routes",
        "What is served",
        {200: _json("Every route that is enabled.", bodies.Routes), **_BAD_QUERY},
    ),
    Endpoint(
        "decisions",
        "/api/decisions",
        "The last decisions",
        {200: _json("Those that were asked for.", bodies.Decisions), **_BAD_QUERY},
        says="Kept are the last 1000 exchanges that were refused, that failed, "
        "or that a policy in shadow would have refused.",
        query=DecisionsQuery,
    ),
    Endpoint(
        "decision",
        "/api/decisions/{id}",
        "One decision",
        {
            200: _json("What was decided, by which policy, and what would have let it pass.", Decision),
            404: problem_answer("It is unknown, or too long ago: `admin.decision`."),
            **_BAD_QUERY,
        },
        in_path={"id": "`decision_id` of a problem, a line of the access log, or an example of /api/shadow."},
    ),
    Endpoint(
        "shadow",
        "/api/shadow",
        "What policies in shadow would have refused",
        {
            200: _json("Every policy in shadow, also where it would have refused nothing.", bodies.Shadow),
            **_BAD_QUERY,
        },
        query=ShadowQuery,
    ),
    Endpoint(
        "breakers",
        "/api/breakers",
        "Circuit breakers and their state",
        {200: _json("Every circuit breaker that is enforced.", bodies.Breakers), **_BAD_QUERY},
    ),
    Endpoint(
        "force_breaker",
        "/api/breakers/{name}",
        "Hold a circuit breaker open or closed, or let it decide again",
        {
            200: _json("As it is now.", bodies.Breaker),
            404: problem_answer("There is no such breaker: `admin.breaker`."),
            **_BAD_BODY,
        },
        method="POST",
        access="change",
        says="A reload keeps it as it is held, a restart does not.",
        takes=bodies.BreakerSetting,
        in_path={"name": "As /api/breakers has it."},
    ),
    Endpoint(
        "reload",
        "/api/reload",
        "Load the policy files, all or nothing",
        {
            200: _json("They are live, or were already.", bodies.Reloaded),
            422: problem_answer(
                "They have problems, and nothing has changed: `config.refused`.", bodies.FilesRefused
            ),
            **_BAD_QUERY,
        },
        method="POST",
        access="change",
    ),
    Endpoint(
        "openapi",
        "/api/openapi.json",
        "This description",
        {200: _json("OpenAPI 3.1.", dict[str, Any]), **_BAD_QUERY},
    ),
)


def read_query(kind: Any, pairs: list[tuple[str, str]]) -> Any:
    """The query of a request as a `kind`. Raises Rejection, which says what is wrong."""
    given: dict[str, str] = {}
    for name, value in pairs:
        if name in given:
            raise _refusal(f"`{name[:40]}` is given twice")
        given[name] = value
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise _refusal(str(error)) from None


def read_body(kind: Any, body: bytes) -> Any:
    """The body of a request as a `kind`. Raises Rejection, which says what is wrong."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise _refusal(str(error), "admin.body") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Rejection(400, "admin.body", "The body is no JSON.") from None


def _refusal(why: str, reason: str = "admin.parameter") -> Rejection:
    # msgspec says `Expected ... - at `$.limit``: the name alone is what the caller wrote.
    what, _, where = why.partition(" - at `$.")
    detail = f"{where[:-1]}: {what[0].lower()}{what[1:]}." if where else f"{what}."
    return Rejection(400, reason, detail)
