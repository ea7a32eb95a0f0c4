"""What stands in the store opens with the keys that are given, at its place and nowhere else."""

from __future__ import annotations

from random import Random

import pytest

from proxy.app.vault import SealingVault, vault

OLD, NEW = "11" * 32, "22" * 32


def of(keys: str) -> SealingVault:
    made = vault({"SEAWALL_SEAL_KEY": keys}, Random(1))
    assert made is not None
    return made


def test_what_was_put_there_comes_back_and_cannot_be_read() -> None:
    kept = of(NEW).put(b"an answer", b"place")

    assert b"an answer" not in kept
    assert b"an answer" == of(NEW).get(kept, b"place")


def test_the_same_is_never_kept_twice_in_the_same_way() -> None:
    made = of(NEW)

    assert made.put(b"an answer", b"place") != made.put(b"an answer", b"place")


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        pytest.param(f"{NEW},{OLD}", b"an answer", id="a new key before the old one"),
        pytest.param(f"{OLD},{NEW}", b"an answer", id="behind it"),
        pytest.param(NEW, None, id="without the old one"),
    ],
)
def test_a_key_can_be_changed(keys: str, expected: bytes | None) -> None:
    assert expected == of(keys).get(of(OLD).put(b"an answer", b"place"), b"place")


def test_the_first_key_seals() -> None:
    assert b"an answer" == of(NEW).get(of(f"{NEW},{OLD}").put(b"an answer", b"place"), b"place")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda kept: kept[:-1], id="shorter"),
        pytest.param(lambda kept: kept[:-1] + bytes([kept[-1] ^ 1]), id="another bit"),
        pytest.param(lambda kept: b"an answer", id="in the clear"),
        pytest.param(lambda kept: b"", id="nothing"),
    ],
)
def test_what_nobody_here_has_put_there_does_not_open(change: object) -> None:
    kept = of(NEW).put(b"an answer", b"place")

    assert None is of(NEW).get(change(kept), b"place")  # type: ignore[operator]  # it is a function


def test_nor_does_it_open_elsewhere() -> None:
    assert None is of(NEW).get(of(NEW).put(b"an answer", b"place"), b"another")


def test_without_a_key_there_is_none() -> None:
    assert None is vault({}, Random(1))


def test_a_key_that_is_none_is_told_of() -> None:
    with pytest.raises(ValueError, match="key 1 in SEAWALL_SEAL_KEY: it is no key"):
        vault({"SEAWALL_SEAL_KEY": "abc"}, Random(1))
