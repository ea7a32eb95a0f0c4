"""A file of users and the bcrypt hashes of their passwords, as Apache's `htpasswd -B` writes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, NamedTuple, Self

from proxy.config.documents import Document, LineFault
from proxy.config.schema import Schema

DEAREST = 14
"""Each step doubles the time of a check: this one takes about a second."""

_BCRYPT = re.compile(r"\$2[by]\$(?P<cost>\d\d)\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")
_CHEAPEST = 4
_OTHERS = (
    ("$apr1$", "Apache's MD5"),
    ("{SHA}", "SHA-1"),
    ("{SSHA}", "SHA-1"),
    ("$1$", "MD5"),
    ("$5$", "SHA-256 crypt"),
    ("$6$", "SHA-512 crypt"),
    ("$2a$", "an old variant of bcrypt"),
    ("$2x$", "a broken variant of bcrypt"),
    ("$y$", "yescrypt"),
    ("$argon2", "Argon2"),
    ("$2", "bcrypt, but not whole"),
)
_EXPECTED = "expected bcrypt, as `htpasswd -B` writes it"


class Hashed(NamedTuple):
    """A password that nobody knows."""

    hash: bytes
    cost: int


class Htpasswd(Document):
    """A file with `user:hash` in each line."""

    schema: ClassVar[type[Schema] | None] = None
    example: ClassVar[str] = "/run/secrets/htpasswd"

    @classmethod
    def read(cls, text: str) -> tuple[object, list[LineFault]]:
        """User -> hash; nothing of a hash is in what is said of a line."""
        users: dict[str, Hashed] = {}
        faults = []
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            user, colon, rest = line.partition(":")
            hashed = _hashed(rest.strip())
            if not colon or not user or user != user.strip() or not user.isprintable():
                faults.append(LineFault(number, "there is no user in this line; expected `user:hash`"))
            elif user in users:
                faults.append(LineFault(number, f"the user {user!r} stands twice; expected once"))
            elif isinstance(hashed, str):
                faults.append(LineFault(number, f"the password of {user!r} is {hashed}"))
            else:
                users[user] = hashed
        if not users and not faults:
            faults.append(LineFault(1, "there is no user in this file; expected `user:hash`"))
        return MappingProxyType(users), faults

    @property
    def users(self) -> Mapping[str, Hashed]:
        """Of a loaded file; none where it was not loaded."""
        return self.content if isinstance(self.content, Mapping) else {}

    def with_hashes(self, hashes: Mapping[str, bytes]) -> Self:
        """The same users, some of them with other passwords."""
        changed = {user: _known(hashes.get(user), before) for user, before in self.users.items()}
        return self.holding(MappingProxyType(changed))


def _known(hash_: bytes | None, before: Hashed) -> Hashed:
    return before if hash_ is None else Hashed(hash_, int(hash_[4:6]))


def _hashed(text: str) -> Hashed | str:
    """The hash in `text`, or what it is instead."""
    found = _BCRYPT.fullmatch(text)
    if found is None:
        scheme = next((name for start, name in _OTHERS if text.startswith(start)), "crypt, or in clear")
        return f"{scheme}; {_EXPECTED}"
    cost = int(found["cost"])
    if not _CHEAPEST <= cost <= DEAREST:
        return f"of the cost {cost}; expected one from {_CHEAPEST} to {DEAREST}"
    return Hashed(text.encode("ascii"), cost)
