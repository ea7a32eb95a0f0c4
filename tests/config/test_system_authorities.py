"""The certificates that the system trusts."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.config.system_authorities import system_authorities


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """What these tests make up is not for others."""
    system_authorities.cache_clear()
    yield
    system_authorities.cache_clear()


def paths(monkeypatch: pytest.MonkeyPatch, cafile: str | None, capath: str | None) -> None:
    found = ssl.DefaultVerifyPaths(cafile, capath, "", "", "", "")
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: found)


def test_those_of_one_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "all.pem").write_bytes(b"one two")
    paths(monkeypatch, str(tmp_path / "all.pem"), None)

    assert b"one two\n" == system_authorities()


def test_those_of_a_folder_by_their_hashes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("01ab.0", "02cd.1", "README", "readable.pem"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    paths(monkeypatch, None, str(tmp_path))

    assert b"01ab.0\n02cd.1\n" == system_authorities()


@pytest.mark.parametrize(("cafile", "capath"), [(None, None), ("/nowhere/all.pem", None), (None, "/nowhere")])
def test_none(monkeypatch: pytest.MonkeyPatch, cafile: str | None, capath: str | None) -> None:
    paths(monkeypatch, cafile, capath)

    assert b"" == system_authorities()
