"""The certificates that the system trusts, for policies that judge certificates themselves."""

from __future__ import annotations

import ssl
from contextlib import suppress
from functools import cache
from pathlib import Path

_LARGEST = 4 * 1024 * 1024


@cache
def system_authorities() -> bytes:
    """In PEM, as OpenSSL finds them; nothing where there are none. Read once."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile is not None:
        return _read(Path(paths.cafile))
    return b"".join(_read(path) for path in _files(paths.capath))


def _files(folder: str | None) -> list[Path]:
    """One for each certificate, by the name that OpenSSL looks for."""
    if folder is None:
        return []
    with suppress(OSError):
        return sorted(Path(folder).glob("*.[0-9]"))
    return []


def _read(path: Path) -> bytes:
    with suppress(OSError), path.open("rb") as file:
        return file.read(_LARGEST) + b"\n"
    return b""
