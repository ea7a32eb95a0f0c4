"""Refusals and failures as responses: problem+json (RFC 9457), or what a template says.

The `type` member stays `about:blank`: the stable code is `reason`, and it needs no page
of its own. `instance` is a URN with the decision id, so that it names this occurrence and
the same id finds the decision in the admin API.

A template is a body in an operator's own words (`errors.templates`): any JSON value, or a
text, with placeholders such as `{{ request_id }}` in its strings. The set of placeholders
is closed, and what they stand for is escaped for the place where it stands.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from itertools import groupby
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from proxy.errors import Rejection
from proxy.exchange import Exchange, Response
from proxy.header_lines import Field
from proxy.headers import Headers

MEDIA_TYPE = "application/problem+json"

_RENAMED = {413: "Content Too Large", 414: "URI Too Long", 422: "Unprocessable Content"}
"""Titles of RFC 9110 where the standard library still has those of RFC 7231."""
TITLES = {status.value: status.phrase for status in HTTPStatus} | _RENAMED
_LONGEST_WAIT = 366 * 86400.0


class Facts(NamedTuple):
    """What the placeholders of a template stand for."""

    status: int
    title: str
    detail: str
    reason: str
    request_id: str
    decision_id: str
    retry_after: int | None
    """Whole seconds; None where waiting is no cure."""


PLACEHOLDERS = Facts._fields

_PLACEHOLDER = re.compile(r"\{\{\s*(.*?)\s*\}\}", re.DOTALL)
_CONTENT_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(?: *; *[\x21-\x7e]+)*", re.ASCII)
_MARKUP = re.compile(r"[/+](?:xml|html|xhtml)\b", re.IGNORECASE)
_JSON = re.compile(r"[/+]json\b", re.IGNORECASE)

_Part = bytes | Callable[[Facts], bytes]


class Template:
    """One compiled body. Made by `of_json` or `of_text`; both raise ValueError, at load."""

    def __init__(self, content_type: str, parts: Iterable[_Part]) -> None:
        if not _CONTENT_TYPE.fullmatch(content_type):
            raise ValueError(f"{content_type!r} is no content type; expected one such as application/json")
        self.content_type = content_type
        self._parts = tuple(_joined(parts))

    @classmethod
    def of_json(cls, value: object, content_type: str = "application/json") -> Template:
        """`value` as it would stand in a JSON file.

        A string that is nothing but `{{ status }}` or `{{ retry_after }}` becomes a number
        (null where there is no `retry_after`); everything else stays a string.
        """
        return cls(content_type, _json_parts(value))

    @classmethod
    def of_text(cls, text: str, content_type: str = "text/plain; charset=utf-8") -> Template:
        """`text` as it stands; in HTML and XML, what is put into it is escaped."""
        if _JSON.search(content_type):
            raise ValueError(f"a text cannot be {content_type}, since nothing would escape it; use `json`")
        if _MARKUP.search(content_type):
            return cls(content_type, _text_parts(text, str.encode, lambda value: html.escape(value).encode()))
        return cls(content_type, _text_parts(text, str.encode, str.encode))

    def render(self, facts: Facts) -> bytes:
        """The body for one refusal."""
        return b"".join([part if isinstance(part, bytes) else part(facts) for part in self._parts])


_NO_TEMPLATES: Mapping[str, Template] = MappingProxyType({})


class ProblemWriter:
    """Makes the responses of refusals; one for each revision of the policy files.

    `templates` replace the body for the reasons that they name. `expose_detail` adds
    `cause`, which is meant for the log, and so is for development only.
    """

    def __init__(
        self, *, expose_detail: bool = False, templates: Mapping[str, Template] = _NO_TEMPLATES
    ) -> None:
        self._expose_detail = expose_detail
        self._templates = dict(templates)

    def render(self, rejection: Rejection, exchange: Exchange) -> Response:
        """The response for `rejection`, with the fields that it asks for."""
        template = self._templates.get(rejection.reason)
        if template is None:
            cause = rejection.cause if self._expose_detail else ""
            return problem(rejection, exchange.request_id, exchange.decision_id, cause)
        wait = wait_in_seconds(rejection)
        facts = Facts(
            status=rejection.status,
            title=title_of(rejection.status),
            detail=encodable(rejection.detail),
            reason=rejection.reason,
            request_id=encodable(exchange.request_id),
            decision_id=encodable(exchange.decision_id),
            retry_after=wait,
        )
        return _response(rejection, template.content_type, template.render(facts), wait)


def problem(
    rejection: Rejection,
    request_id: str = "",
    decision_id: str = "",
    cause: str = "",
    more: Mapping[str, object] = MappingProxyType({}),
) -> Response:
    """`rejection` as problem+json, with `more` members. Those that have nothing to say are left out."""
    wait = wait_in_seconds(rejection)
    members: dict[str, object] = {
        "type": "about:blank",
        "title": title_of(rejection.status),
        "status": rejection.status,
    }
    if rejection.detail:
        members["detail"] = encodable(rejection.detail)
    if decision_id:
        members["instance"] = f"urn:seawall:decision:{quote(decision_id, safe='', errors='replace')}"
    members["reason"] = rejection.reason
    if request_id:
        members["request_id"] = encodable(request_id)
    if decision_id:
        members["decision_id"] = encodable(decision_id)
    if wait is not None:
        members["retry_after"] = wait
    if cause:
        members["cause"] = encodable(cause)
    members.update(more)
    return _response(rejection, MEDIA_TYPE, msgspec.json.encode(members), wait)


def title_of(status: int) -> str:
    """The phrase of `status`, or where it has none, of the x00 of its class (RFC 9110, section 15)."""
    return TITLES.get(status) or TITLES.get(status // 100 * 100) or "Error"


def wait_in_seconds(rejection: Rejection) -> int | None:
    """`retry_after` as Retry-After can say it: whole seconds, at least 1, never too early."""
    if rejection.retry_after is None:
        return None
    return max(1, math.ceil(min(rejection.retry_after, _LONGEST_WAIT)))


def encodable(text: str) -> str:
    """`text` with lone surrogates, which stand for undecodable bytes, spelled out."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _response(rejection: Rejection, content_type: str, content: bytes, wait: int | None) -> Response:
    fields: list[Field] = [(b"Content-Type", content_type.encode("latin-1"))]
    if wait is not None:
        fields.append((b"Retry-After", b"%d" % wait))
    # The verdict on one request: a cache that kept it would refuse others with it.
    fields.append((b"Cache-Control", b"no-store"))
    headers = Headers(fields)
    for name, value in rejection.headers:
        headers.add(name, value)
    return Response(rejection.status, headers, content, title_of(rejection.status))


