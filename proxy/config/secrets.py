"""Secrets by reference, so that a policy file can be shown to anybody.

`{env: NAME}` reads a variable, `{file: path}` a file beside the policy file, less the line
end that editors and `echo` leave behind it; `{sealed: TEXT}` is the secret itself, encrypted
(`proxy.config.sealing`). A literal is refused, since it would end up in a
repository, unless the operator insists with `--allow-literal-secrets`.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Literal, NoReturn

from msgspec import Meta

from proxy.config.regular_file import read_regular

OnMissingSecret = Annotated[
    Literal["reject", "allow"],
    Meta(description="Without a secret: `reject` the file, or, with `--env dev` only, `allow` everybody."),
]
"""A field `on_missing_secret` of a policy; the loader goes by its name."""

MAX_BYTES = 64 * 1024


class Secret:
    """A value that prints as `***`; `reveal` is the only way to it."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes | str) -> None:
        self._value = os.fsencode(value) if isinstance(value, str) else value

    def reveal(self) -> bytes:
        """The secret itself: for a digest or a comparison, never for a message."""
        return self._value

    def reveal_text(self) -> str:
        """The secret as text; bytes that are not UTF-8 survive as surrogates."""
        return self._value.decode("utf-8", "surrogateescape")

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value, other._value)

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is never written out")


class PublicText(Secret):
    """Of a public key or the like: it comes from where secrets come from, or stands in the file itself."""

    __slots__ = ()


def secret_from_env(name: str, env: Mapping[str, str]) -> Secret:
    """The variable `name`; raises ValueError where it is not set, or empty."""
    value = env.get(name)
    if not value:
        missing = "is not set" if value is None else "is empty"
        raise ValueError(f"the variable {name} {missing}; expected a secret in it")
    return Secret(value)


def secret_from_file(path: Path, read: Callable[[Path, int], bytes] = read_regular) -> Secret:
    """What stands in the file at `path`; raises ValueError where that cannot be read, or is empty."""
    try:
        value = read(path, MAX_BYTES).rstrip(b"\r\n")
    except ValueError as error:
        raise ValueError(
            f"the file of the secret cannot be read: {error}; expected a readable file"
        ) from None
    if not value:
        raise ValueError("the file of the secret is empty; expected a secret in it")
    if len(value) > MAX_BYTES:
        raise ValueError(f"the file of the secret is too large; expected at most {MAX_BYTES} bytes")
    return Secret(value)
