"""What routes match on, and the names that policy files give: each parses itself, as units do."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import ClassVar, Self

from proxy.config.units import Text


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no {what}; expected text, in quotes if need be")  # noqa: TRY004
    return value


class Name(Text):
    """Of a route, an upstream or a policy: it ends up in metrics, logs and keys of state."""

    __slots__ = ()
    pattern = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$"
    example = "per_client"
    otherwise = "no name; expected up to 63 letters, digits, `_`, `-`, `.`, such as per_client"


class ReasonCode(Text):
    """The stable code of a refusal."""

    __slots__ = ()
    pattern = r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)+$"
    example = "rate_limit.exceeded"
    otherwise = "no reason; expected one such as rate_limit.exceeded"


class LoggedField(Text):
    """What of a request may stand in logs and decisions, and can be kept out of them."""

    __slots__ = ()
    pattern = (
        r"^(client\.ip|auth\.id|path\.[A-Za-z_][A-Za-z0-9_]*|query:[^\x00-\x20]+"
        r"|header:[!#$%&'*+\-.^_`|~0-9A-Za-z]+)$"
    )
    example = "query:token"
    otherwise = "no field; expected client.ip, auth.id, path.NAME, query:NAME or header:NAME"


METHODS = (
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY", "ACL", "BIND",
    "CHECKOUT", "COPY", "LINK", "LOCK", "M-SEARCH", "MERGE", "MKACTIVITY", "MKCALENDAR", "MKCOL", "MOVE",
    "NOTIFY", "PROPFIND", "PROPPATCH", "PURGE", "REBIND", "REPORT", "SEARCH", "SOURCE", "SUBSCRIBE",
    "UNBIND", "UNLINK", "UNLOCK", "UNSUBSCRIBE",
)  # fmt: skip
"""What can reach a route: all that llhttp knows, but CONNECT, which a reverse proxy does not offer."""


class Method(str):
    """A request method (RFC 9110, section 9); methods are case-sensitive."""

    __slots__ = ()
    pattern: ClassVar[str] = f"^({'|'.join(METHODS)})$"
    example: ClassVar[str] = "POST"

    @classmethod
    def parse(cls, value: object) -> Self:
        if not isinstance(value, str) or value not in METHODS:
            close = get_close_matches(str(value).upper(), METHODS, 1)
            expected = close[0] if close else "one in capitals, such as GET"
            raise ValueError(f"{value!r} is no method; expected {expected}")
        return cls(value)


class HostPattern(Text):
    """A host, or `*.example.com` for every host below it; lower case, without a port."""

    __slots__ = ()
    pattern = r"^(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9_])?$|^\[[0-9A-Fa-f:.]+\]$"
    example = "*.example.com"
    otherwise = "no host; expected one such as api.example.com or *.example.com, no port"

    @classmethod
    def parse(cls, value: object) -> Self:
        return cls(super().parse(value).lower())


_SEGMENT = r"[^/{}*?#%\\\s\x00-\x1f\x7f]+"
_PARAM = r"\{[A-Za-z_][A-Za-z0-9_]*\}"


class ExactPath(Text):
    """A path without parameters."""

    __slots__ = ()
    pattern = rf"^/({_SEGMENT}(/{_SEGMENT})*/?)?$"
    example = "/health"
    otherwise = "no path without parameters; expected one such as /health"


class PathPattern(str):
    """The path of a match: exact, with `{param}` for a whole segment, or ending in `/**`.

    It is compared with the decoded, normalised path of a request.
    """

    __slots__ = ()
    pattern: ClassVar[str] = rf"^(?=/)(/({_SEGMENT}|{_PARAM}))*(/|/\*\*)?$"
    example: ClassVar[str] = "/api/v1/tickets/{id}"

    @property
    def segments(self) -> tuple[str, ...]:
        """Between the slashes, less a last `**`: `/a/{b}` has `a`, `{b}`; `/a/` has `a` and an empty one."""
        text = self.removesuffix("/**") if self.prefix else str(self)
        return tuple(text.split("/")[1:])

    @property
    def prefix(self) -> bool:
        """It ends in `/**`."""
        return self.endswith("/**")

    @property
    def params(self) -> tuple[str, ...]:
        """The names of its parameters, in order."""
        return tuple(segment[1:-1] for segment in self.segments if segment.startswith("{"))

    @classmethod
    def parse(cls, value: object) -> Self:
        text = _text(value, "path")
        if not text.startswith("/"):
            raise ValueError(f"{text!r} is no path; expected it to start with /")
        segments = text.split("/")[1:]
        if segments[-1] in ("", "**"):
            segments.pop()
        for segment in segments:
            _check_segment(segment)
        path = cls(text)
        if len(set(path.params)) < len(path.params):
            raise ValueError(f"{text!r} has a parameter twice; expected a different name for each")
        return path


def _check_segment(segment: str) -> None:
    if re.fullmatch(_PARAM, segment):
        return
    if "{" in segment or "}" in segment:
        raise ValueError(
            f"{segment!r} is no parameter; expected a whole segment such as {{id}}, and a plain name in it"
        )
    if "*" in segment:
        raise ValueError(
            f"{segment!r} has a star; expected /** at the end only, or a parameter such as {{id}}"
        )
    if "?" in segment or "#" in segment:
        raise ValueError(
            f"{segment!r} has a query or a fragment; expected a path alone, and the query under `query`"
        )
    if "%" in segment:
        raise ValueError(
            f"{segment!r} is percent-encoded; expected the decoded path, which is what is matched"
        )
    if segment in ("", ".", ".."):
        raise ValueError(f"{segment!r} is a segment that no normalised path has; expected one with a name")
    if not re.fullmatch(_SEGMENT, segment):
        raise ValueError(
            f"{segment!r} has a space, a backslash or a control character; expected a path without"
        )
