"""What limits and memories are kept by: a small closed language of facts about a request.

    client.ip  client.net  auth.id  route.name  path.NAME  query:NAME  header:NAME
    cookie:NAME  body:/json/pointer  body.sha256  signature  constant

Several facts together are one key. A fact has the phase from which on it is known; a policy
that runs earlier can't ask for it, and says so at load.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from typing import ClassVar, Self

_FIELD = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_FIXED = ("client.ip", "client.net", "auth.id", "route.name", "body.sha256", "signature", "constant")
_NAMED = ("path.NAME", "query:NAME", "header:NAME", "cookie:NAME", "body:/json/pointer")

_LATE = ("auth.id", "signature", "body", "body.sha256")
"""Facts that are known from the phase `checks` on; all others are with the request's head."""
_EARLY_PHASES = ("edge", "admission", "identity")

_WORDS = {
    "client.ip": "client",
    "client.net": "client network",
    "auth.id": "caller",
    "route.name": "route",
    "body.sha256": "body",
    "signature": "signature",
}
_NAMED_WORDS = {
    "path": "{} in the path",
    "query": "value of the query parameter {}",
    "header": "value of the header {}",
    "cookie": "value of the cookie {}",
    "body": "value at {} in the body",
}


class Key(str):
    """One fact about a request."""

    __slots__ = ()
    pattern: ClassVar[str] = (
        r"^(client\.ip|client\.net|auth\.id|route\.name|body\.sha256|signature|constant"
        rf"|path\.[A-Za-z_][A-Za-z0-9_]*|query:[^\x00-\x20]+|(header|cookie):{_FIELD}|body:(/[^\x00-\x1f]*)?)$"
    )
    example: ClassVar[str] = "client.ip"

    @property
    def fact(self) -> str:
        """`path`, `query`, `header`, `cookie`, `body`, or all of it where it takes no name."""
        return str(self) if self in _FIXED else re.split(r"[.:]", self, maxsplit=1)[0]

    @property
    def name(self) -> str:
        """Of a parameter, a header, a cookie, or a place in the body; empty for facts without one."""
        return "" if self in _FIXED else re.split(r"[.:]", self, maxsplit=1)[1]

    @property
    def may_be_missing(self) -> bool:
        """A client may leave it out."""
        return self.fact in ("query", "header", "cookie", "body")

    @classmethod
    def parse(cls, value: object) -> Self:
        if not isinstance(value, str) or not re.fullmatch(cls.pattern, value, re.ASCII):
            known = (*_FIXED, *_NAMED)
            close = get_close_matches(str(value), known, 1)
            expected = f"did you mean {close[0]}?" if close else f"expected one of {', '.join(known)}"
            raise ValueError(f"{value!r} is no key; {expected}")
        return cls(value)


def problems(keys: Sequence[Key], phase: str, instead: str = "") -> Iterator[tuple[str, str]]:
    """For the `check` of a schema whose field `key` is `keys`: what a policy of `phase` can't ask for.

    `instead` names a policy that can.
    """
    hint = f", or the policy {instead}, which runs later" if instead else ""
    for index, key in enumerate(keys):
        if keys.index(key) < index:
            yield f"key[{index}]", f"{key} stands twice; expected each key once"
        elif key.fact in _LATE and phase in _EARLY_PHASES:
            expected = f"expected a key of the request's head, such as client.ip{hint}"
            yield f"key[{index}]", f"{key} is not known yet in the phase {phase}; {expected}"


def unknown_parameters(config: object, parameters: Sequence[str]) -> Iterator[tuple[str, Key, str]]:
    """Which keys of a policy are not in a path with `parameters`: where, which, and what is expected."""
    for place, key in asked_by(config):
        if key.fact == "path" and key.name not in parameters:
            known = ", ".join(f"path.{name}" for name in parameters) or f"a path with {{{key.name}}} in it"
            yield place, key, known


def asked_by(config: object) -> Iterator[tuple[str, Key]]:
    """The keys of a policy and where they stand: as its `asked` says, or those of the field `key`."""
    asked: Callable[[], Iterator[tuple[str, Key]]] | None = getattr(config, "asked", None)
    if asked is not None:
        yield from asked()
        return
    for index, key in enumerate(getattr(config, "key", ())):
        if isinstance(key, Key):
            yield f"key[{index}]", key


def in_words(keys: Sequence[Key]) -> str:
    """`for each client`, `for each client and value of the header X-Tenant`, `for all together`."""
    words = [
        _WORDS.get(key.fact) or _NAMED_WORDS[key.fact].format(key.name or "the root")
        for key in keys
        if key != "constant"
    ]
    return f"for each {' and '.join(words)}" if words else "for all together"
