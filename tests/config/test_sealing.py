"""Which keys open sealed values, and what is said where none does."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.algorithms.sealed import RANDOM_BYTES, SealKey, seal
from proxy.config.sealing import KEY_FILE, KEYS, seal_keys, secret_from_sealed
from proxy.config.secrets import Secret

ONE, TWO, THREE = ("11" * 32, "22" * 32, "33" * 32)


def sealed(key: str = ONE, secret: bytes = b"hunter2") -> str:
    return seal(SealKey.parse(key), secret, bytes(RANDOM_BYTES))


def key_file(folder: Path, text: str) -> str:
    file = folder / "keys"
    file.write_text(text)
    return str(file)


@pytest.mark.parametrize("between", [",", " ", "\n", ", "])
def test_a_variable_holds_several_keys(between: str) -> None:
    assert [ONE, TWO] == [key.key.hex() for key in seal_keys({KEYS: f"{ONE}{between}{TWO}\n"})]


def test_keys_of_a_file_come_first(tmp_path: Path) -> None:
    file = key_file(tmp_path, f"# new\n{TWO}\n\n  {THREE}  \n")

    assert [TWO, THREE, ONE] == [key.key.hex() for key in seal_keys({KEYS: ONE, KEY_FILE: file})]


def test_each_key_opens_what_it_sealed() -> None:
    assert [Secret("hunter2")] * 2 == [
        secret_from_sealed(sealed(key), {KEYS: f"{ONE} {TWO}"}) for key in (ONE, TWO)
    ]


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({}, "no key is given that could open this; expected one in SEAWALL_SEAL_KEY"),
        ({KEYS: " , "}, "no key is given"),
        ({KEYS: TWO}, "which is not given"),
        ({KEYS: f"{ONE} hunter3"}, "key 2 in SEAWALL_SEAL_KEY: it is no key"),
        ({KEY_FILE: "/no/such"}, "the file of seal keys, cannot be read: No such file"),
    ],
    ids=["none", "an empty variable", "another", "one that is none", "no file"],
)
def test_what_keeps_a_value_sealed_is_said(env: dict[str, str], says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        secret_from_sealed(sealed(), env)

    assert not any(secret in str(caught.value) for secret in ("hunter", ONE, TWO))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("# none\n", "has none in it; expected one in each line"),
        (f"{ONE}\nhunter3\n", "line 2 of .*: it is no key"),
        ("#" * 70_000, "is too large"),
    ],
    ids=["none", "a line that is none", "too large"],
)
def test_what_is_wrong_with_a_file_of_keys_is_said(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        seal_keys({KEY_FILE: key_file(tmp_path, text)})

    assert "hunter3" not in str(caught.value)


def test_an_empty_secret_is_none() -> None:
    with pytest.raises(ValueError, match="the sealed value is empty"):
        secret_from_sealed(sealed(secret=b""), {KEYS: ONE})
