"""JSON that every parser reads the same way (RFC 8259, and I-JSON of RFC 7493).

Two parsers that are given the same key twice, a lone surrogate, or `NaN` do not agree on what
was said. Whoever checks a body that another program will read must not be one of the two.

The structure is counted before anything is built from it, a slice at a time: so what a body
costs is bounded by `max_depth` and `max_keys`, not by its length.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

SLICE = 64 * 1024
"""Bytes that are looked at in one go: some milliseconds at most."""

DEEPEST = 200
"""Of `max_depth`: parsers, ours and others', have a stack."""

_NOT_STRUCTURE = bytes(set(range(256)) - set(b"[]{},:"))
_NOT_BRACKETS = b",:"
_OPENING = frozenset(b"[{")
_LONGEST_KEY = 64


class NotStrict(ValueError):
    """The body is not such JSON. The text says why, without a value of the body."""


class Duplicate(NotStrict):
    """One object has a key twice."""

    def __init__(self, pointer: str) -> None:
        super().__init__(f"a key stands twice in the object at {pointer or 'the root'}")
        self.pointer = pointer
        """Of the object."""


class TooMuch(NotStrict):
    """There is more of it than is allowed."""

    def __init__(self, found: int, allowed: int, *, whole: bool) -> None:
        super().__init__(f"{found} is more than {allowed}")
        self.found = found
        self.allowed = allowed
        self.whole = whole
        """All of the body was counted; else it is so far above that counting ended."""


class TooDeep(TooMuch):
    """Objects and lists stand inside each other more often than is allowed."""


class TooManyKeys(TooMuch):
    """Objects and lists have more entries than is allowed."""


class Structure:
    """What stands outside of the strings of a body, counted."""

    def __init__(self, max_depth: int, max_keys: int) -> None:
        self.max_depth = max_depth
        self.max_keys = max_keys
        self.keys = 0
        """Entries of objects and lists together; an empty one counts as one entry."""
        self.depth = 0
        """Of the deepest object or list; those that hold nothing but values have 1."""
        self.members = 0
        """Keys of objects, those that stand twice as often as they do."""
        self._open = 0

    def count(self, body: bytes) -> Iterator[None]:
        """Count `body`, pausing after each slice. Raises TooDeep or TooManyKeys.

        Of what is no JSON it counts something; whether it is JSON, the parser knows.
        """
        start, inside = 0, False
        while start < len(body):
            end = _slice_end(body, start)
            text = body[start:end]
            start = end
            if b"\\" in text:
                text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
            parts = text.split(b'"')
            self._add(b"".join(parts[inside::2]).translate(None, _NOT_STRUCTURE))
            inside ^= len(parts) % 2 == 0
            yield
        self._finish()

    def _add(self, structure: bytes) -> None:
        self.members += structure.count(b":")
        self.keys += structure.count(b",") + structure.count(b"[") + structure.count(b"{")
        if self.keys > 2 * self.max_keys:  # far above: there is no need to know how far
            raise TooManyKeys(self.keys, self.max_keys, whole=False)
        for bracket in structure.translate(None, _NOT_BRACKETS):
            if bracket in _OPENING:
                self._open += 1
                self.depth = max(self.depth, self._open)
            else:
                self._open -= 1
        if self.depth > DEEPEST:
            raise TooDeep(self.depth, self.max_depth, whole=False)

    def _finish(self) -> None:
        if self.depth > self.max_depth:
            raise TooDeep(self.depth, self.max_depth, whole=True)
        if self.keys > self.max_keys:
            raise TooManyKeys(self.keys, self.max_keys, whole=True)


def decode(body: bytes, structure: Structure) -> Any:
    """What `body` says, once `structure` has counted it. Raises NotStrict."""
    try:
        document = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise NotStrict(f"it is no JSON: {error}") from None
    except UnicodeDecodeError as error:
        raise NotStrict(f"it is not in UTF-8: {error.reason}") from None
    if _members(document) != structure.members:
        raise Duplicate(_doubled(body))
    return document


def at(document: Any, pointer: str) -> Any:
    """What stands at a JSON pointer (RFC 6901); KeyError where nothing does."""
    for written in pointer.split("/")[1:]:
        step = written.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict):
            document = document[step]
        elif isinstance(document, list) and _is_index(step) and int(step) < len(document):
            document = document[int(step)]
        else:
            raise KeyError(pointer)
    return document


def pointer_of(path: Iterable[str | int]) -> str:
    """The JSON pointer of these steps; each key cut to 64 characters, since clients choose them."""
    return "".join(f"/{str(step)[:_LONGEST_KEY].replace('~', '~0').replace('/', '~1')}" for step in path)


def _slice_end(body: bytes, start: int) -> int:
    """Where a slice from `start` on ends, such that no escape is cut in two."""
    end = min(start + SLICE, len(body))
    escapes = end - start - len(body[start:end].rstrip(b"\\"))
    return min(end + escapes % 2, len(body))


def _is_index(step: str) -> bool:
    # No leading zeros: RFC 6901, section 4.
    return step.isascii() and step.isdecimal() and len(step) < 10 and (step == "0" or step[0] != "0")


def _members(document: Any) -> int:
    """Keys of all objects in it."""
    count, waiting = 0, [document]
    while waiting:
        value = waiting.pop()
        if type(value) is dict:
            count += len(value)
            waiting.extend(value.values())
        elif type(value) is list:
            waiting.extend(value)
    return count


class _Pairs(list[tuple[str, Any]]):
    """An object as it is written."""


def _doubled(body: bytes) -> str:
    """The pointer of an object with a key twice; there is one."""
    waiting: list[tuple[list[str | int], Any]] = [([], json.loads(body, object_pairs_hook=_Pairs))]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, _Pairs):
            if len({key for key, _ in value}) < len(value):
                return pointer_of(path)
            waiting.extend([([*path, key], item) for key, item in value])
        elif isinstance(value, list):
            waiting.extend([([*path, index], item) for index, item in enumerate(value)])
    return ""
