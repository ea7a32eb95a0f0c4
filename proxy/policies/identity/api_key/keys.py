"""Keys by their hashes, as they stand in a policy or in a file beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from hashlib import sha256
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Self

from msgspec import Meta, field

from proxy.algorithms.timestamps import read_timestamp
from proxy.config.documents import Document
from proxy.config.schema import Schema
from proxy.config.units import HeaderValue
from proxy.exchange import Identity

_NOTHING = sha256(b"").hexdigest()


class Sha256(str):
    """The digest of a key in hex. Never shown, since it may be the key itself by mistake."""

    __slots__ = ()
    hidden: ClassVar[bool] = True
    discreet: ClassVar[bool] = True
    """Errors of `parse` do not show what it was given."""
    as_written: ClassVar[bool] = True
    """One in a few billion looks like a number to YAML."""
    pattern: ClassVar[str] = r"^[0-9a-fA-F]{64}$"
    example: ClassVar[str] = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

    @classmethod
    def parse(cls, value: object) -> Self:
        if not isinstance(value, str) or not re.fullmatch(cls.pattern, value):
            count = f", not {len(value)} characters" if isinstance(value, str) else ""
            raise ValueError(f"this is no SHA-256; expected 64 hexadecimal digits{count}")
        return cls(value.lower())


class Expiry(float):
    """A point in time, in seconds since the epoch."""

    pattern: ClassVar[str] = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$"
    example: ClassVar[str] = "2030-01-01T00:00:00Z"

    @classmethod
    def parse(cls, value: object) -> Self:
        seconds = read_timestamp(value, "iso8601") if isinstance(value, str) else None
        if seconds is None:
            raise ValueError(f"{value!r} is no point in time; expected one such as {cls.example}")
        return cls(seconds)


class KeyFormat(str):
    """A regular expression that the whole key must match."""

    __slots__ = ()
    pattern: ClassVar[str] = r"^.+$"
    example: ClassVar[str] = "^[0-9a-f]{64}$"

    @classmethod
    def parse(cls, value: object) -> Self:
        try:
            if isinstance(value, str) and value:
                re.compile(value.encode())
                return cls(value)
        except re.error as error:
            raise ValueError(
                f"{value!r} is no regular expression: {error}; expected one such as {cls.example}"
            ) from None
        raise ValueError(f"{value!r} is no regular expression; expected one such as {cls.example}")


class Key(Schema, frozen=True, kw_only=True):
    """One key, and whose it is."""

    id: Annotated[
        HeaderValue,
        Meta(min_length=1, max_length=256, description="Whose key it is: `auth.id` of limits and logs."),
    ]
    sha256: Annotated[Sha256, Meta(description="SHA-256 of the key, in hex.")]
    expires: Annotated[
        Expiry | None, Meta(description="When it ends, date and time with their offset; never where absent.")
    ] = None
    attributes: Annotated[dict[str, Any], Meta(description="Whatever else is to be known of the caller.")] = (
        field(default_factory=dict)
    )


class KeysDocument(Schema, frozen=True, kw_only=True):
    """What stands in a `keys_file`."""

    keys: Annotated[tuple[Key, ...], Meta(description="Keys, as in the policy.")]

    def check(self) -> Iterator[tuple[str, str]]:
        """As the policy's own keys."""
        yield from doubtful(self.keys)


class KeysFile(Document):
    """A YAML or JSON file with `keys`."""

    schema: ClassVar[type[Schema]] = KeysDocument
    example: ClassVar[str] = "/run/secrets/keys.yaml"


def keys_in(file: KeysFile | None) -> tuple[Key, ...]:
    """Those of a loaded file; none where there is none."""
    return file.content.keys if file is not None and isinstance(file.content, KeysDocument) else ()


def identity_of(key: Key) -> Identity:
    """Who shows the key."""
    return Identity(key.id, "api_key", MappingProxyType(key.attributes))


def callers(keys: Iterable[Key], file: KeysFile | None) -> Iterator[tuple[str, str, Identity]]:
    """Who has a key: the field of the policy, the place in the file that it names, and who it is."""
    for at, key in enumerate(keys):
        yield f"keys[{at}]", "", identity_of(key)
    for at, key in enumerate(keys_in(file)):
        yield "keys_file", f"keys[{at}]", identity_of(key)


def doubtful(keys: Iterable[Key]) -> Iterator[tuple[str, str]]:
    """Keys that nobody can have meant."""
    seen: dict[str, str] = {}
    for index, key in enumerate(keys):
        if key.sha256 == _NOTHING:
            yield f"keys[{index}].sha256", "this is the hash of nothing; expected that of a key"
        if key.sha256 in seen:
            yield f"keys[{index}].sha256", f"this is the key of {seen[key.sha256]!r} too; expected another"
        seen[key.sha256] = key.id