def _json_parts(value: object) -> list[_Part]:
    if isinstance(value, str):
        return _json_string(value)
    if isinstance(value, dict):
        return [b"{", *_separated([_member(key, item) for key, item in value.items()]), b"}"]
    if isinstance(value, list):
        return [b"[", *_separated([_json_parts(item) for item in value]), b"]"]
    if value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return [msgspec.json.encode(value)]
    raise ValueError(f"{value!r} has no place in JSON")


def _member(key: object, value: object) -> list[_Part]:
    if not isinstance(key, str):
        raise ValueError(f"the key {key!r} is no text; put it in quotes")  # noqa: TRY004  # for the operator
    if "{{" in key:
        raise ValueError(f"a key cannot have a placeholder: {key!r}")
    return [msgspec.json.encode(key), b":", *_json_parts(value)]


def _separated(groups: list[list[_Part]]) -> list[_Part]:
    return [part for index, group in enumerate(groups) for part in ([b",", *group] if index else group)]


def _json_string(text: str) -> list[_Part]:
    whole = _PLACEHOLDER.fullmatch(text)
    if whole and whole[1] in ("status", "retry_after"):
        position = PLACEHOLDERS.index(whole[1])
        return [lambda facts: msgspec.json.encode(facts[position])]
    return [b'"', *_text_parts(text, _json_inside, _json_inside), b'"']


def _json_inside(text: str) -> bytes:
    return msgspec.json.encode(text)[1:-1]


def _text_parts(
    text: str, encode_text: Callable[[str], bytes], encode_value: Callable[[str], bytes]
) -> list[_Part]:
    parts: list[_Part] = []
    end = 0
    for match in _PLACEHOLDER.finditer(text):
        parts += [_literal(text[end : match.start()], encode_text), _value(match[1], encode_value)]
        end = match.end()
    return [*parts, _literal(text[end:], encode_text)]


def _literal(text: str, encode: Callable[[str], bytes]) -> bytes:
    if "{{" in text:
        raise ValueError(f"a placeholder is not closed: {text!r}")
    return encode(text)


def _value(name: str, encode: Callable[[str], bytes]) -> Callable[[Facts], bytes]:
    if name not in PLACEHOLDERS:
        known = ", ".join(PLACEHOLDERS)
        raise ValueError(f"unknown placeholder {{{{ {name} }}}}; expected one of {known}")
    position = PLACEHOLDERS.index(name)

    def encoded(facts: Facts) -> bytes:
        value = facts[position]
        return b"" if value is None else encode(str(value))

    return encoded


def _joined(parts: Iterable[_Part]) -> Iterable[_Part]:
    """Neighbouring bytes as one, so that a body costs as many steps as it has placeholders."""
    for fixed, group in groupby(parts, key=lambda part: isinstance(part, bytes)):
        if fixed:
            yield b"".join(part for part in group if isinstance(part, bytes))
        else:
            yield from group
