"""Structured Field Values for HTTP (RFC 9651), read strictly and written in their one spelling.

All types but Display Strings, which nothing here needs and which are refused. Stricter than the
RFC in two things, since what is signed must not be read in two ways: a key that stands twice
is an error, as it is in parameters; and text is ASCII without control characters, always.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

_KEY = re.compile(r"[a-z*][a-z0-9_.*-]*")
_NUMBER = re.compile(r"-?[0-9]{1,15}(?![0-9])(?:\.[0-9]{1,3}(?![0-9]))?")
_STRING = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_TOKEN = re.compile(r"[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*")
_BYTES = re.compile(r":([A-Za-z0-9+/]*={0,2}):")
_BOOLEAN = re.compile(r"\?([01])")
_DATE = re.compile(r"@(-?[0-9]{1,15})(?![0-9.])")
_COMMA = re.compile(r"[ \t]*,[ \t]*")
_SPACES = re.compile(r" *")
_WHOLE_DIGITS = 12


class Malformed(ValueError):
    """Not a structured field; says what and where, never what stands there."""


class Token(str):
    """A word without quotes."""

    __slots__ = ()


class Date(int):
    """Seconds since the epoch."""


Bare = bool | int | Decimal | str | bytes
Parameters = Mapping[str, Bare]


class Item(NamedTuple):
    """A value with its parameters."""

    value: Bare
    parameters: Parameters


class InnerList(NamedTuple):
    """Items in parentheses, with parameters of their own."""

    items: Sequence[Item]
    parameters: Parameters


Member = Item | InnerList


def dictionary(text: str) -> dict[str, Member]:
    """A Dictionary. Raises Malformed."""
    reader = _Reader(text)
    members: dict[str, Member] = {}
    while reader.more():
        key = reader.take(_KEY, "a key")
        if key in members:
            raise Malformed(f"the key {key} stands twice")
        members[key] = reader.member() if reader.skip("=") else Item(True, reader.parameters())
        if not reader.next_member():
            break
    return members


def list_(text: str) -> list[Member]:
    """A List. Raises Malformed."""
    reader = _Reader(text)
    members: list[Member] = []
    while reader.more():
        members.append(reader.member())
        if not reader.next_member():
            break
    return members


def item(text: str) -> Item:
    """An Item. Raises Malformed."""
    reader = _Reader(text)
    found = reader.item()
    if reader.more():
        raise Malformed(f"something stands behind the item, at {reader.at}")
    return found


def spelled(member: Member) -> str:
    """A member as RFC 9651, section 4.1 writes it."""
    if isinstance(member, InnerList):
        inner = " ".join(spelled(each) for each in member.items)
        return f"({inner}){_spelled_parameters(member.parameters)}"
    return _spelled_bare(member.value) + _spelled_parameters(member.parameters)


def spelled_list(members: Sequence[Member]) -> str:
    """A List."""
    return ", ".join(map(spelled, members))


def spelled_dictionary(members: Mapping[str, Member]) -> str:
    """A Dictionary."""
    return ", ".join(
        key + _spelled_parameters(member.parameters)
        if isinstance(member, Item) and member.value is True
        else f"{key}={spelled(member)}"
        for key, member in members.items()
    )


def _spelled_parameters(parameters: Parameters) -> str:
    if not parameters:
        return ""
    return "".join(
        f";{key}" if value is True else f";{key}={_spelled_bare(value)}" for key, value in parameters.items()
    )


def _spelled_bare(value: Bare) -> str:
    if isinstance(value, bool):
        return f"?{int(value)}"
    if isinstance(value, Token):
        return str(value)
    if isinstance(value, bytes):
        return f":{b64encode(value).decode()}:"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, Date):
        return f"@{int(value)}"
    return str(value) if isinstance(value, int) else _spelled_decimal(value)


def _spelled_decimal(value: Decimal) -> str:
    whole, _, fraction = f"{value:.3f}".partition(".")
    return f"{whole}.{fraction.rstrip('0') or '0'}"


@dataclass(slots=True)
class _Reader:
    text: str
    at: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.text = self.text.strip(" ")

    def more(self) -> bool:
        return self.at < len(self.text)

    def skip(self, text: str) -> bool:
        if self.text.startswith(text, self.at):
            self.at += len(text)
            return True
        return False

    def take(self, pattern: re.Pattern[str], what: str, group: int = 0) -> str:
        found = pattern.match(self.text, self.at)
        if found is None:
            raise Malformed(f"expected {what} at {self.at}")
        self.at = found.end()
        return found[group]

    def next_member(self) -> bool:
        """Past a comma; False at the end. A comma with nothing behind it is no end."""
        if not self.more():
            return False
        self.take(_COMMA, "a comma")
        if not self.more():
            raise Malformed("a comma stands at the end")
        return True

    def member(self) -> Member:
        return self.inner_list() if self.skip("(") else self.item()

    def inner_list(self) -> InnerList:
        items: list[Item] = []
        while True:
            spaces = self.take(_SPACES, "")
            if self.skip(")"):
                return InnerList(tuple(items), self.parameters())
            if items and not spaces:
                raise Malformed(f"expected a space at {self.at}")
            items.append(self.item())

    def item(self) -> Item:
        return Item(self.bare(), self.parameters())

    def parameters(self) -> Parameters:
        if not self.text.startswith(";", self.at):
            return {}
        found: dict[str, Bare] = {}
        while self.skip(";"):
            self.take(_SPACES, "")
            key = self.take(_KEY, "a parameter")
            if key in found:
                raise Malformed(f"the parameter {key} stands twice")
            found[key] = self.bare() if self.skip("=") else True
        return found

    def bare(self) -> Bare:
        first = self.text[self.at : self.at + 1]
        if first == '"':
            text = self.take(_STRING, "a string", 1)
            return re.sub(r"\\(.)", r"\1", text) if "\\" in text else text
        if first == ":":
            return self.bytes()
        if first == "?":
            return self.take(_BOOLEAN, "?0 or ?1", 1) == "1"
        if first == "@":
            return Date(self.take(_DATE, "a date", 1))
        if first == "-" or (first.isascii() and first.isdigit()):
            return self.number()
        return Token(self.take(_TOKEN, "a value"))

    def bytes(self) -> bytes:
        text = self.take(_BYTES, "bytes in base64", 1)
        try:
            value = b64decode(text, validate=True)
        except NotBase64:
            raise Malformed("the base64 is broken") from None
        if b64encode(value).decode() != text:  # bits behind the last byte, or no padding
            raise Malformed("the base64 has another spelling")
        return value

    def number(self) -> int | Decimal:
        text = self.take(_NUMBER, "a number")
        if "." not in text:
            return int(text)
        if len(text.lstrip("-").partition(".")[0]) > _WHOLE_DIGITS:
            raise Malformed("the decimal is too long")
        return Decimal(text)
