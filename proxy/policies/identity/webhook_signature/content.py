"""What of a request is signed, and when it was: the same for who verifies and for who signs."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

import msgspec

from proxy.algorithms.signed_template import BODY, HEADER, Template

URL = "url"
FORM = "form"
TIMESTAMP = "timestamp"
METHOD = "method"
PLACES = (BODY, TIMESTAMP, METHOD, URL)
"""What an operator's template may name, beside headers."""

BODY_HASH = b"bodySHA256"
"""The parameter in which Twilio puts the digest of a body that is no form."""
_FORM_TYPE = "application/x-www-form-urlencoded"
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)


class NotAsAgreed(Exception):
    """The request lacks something that is signed; says what, for the log."""


@dataclass(slots=True)
class Message:
    """A request, as far as it may be signed."""

    method: str
    target: str
    headers: Callable[[str], Sequence[str]]
    """Every value of a header."""
    body: bytes = b""

    def only(self, header: str) -> str:
        """The value of a header that must be there once."""
        values = self.headers(header)
        if len(values) != 1:
            raise NotAsAgreed(f"{header} stands there {len(values)} times")
        return values[0]

    def is_form(self) -> bool:
        """The body is a form, as its type says."""
        types = self.headers("Content-Type")
        return len(types) == 1 and types[0].partition(";")[0].strip().lower() == _FORM_TYPE


def signed_content(template: Template, message: Message, stamp: str, base: str) -> Sequence[bytes]:
    """The signed bytes in pieces; `base` is the URL before the target. Raises NotAsAgreed."""

    def value(place: str) -> bytes:
        if place == BODY:
            return message.body
        if place == FORM:
            return _form(message)
        return _bytes(_text(place))

    def _text(place: str) -> str:
        if place.startswith(HEADER):
            return message.only(place.removeprefix(HEADER))
        return {TIMESTAMP: stamp, METHOD: message.method, URL: base + message.target}[place]

    return template.fill(value)


def body_hash(target: str) -> list[bytes]:
    """Every value of Twilio's parameter for the digest of the body."""
    pairs = [pair.partition(b"=") for pair in _bytes(target).partition(b"?")[2].split(b"&")]
    return [value for name, _, value in pairs if name == BODY_HASH]


def is_hashed(message: Message, digest: bytes) -> bool:
    """The URL vouches for the body, whose SHA-256 is `digest`, or there is nothing to vouch for."""
    stated = body_hash(message.target)
    if not stated:
        return not message.body or message.is_form()
    if message.body and message.is_form():
        return True  # its fields are signed themselves
    return len(stated) == 1 and hmac.compare_digest(stated[0].lower(), digest.hex().encode())


def field_of(body: bytes, pointer: str) -> str | None:
    """The number or the text at a JSON pointer, as it is written; None where there is none."""
    value = body
    try:
        for step in pointer.split("/")[1:]:
            value = bytes(_FIELDS.decode(value)[step.replace("~1", "/").replace("~0", "~")])
        return _TEXT.decode(value) if value.startswith(b'"') else value.decode()
    except (msgspec.DecodeError, KeyError, UnicodeDecodeError, RecursionError):
        return None


def _form(message: Message) -> bytes:
    """Names and values of a form, both sorted, each once (twilio-python, `compute_signature`)."""
    if not message.is_form():
        return b""
    values: dict[bytes, set[bytes]] = {}
    for pair in message.body.split(b"&"):
        if pair:
            name, _, value = pair.replace(b"+", b" ").partition(b"=")
            values.setdefault(unquote_to_bytes(name), set()).add(unquote_to_bytes(value))
    return b"".join([name + value for name in sorted(values) for value in sorted(values[name])])


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
