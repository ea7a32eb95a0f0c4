"""Reading small files whose names stand in policy files, or beside them."""

from __future__ import annotations

import stat
from pathlib import Path

from proxy.config.inputs import about_to_read


def read_regular(path: Path, limit: int) -> bytes:
    """What stands in the regular file at `path`, and of a longer one `limit` + 1 bytes.

    Raises ValueError with the reason where it cannot be read. Pipes and devices are refused,
    since they may block for ever.
    """
    about_to_read(path)
    try:
        if stat.S_ISREG(path.stat().st_mode):
            return read_any(path, limit)
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from None
    raise ValueError("it is not a regular file")


def read_any(path: Path, limit: int) -> bytes:
    """As `read_regular`, from a pipe too."""
    about_to_read(path)
    try:
        with path.open("rb") as file:
            return file.read(limit + 1)
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from None
