"""Reading files that operators name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from proxy.config.regular_file import read_any, read_regular


def test_a_file_is_read_up_to_one_byte_over_the_limit(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"abcdef")

    assert (b"abcdef", b"abc") == (read_regular(file, 10), read_regular(file, 2))


def test_a_link_to_a_file_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("file")

    assert b"abc" == read_regular(tmp_path / "link", 10)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("not-there", "No such file or directory"),
        ("pipe", "it is not a regular file"),
        (".", "it is not a regular file"),
        ("link-to-itself", "Too many levels of symbolic links"),
        ("nul\0byte", "embedded null byte"),
        ("x" * 300, "File name too long"),
    ],
    ids=["missing", "a pipe", "a folder", "a circle of links", "a NUL in the name", "a long name"],
)
def test_the_reason_is_given_for_what_cannot_be_read(tmp_path: Path, name: str, reason: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link-to-itself").symlink_to("link-to-itself")

    with pytest.raises(ValueError, match=reason):
        read_regular(tmp_path / name, 10)


def test_a_pipe_is_read_where_it_is_asked_for() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"abc")
    os.close(writing)

    assert b"abc" == read_any(Path(f"/dev/fd/{reading}"), 10)
    os.close(reading)


def test_a_folder_is_not_read_at_all(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Is a directory"):
        read_any(tmp_path, 10)
