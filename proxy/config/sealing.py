"""The keys of sealed values, from the environment and from a file.

`SEAWALL_SEAL_KEY` holds keys with spaces or commas between them; `SEAWALL_SEAL_KEY_FILE`, which
is `--seal-key-file`, names a file with one in each line. The first key seals, the file's
before the variable's, and all of them open: so a key can be changed without a gap.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from proxy.algorithms.sealed import NotOpened, SealKey, opened
from proxy.config.regular_file import read_regular
from proxy.config.secrets import Secret

KEYS = "SEAWALL_SEAL_KEY"
KEY_FILE = "SEAWALL_SEAL_KEY_FILE"
_MOST_BYTES = 64 * 1024


def seal_keys(
    env: Mapping[str, str], read: Callable[[Path, int], bytes] = read_regular
) -> tuple[SealKey, ...]:
    """Those that are given; none where none is. Raises ValueError, in words for operators."""
    return tuple(_parsed(where, text) for where, text in _given(env, read))


def secret_from_sealed(
    text: str, env: Mapping[str, str], read: Callable[[Path, int], bytes] = read_regular
) -> Secret:
    """What is sealed in `text`; raises ValueError where no key opens it, or it is empty."""
    keys = seal_keys(env, read)
    if not keys:
        raise ValueError(
            f"no key is given that could open this; expected one in {KEYS}, or in the file of --seal-key-file"
        )
    try:
        value = opened(text, keys)
    except NotOpened as error:
        raise ValueError(str(error)) from None
    if not value:
        raise ValueError("the sealed value is empty; expected a secret in it")
    return Secret(value)


def _given(env: Mapping[str, str], read: Callable[[Path, int], bytes]) -> Iterator[tuple[str, str]]:
    """Where a key stands, and the key."""
    name = env.get(KEY_FILE)
    if name:
        yield from ((f"line {number} of {name}", text) for number, text in _lines(Path(name), read))
    for number, text in enumerate(re.split(r"[\s,]+", env.get(KEYS, "").strip(", \t\r\n")), 1):
        if text:
            yield f"key {number} in {KEYS}", text


def _lines(path: Path, read: Callable[[Path, int], bytes]) -> Iterator[tuple[int, str]]:
    try:
        content = read(path, _MOST_BYTES)
    except ValueError as error:
        raise ValueError(
            f"{path}, the file of seal keys, cannot be read: {error}; expected a readable file"
        ) from None
    if len(content) > _MOST_BYTES:
        raise ValueError(f"{path}, the file of seal keys, is too large; expected at most {_MOST_BYTES} bytes")
    found = False
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
        text = line.strip()
        if text and not text.startswith("#"):
            found = True
            yield number, text
    if not found:
        raise ValueError(f"{path}, the file of seal keys, has none in it; expected one in each line")


def _parsed(where: str, text: str) -> SealKey:
    try:
        return SealKey.parse(text)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
