"""Secrets are read, compared, and never shown."""

from __future__ import annotations

import copy
import os
import pickle
from pathlib import Path

import msgspec
import pytest

from proxy.config.schema import Schema
from proxy.config.secrets import MAX_BYTES, Secret, secret_from_env, secret_from_file


class Holder(Schema, frozen=True, kw_only=True):
    secrets: list[Secret]


@pytest.mark.parametrize(
    "show",
    [
        str,
        repr,
        "{}".format,
        "{0!r:>3}".format,
        lambda secret: f"{[secret]}",
        lambda secret: repr(Holder(secrets=[secret])),
    ],
    ids=["str", "repr", "format", "format with a conversion", "in a list", "in a schema"],
)
def test_a_secret_shows_as_stars(show) -> None:
    shown = show(Secret("hunter2"))

    assert ("hunter2" not in shown, "***" in shown) == (True, True)


@pytest.mark.parametrize(
    "write", [pickle.dumps, copy.deepcopy, msgspec.json.encode], ids=["pickle", "copy", "JSON"]
)
def test_a_secret_is_not_written_out(write) -> None:
    with pytest.raises(TypeError):
        write(Secret("hunter2"))


def test_a_secret_is_bytes_and_text() -> None:
    secret = Secret("grüße")

    assert ("grüße".encode(), "grüße") == (secret.reveal(), secret.reveal_text())


def test_bytes_that_are_no_text_survive() -> None:
    assert b"\xff" == os.fsencode(Secret(b"\xff").reveal_text()) == Secret("\udcff").reveal()


def test_secrets_are_compared_by_value() -> None:
    assert (True, False, False) == (
        Secret("a") == Secret(b"a"),
        Secret("a") == Secret("b"),
        Secret("a") == "a",
    )
    assert 1 == len({Secret("a"), Secret(b"a")})


def test_a_secret_comes_from_a_variable() -> None:
    assert Secret("hunter2") == secret_from_env("NAME", {"NAME": "hunter2"})


@pytest.mark.parametrize(
    ("env", "message"),
    [({}, "the variable NAME is not set"), ({"NAME": ""}, "the variable NAME is empty")],
    ids=["not set", "empty"],
)
def test_a_missing_variable_is_an_error(env: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        secret_from_env("NAME", env)


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\n\n"], ids=["none", "unix", "windows", "two"])
def test_a_secret_comes_from_a_file_without_its_last_line_end(tmp_path: Path, end: bytes) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b" a\nb \xff " + end)

    assert b" a\nb \xff " == secret_from_file(file).reveal()


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"\n", "is empty"), (b"x" * (MAX_BYTES + 1), "is too large; expected at most 65536 bytes")],
    ids=["empty", "too large"],
)
def test_a_file_that_holds_no_secret_is_an_error(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)

    with pytest.raises(ValueError, match=message):
        secret_from_file(file)


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read: No such file or directory"):
        secret_from_file(tmp_path / "not-there")
