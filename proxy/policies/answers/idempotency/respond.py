"""What duplicates are answered in an operator's words, made of the answer that is stored.

In strings, `{{ stored.status }}` and `{{ stored.body.ticket_id }}` stand for the first answer's status
and for a place in its JSON body: names and, in lists, numbers from 0 on. A string that is nothing
but one of them becomes what stands there, whatever its type; null where nothing does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from proxy.algorithms.strict_json import at, pointer_of
from proxy.config.schema import Schema
from proxy.exchange import Response
from proxy.headers import Headers
from proxy.policies.answers.idempotency.record import Kept

_PLACEHOLDER = re.compile(r"\{\{\s*(.*?)\s*\}\}", re.DOTALL)
_KNOWN = re.compile(r"stored\.(?:status|body(?:\.[^.\s{}]+)*)")

Fill = Callable[[int | None, Any], Any]
"""The value for a status and a decoded body."""


class RespondConfig(Schema, frozen=True, kw_only=True):
    """What duplicates get instead of the stored answer."""

    status: Annotated[int, Meta(ge=200, le=599, description="Of the answer.")] = 200
    json: Annotated[
        Any, Meta(description="The body, as YAML; `{{ stored.body.NAME }}` is taken from the first answer.")
    ]

    def check(self) -> Iterator[tuple[str, str]]:
        """Placeholders that there are."""
        try:
            filled_by(self.json)
        except ValueError as error:
            yield "json", str(error)


class OnDuplicateConfig(Schema, frozen=True, kw_only=True):
    """An answer of your own."""

    respond: Annotated[RespondConfig, Meta(description="What duplicates get.")]


class Words:
    """An operator's answer to duplicates."""

    def __init__(self, config: RespondConfig) -> None:
        self._status = config.status
        self._fill = filled_by(config.json)

    def about(self, kept: Kept | None) -> Response:
        """Made of the first answer; null in places of one that was not kept."""
        status, body = (None, None) if kept is None else (kept.status, decoded(kept.body))
        headers = Headers([(b"Content-Type", b"application/json")])
        return Response(self._status, headers, msgspec.json.encode(self._fill(status, body)))


def filled_by(template: object) -> Fill:
    """`template`, ready to be filled. Raises ValueError where it can't be."""
    if isinstance(template, str):
        return _text(template)
    if isinstance(template, dict):
        members = {str(key): filled_by(value) for key, value in template.items()}
        return lambda status, body: {key: fill(status, body) for key, fill in members.items()}
    if isinstance(template, list):
        items = [filled_by(item) for item in template]
        return lambda status, body: [fill(status, body) for fill in items]
    return lambda _status, _body: template


def decoded(body: bytes) -> Any:
    """As JSON; None where it is none."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _text(text: str) -> Fill:
    whole = _PLACEHOLDER.fullmatch(text)
    if whole:
        return _placeholder(whole[1])
    parts: list[str | Fill] = []
    end = 0
    for match in _PLACEHOLDER.finditer(text):
        parts += [text[end : match.start()], _placeholder(match[1])]
        end = match.end()
    parts.append(text[end:])
    if any("{{" in part for part in parts if isinstance(part, str)):
        raise ValueError(f"a placeholder is not closed: {text!r}")
    return lambda status, body: "".join(
        [part if isinstance(part, str) else _spelled(part(status, body)) for part in parts]
    )


def _spelled(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _placeholder(name: str) -> Fill:
    if not _KNOWN.fullmatch(name):
        expected = "expected stored.status, or stored.body and a place in it, such as stored.body.ticket_id"
        raise ValueError(f"unknown placeholder {{{{ {name} }}}}; {expected}")
    if name == "stored.status":
        return lambda status, _: status
    pointer = pointer_of(name.split(".")[2:])

    def found(_: int | None, body: Any) -> Any:
        try:
            return at(body, pointer)
        except KeyError:
            return None

    return found
