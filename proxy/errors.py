"""Every error that Seawall raises on purpose, and who is to blame for it.

Anything else that is raised while a request is served is a bug: it is logged with its
traceback and answered with 500 and no detail.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal


class SeawallError(Exception):
    """Parent of all deliberate errors."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a policy file. Lines and columns count from 1; 0 means the whole file."""

    file: str
    line: int
    column: int
    path: str
    """Where in the document, such as `routes[0].policies.size_limit.body`."""
    message: str
    """What is wrong; what is expected."""
    excerpt: str = ""
    """The line itself and a caret under it, secrets masked; two lines, or empty."""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        text = f"{where}: {self.path}: {self.message}" if self.path else f"{where}: {self.message}"
        return f"{text}\n{self.excerpt}" if self.excerpt else text


class ConfigError(SeawallError):
    """The policy files cannot be served. Carries every problem found, in file order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Change:
    """The smallest edit of a policy with which what refused a request would have let it pass.

    What stands behind it, in the policy or on the route, has not looked at the request yet.
    """

    key: str
    """Field of the policy, such as `burst` or `trip.consecutive_failures`."""
    value: object
    """As a policy file spells it, once it is text: a number, a `Size`, a `Duration`, a text."""
    how: Literal["at_least", "add", "set"] = "at_least"
    """A bound to raise to `value`; a list that `value`, or all of a tuple, must join; or the value itself."""

    def __str__(self) -> str:
        if self.how == "add":
            return f"{self.value} in {self.key}"
        return f"{self.key} {'≥' if self.how == 'at_least' else '='} {self.value}"


class Rejection(SeawallError):
    """A request is refused; becomes a problem+json response (RFC 9457).

    `reason` is the stable public code and starts with the name of who refuses
    (`size_limit.body`). `detail` is a sentence that any client may read. `cause` is for
    the log and the decision only. `facts` are the numbers behind the decision: what was
    measured and which threshold it crossed. `retry_after` is in seconds. `change` is the
    smallest edit with which the request would have passed, where there is one. `policy` is
    the name of the policy's state (`Services.name`), where several of its kind may stand on
    a route.
    """

    def __init__(  # noqa: PLR0913  # each is about one thing that somebody asks of a refusal
        self,
        status: int,
        reason: str,
        detail: str = "",
        *,
        cause: str = "",
        retry_after: float | None = None,
        headers: Sequence[tuple[str, str]] = (),
        facts: Mapping[str, object] | None = None,
        change: Change | None = None,
        policy: str = "",
    ) -> None:
        super().__init__(f"{status} {reason}: {cause or detail}")
        self.status = status
        self.reason = reason
        self.detail = detail
        self.cause = cause
        self.retry_after = retry_after
        self.headers = headers
        self.facts: Mapping[str, object] = facts or {}
        self.change = change
        self.policy = policy


class UpstreamError(Rejection):
    """The upstream failed: unreachable, too slow, or not speaking HTTP.

    `nothing_sent` is true where no byte of the request was written to a connection, so
    that repeating it is safe whatever the method (RFC 9110, section 9.2.2).
    """

    def __init__(
        self, status: int, reason: str, detail: str = "", *, cause: str = "", nothing_sent: bool = False
    ) -> None:
        super().__init__(status, reason, detail, cause=cause)
        self.nothing_sent = nothing_sent


class FetchError(SeawallError):
    """A document from elsewhere could not be had; says why, for the log.

    `status` is what the server answered instead of 200, None where it gave no answer.
    """

    def __init__(self, cause: str, status: int | None = None) -> None:
        super().__init__(cause)
        self.status = status


class Busy(SeawallError):
    """So much work is waiting that more of it would not be done in time."""


class StoreError(SeawallError):
    """A store of state is out of reach, or `full`; the policy that asked says what happens then."""

    def __init__(self, message: str, *, full: bool = False) -> None:
        super().__init__(message)
        self.full = full
