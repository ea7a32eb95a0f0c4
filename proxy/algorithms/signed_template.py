"""What is signed of a message, as a template: `v0:{timestamp}:{body}`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

BODY = "body"
HEADER = "header:"
"""Before the name of a header in braces."""

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


@dataclass(frozen=True, slots=True)
class Template:
    """Literal bytes, and places that a message fills."""

    parts: tuple[bytes | str, ...]
    """In order: a literal as bytes, a place by its name."""

    @classmethod
    def parse(cls, text: str) -> Template:
        """Names stand in braces; a brace itself is doubled. Raises ValueError for half a pair."""
        parts: list[bytes | str] = []
        at = 0
        for token in _TOKEN.finditer(text):
            parts.append(text[at : token.start()].encode())
            at = token.end()
            if token[1] is not None:
                parts.append(token[1])
            elif len(token[0]) == 2:
                parts.append(token[0][:1].encode())
            else:
                raise ValueError(
                    f"{token[0]} at {token.start()} has no pair; expected it doubled, or a name in braces"
                )
        parts.append(text[at:].encode())
        return cls(tuple(_joined(parts)))

    @property
    def places(self) -> tuple[str, ...]:
        """The names in it, in order."""
        return tuple(part for part in self.parts if isinstance(part, str))

    def fill(self, value: Callable[[str], bytes]) -> Sequence[bytes]:
        """The signed bytes, in pieces, so that a large body is not copied."""
        return [part if isinstance(part, bytes) else value(part) for part in self.parts]


def _joined(parts: Sequence[bytes | str]) -> Iterator[bytes | str]:
    """Neighbouring literals as one, and none that is empty."""
    literal = b""
    for part in parts:
        if isinstance(part, bytes):
            literal += part
            continue
        if literal:
            yield literal
        yield part
        literal = b""
    if literal:
        yield literal
