"""Take out of queries what looks like a secret, before anything is written down.

A value goes by its name (`access_token`, `X-Amz-Signature`, `apiKey`, an OAuth `code`), or
because it is a JWT. Too much is masked rather than too little.

What else is not to be written down, operators say with `log.redact`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

from proxy.exchange import Exchange

MASK = "***"

_NAME = re.compile(
    "token|secret|passw|passphrase|pwd|credential|signature|session|jwt|bearer|hmac"
    r"|auth(?!ors?(?:[^a-z]|$))|key(?:[^a-z]|$)"
    r"|(?:^|[^a-z])(?:code|sig|sid|pass|pin|otp)(?:[^a-z]|$)",
    re.IGNORECASE,
)
_JWT = re.compile(r"eyJ[\w-]+\.[\w-]+")
_ASSIGNED = re.compile(
    r"""([\w.-]{1,64})(?:\\?["'])?\s{0,3}(?:=>|[:=])\s{0,3}(?:\\?["'])?(?:(?:Basic|Bearer)\s{1,3})?""",
    re.IGNORECASE,
)
_VALUE = re.compile(r"""[^\s"'&;,<>\\]{1,512}""")
_USERINFO = re.compile(r"(?<=://)[^\s/@:]{0,100}:[^\s/@]{1,200}(?=@)")
_PAIR = re.compile(r"([^&;=]+)=([^&;]*)")


def masked_query(query: str) -> str:
    """`query` with `***` for every value that looks secret; the rest byte for byte."""
    # Nearly all queries hold none. To know that, remembered names beat any search.
    if "%" not in query and ";" not in query and "eyJ" not in query:
        for pair in query.split("&"):
            if _is_secret(pair.partition("=")[0]):
                break
        else:
            return query
    return _PAIR.sub(_masked_pair, query)


def _masked_pair(pair: re.Match[str]) -> str:
    name, value = pair.groups()
    if _is_secret(unquote_plus(name)) or _JWT.search(value):
        return f"{name}={MASK}"
    return pair[0]


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


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return _NAME.search(name) is not None


_SHORTEST = 3
"""Characters of a value that is looked for in texts; a shorter one stands in many other words."""


class Redaction:
    """What `log.redact` names: `query:NAME`, `header:NAME`, `path.NAME`, `client.ip`, `auth.id`."""

    def __init__(self, fields: Iterable[str]) -> None:
        fields = tuple(fields)
        self._parameters = _named(fields, "query:")
        self._headers = _named(fields, "header:")
        self._in_path = _named(fields, "path.")
        self._hides_ip = "client.ip" in fields
        self._hides_id = "auth.id" in fields

    def query(self, query: str) -> str:
        """As `masked_query`, and less the parameters that are named."""
        shown = masked_query(query)
        return _PAIR.sub(self._masked_pair, shown) if self._parameters else shown

    def path(self, path: str, template: str) -> str:
        """`path`, of a route whose match is `template`, less the segments that are named."""
        if not self._in_path:
            return path
        segments, wanted = path.split("/"), template.split("/")
        for index, part in enumerate(wanted):
            if part.startswith("{") and part[1:-1] in self._in_path and index < len(segments):
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
        return {name: _without(value, values) for name, value in verdict.items()}

    def may_show(self, value: object, exchange: Exchange) -> bool:
        """Nothing that is named stands in `value`, such as an address that would have to be allowed."""
        text = str(value)
        return not any(each in text for each in self._values(exchange))

    def _values(self, exchange: Exchange) -> set[str]:
        request = exchange.request
        found = {value for name in self._headers for value in request.headers.get_all(name)}
        found |= {value for name, value in exchange.params.items() if name in self._in_path}
        if self._parameters:
            pairs = parse_qsl(request.query, errors="surrogateescape")
            found |= {value for name, value in pairs if name in self._parameters}
        if self._hides_ip:
            found.add(exchange.client_ip)
        if self._hides_id and exchange.identity is not None:
            found.add(exchange.identity.id)
        return {value for value in found if len(value) >= _SHORTEST}

    def _masked_pair(self, pair: re.Match[str]) -> str:
        name = pair[1]
        return f"{name}={MASK}" if unquote_plus(name) in self._parameters else pair[0]


def _named(fields: Iterable[str], kind: str) -> frozenset[str]:
    return frozenset(field.removeprefix(kind) for field in fields if field.startswith(kind))


def _without(value: Any, texts: Iterable[str]) -> Any:
    if isinstance(value, str):
        for text in texts:
            value = value.replace(text, MASK)
        return value
    return {key: _without(item, texts) for key, item in value.items()} if isinstance(value, dict) else value
