"""Take out of queries and paths what looks like a secret, before anything is written down.

A value goes by its name (`access_token`, `X-Amz-Signature`, `apiKey`, an OAuth `code`), or
because it is a JWT; also where it stands in another value (`next=/login?token=...`), is
encoded more than once, or in a path (`;jsessionid=...`). Too much is masked rather than too little.

What else is not to be written down, operators say with `log.redact`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote

from proxy.exchange import Exchange

MASK = "***"

_NAME = re.compile(
    "token|secret|passw|passphrase|pwd|credential|signature|session|jwt|bearer|hmac"
    r"|auth(?!ors?(?:[^a-z]|$))|key(?:[^a-z]|$)"
    r"|(?:^|[^a-z])(?:code|sig|sid|pass|pin|otp)(?:[^a-z]|$)",
    re.IGNORECASE,
)
_JWT = re.compile(r"eyJ(?:(?!eyJ)[\w-])+\.[\w-]+")  # from its last eyJ on: no text is gone through twice
_ASSIGNED = re.compile(
    r"""([\w.-]{1,64}+)(?:\\?["'])?\s{0,3}(?:=>|[:=])\s{0,3}(?:\\?["'])?(?:(?:Basic|Bearer)\s{1,3})?""",
    re.IGNORECASE,
)
_VALUE = re.compile(r"""[^\s"'&;,<>\\]{1,512}""")
_USERINFO = re.compile(r"(?<=://)[^\s/@:]{0,100}:[^\s/@]{1,200}(?=@)")
_BETWEEN_PAIRS = re.compile(r"([&;])")
_BETWEEN_NESTED = re.compile(r"[\s?&;#/]")
"""What stands between pairs, and between those within a value, such as a query within a query.

Split, not searched for: what a client makes 8,000 letters long must not be gone through 8,000 times."""
_NO_TOKEN = re.compile(r"[^\w-]")
_ADDRESS = re.compile(r"\b(client\.(?:ip|net)) [^\s,]+")
"""As keys of limits are told: of an IPv6 address it is the network."""
_REMEMBERED = 128
"""Letters of a name; longer ones are no names of parameters."""
_MOST_DECODED = 3
"""So often is looked behind percent signs; what is encoded oftener is no use to who reads a log, either."""


def masked_query(query: str) -> str:
    """`query` with `***` for every value that looks secret; the rest byte for byte."""
    # Nearly all queries hold none. To know that, remembered names beat any search.
    if "%" not in query and ";" not in query and "eyJ" not in query and "@" not in query:
        for pair in query.split("&"):
            name, _, value = pair.partition("=")
            if "=" in value or _is_secret(name):
                break
        else:
            return query
    return _pairs_masked(query, _looks_secret)


def _pairs_masked(text: str, hides: Callable[[str, str], bool]) -> str:
    """`text` with `***` for the value of each `name=value` that `hides`; the rest byte for byte."""
    parts = _BETWEEN_PAIRS.split(text)  # those between them at the odd places
    for index in range(0, len(parts), 2):
        name, equals, value = parts[index].lstrip("=").partition("=")
        if equals and hides(name, value):
            before = len(parts[index]) - len(value)
            parts[index] = parts[index][:before] + MASK
    return "".join(parts)


def _looks_secret(name: str, value: str) -> bool:
    return _is_secret(_decoded(name)) or _tells(_decoded(value))


def masked_path(path: str) -> str:
    """`path`, as it came, with `***` for what looks secret; as many segments as before."""
    if "=" not in path and "%" not in path and "eyJ" not in path:
        return path
    return "/".join(map(_masked_segment, path.split("/")))


def _masked_segment(segment: str) -> str:
    shown = _pairs_masked(segment, _looks_secret)
    return MASK if _tells(_decoded(shown.replace(f"={MASK}", ""))) else shown


def _tells(decoded: str) -> bool:
    """A JWT, a password in a URL, or an assignment to a name that looks secret stands in it."""
    if "eyJ" in decoded and any(map(_begins_jwt, *_neighbours(decoded.split(".")))):
        return True
    if "@" in decoded and _USERINFO.search(decoded):
        return True
    return "=" in decoded and any(
        _is_secret(name) for part in _BETWEEN_NESTED.split(decoded) for name in part.split("=")[:-1]
    )


def _neighbours(parts: list[str]) -> tuple[list[str], list[str]]:
    return parts[:-1], parts[1:]


def _begins_jwt(before: str, after: str) -> bool:
    """As `_JWT` finds it, around a dot."""
    token = _NO_TOKEN.split(before)[-1]
    at = token.find("eyJ")
    return 0 <= at < len(token) - 3 and bool(after) and _NO_TOKEN.match(after) is None


def _decoded(text: str) -> str:
    if "+" in text:
        text = text.replace("+", " ")  # once: what is encoded is a plus
    for _ in range(_MOST_DECODED):
        if "%" not in text:
            break
        text = unquote(text)
    return text


def masked_text(text: str) -> str:
    """`text`, such as a stack trace, with `***` for what is assigned to a name that looks secret.

    And for JWTs, and for user and password in URLs. What stands without a name is not known for a secret.
    """
    text = _USERINFO.sub(MASK, _JWT.sub(MASK, text))
    kept, at = [], 0
    for found in _ASSIGNED.finditer(text):
        value = _VALUE.match(text, found.end())
        if value is not None and found.start() >= at and _is_secret(found[1]):
            kept += [text[at : found.end()], MASK]
            at = value.end()
    return "".join((*kept, text[at:]))


def _is_secret(name: str) -> bool:
    return _is_secret_name(name) if len(name) <= _REMEMBERED else _NAME.search(name) is not None


@lru_cache(maxsize=1024)
def _is_secret_name(name: str) -> bool:
    return _NAME.search(name) is not None


_SHORTEST = 3
"""Characters of a value that is looked for in texts; a shorter one stands in many other words."""


class Redaction:
    """What `log.redact` names: `query:NAME`, `header:NAME`, `path.NAME`, `client.ip`, `auth.id`."""

    def __init__(self, fields: Iterable[str], templates: Iterable[str] = ()) -> None:
        """`templates` are the paths of all routes: what none takes, such as another method, may fit one."""
        fields = tuple(fields)
        self._parameters = frozenset(map(str.lower, _named(fields, "query:")))  # some don't mind the case
        self._headers = _named(fields, "header:")
        self._in_path = _named(fields, "path.")
        self._templates = list(self._up_to_the_last(map(_segments, templates)))
        self._hides_ip = "client.ip" in fields
        self._hides_id = "auth.id" in fields

    def query(self, query: str) -> str:
        """As `masked_query`, and less the parameters that are named."""
        shown = masked_query(query)
        return _pairs_masked(shown, self._is_named) if self._parameters else shown

    def path(self, path: str, template: str) -> str:
        """`path`, of a route whose match is `template`, less the segments that are named.

        Without a route (`template` is no path), less those of every route that it begins like.
        """
        if not self._in_path:
            return path
        segments = path.split("/")
        places = [index for index, segment in enumerate(segments) if segment]  # a route merges slashes
        if template.startswith("/"):
            fitting = [_segments(template)]
        else:
            told = [_decoded(segments[index]).lower() for index in places]
            fitting = [each for each in self._templates if _fits(each, told)]
        for wanted in fitting:
            for index, name in zip(places, wanted, strict=False):
                if name in self._in_path:
                    segments[index] = MASK
        return "/".join(segments)

    def client_ip(self, exchange: Exchange) -> str:
        """The client's address, or nothing of it."""
        return MASK if self._hides_ip else exchange.client_ip

    def identity(self, exchange: Exchange) -> str:
        """Who the caller is, or nothing of it."""
        if exchange.identity is None:
            return ""
        return MASK if self._hides_id else exchange.identity.id

    def told(self, verdict: Mapping[str, Any], exchange: Exchange) -> dict[str, Any]:
        """What a decision says, less the values of all that is named, wherever a policy has put them."""
        values = sorted(self._values(exchange), key=len, reverse=True)
        return {name: self._without(value, values) for name, value in verdict.items()}

    def may_show(self, value: object, exchange: Exchange) -> bool:
        """Nothing that is named stands in `value`, such as an address that would have to be allowed."""
        text = str(value)
        return not any(each in text for each in self._values(exchange))

    def _up_to_the_last(self, templates: Iterable[list[str]]) -> Iterator[list[str]]:
        """Of those with a segment that is named, what leads to the last one."""
        for template in templates:
            named = [index for index, part in enumerate(template) if part in self._in_path]
            if named:
                yield template[: named[-1] + 1]

    def _values(self, exchange: Exchange) -> set[str]:
        request = exchange.request
        found = {value for name in self._headers for value in request.headers.get_all(name)}
        found |= {value for name, value in exchange.params.items() if name in self._in_path}
        if self._parameters:
            pairs = parse_qsl(request.query, errors="surrogateescape")
            found |= {value for name, value in pairs if name.lower() in self._parameters}
        if self._hides_ip:
            found.add(exchange.client_ip)
        if self._hides_id and exchange.identity is not None:
            found.add(exchange.identity.id)
        return {value for value in found if len(value) >= _SHORTEST}

    def _is_named(self, name: str, _: str) -> bool:
        return _decoded(name).lower() in self._parameters

    def _without(self, value: Any, texts: Sequence[str]) -> Any:
        if isinstance(value, str):
            for text in texts:
                value = value.replace(text, MASK)
            return _ADDRESS.sub(rf"\1 {MASK}", value) if self._hides_ip else value
        if isinstance(value, dict):
            return {key: self._without(item, texts) for key, item in value.items()}
        return value


def _named(fields: Iterable[str], kind: str) -> frozenset[str]:
    return frozenset(field.removeprefix(kind) for field in fields if field.startswith(kind))


def _segments(template: str) -> list[str]:
    """Of a route's path: the name of each parameter as it is, and `/` and the text of what is written out.

    So a name is never taken for a text.
    """
    return [
        part[1:-1] if part.startswith("{") else f"/{part.lower()}" for part in template.split("/") if part
    ]


def _fits(template: Sequence[str], told: Sequence[str]) -> bool:
    """Whether a path's segments begin so: with these texts, and anything where there is a name."""
    return len(template) <= len(told) and all(
        not wanted.startswith("/") or wanted[1:] == part for wanted, part in zip(template, told, strict=False)
    )
