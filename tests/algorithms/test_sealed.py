"""Sealed values: opened by their key, whole, or not at all."""

from __future__ import annotations

import hmac
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from proxy.algorithms.sealed import RANDOM_BYTES, NotOpened, SealKey, opened, seal, sealed_with

KEY = SealKey.parse("11" * 32)
OTHER = SealKey.parse("22" * 32)
RANDOM = bytes(range(RANDOM_BYTES))


def as_bytes(sealed: str) -> bytes:
    return urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))


def as_text(sealed: bytes) -> str:
    return urlsafe_b64encode(sealed).decode().rstrip("=")


@given(st.binary(max_size=300), st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES))
def test_what_was_sealed_is_opened(secret: bytes, random: bytes) -> None:
    assert secret == opened(seal(KEY, secret, random), [OTHER, KEY])


@given(st.data())
def test_no_byte_of_it_can_be_changed(data: st.DataObject) -> None:
    sealed = bytearray(as_bytes(seal(KEY, b"hunter2", RANDOM)))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))

    with pytest.raises(NotOpened):
        opened(as_text(sealed), [KEY, OTHER])


@given(st.text(max_size=200))
def test_what_is_no_sealed_value_is_not_opened(text: str) -> None:
    with pytest.raises(NotOpened):
        opened(text, [KEY])


def hkdf(key: bytes, salt: bytes, info: bytes) -> bytes:
    """RFC 5869 for one block, as others would write it."""
    return hmac.digest(hmac.digest(salt, key, sha256), info + b"\x01", sha256)


def test_the_format_is_what_the_docs_say() -> None:
    sealed = as_bytes(seal(KEY, b"hunter2", RANDOM))
    head, encrypted = sealed[:37], sealed[37:]
    derived = hkdf(KEY.key, head[9:25], b"seawall sealed value")

    assert b"\x01" + hkdf(KEY.key, b"\0" * 32, b"seawall seal key id")[:8] + RANDOM == head
    assert b"hunter2" == AESGCM(derived).decrypt(head[25:], encrypted, head)


def test_a_value_that_was_sealed_by_an_earlier_version_is_opened() -> None:
    assert b"hunter2" == opened(GOLDEN, [KEY])


GOLDEN = "AQrXbT6T27fnAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaG2MadKhdLTM_RxgEWUNZAGccpMDvZpL5"


def test_two_values_of_one_secret_have_nothing_in_common_behind_the_key_id() -> None:
    one, other = (as_bytes(seal(KEY, b"hunter2", bytes([n]) * RANDOM_BYTES)) for n in (1, 2))

    assert one[:9] == other[:9]
    assert not {one[at : at + 4] for at in range(9, 40)} & {other[at : at + 4] for at in range(9, 40)}


def test_a_value_says_which_key_it_wants_and_not_what_it_is() -> None:
    with pytest.raises(NotOpened) as caught:
        opened(seal(KEY, b"hunter2", RANDOM), [OTHER])

    assert sealed_with(seal(KEY, b"hunter2", RANDOM)) == KEY.id
    assert f"the key {KEY.id.hex()} sealed it, which is not given; those that are: {OTHER.id.hex()}" == str(
        caught.value
    )


@pytest.mark.parametrize("folded", ["{0}\n{1}", " {0} {1} ", "{0}{1}=="], ids=["lines", "spaces", "padded"])
def test_a_folded_value_is_the_same(folded: str) -> None:
    sealed = seal(KEY, b"hunter2", RANDOM)

    assert b"hunter2" == opened(folded.format(sealed[:30], sealed[30:]), [KEY])


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda sealed: b"\x02" + sealed[1:], "is of version 2; expected version 1"),
        (lambda sealed: sealed[:52], "is damaged"),
        (lambda sealed: sealed[:-1], "is damaged"),
        (lambda sealed: sealed + b"\0", "is damaged"),
        (lambda _: b"", "is damaged"),
    ],
    ids=["another version", "short", "a byte less", "a byte more", "nothing"],
)
def test_a_damaged_value_says_so(damage, says: str) -> None:
    with pytest.raises(NotOpened, match=says):
        opened(as_text(damage(as_bytes(seal(KEY, b"hunter2", RANDOM)))), [KEY])


@pytest.mark.parametrize(
    "text",
    ["AB" * 32, b64encode(b"\xfb" * 32).decode(), urlsafe_b64encode(b"\xfb" * 32).decode().rstrip("=")],
    ids=["hex", "base64", "base64url without padding"],
)
def test_a_key_is_32_bytes_in_hex_or_base64(text: str) -> None:
    assert 32 == len(SealKey.parse(text).key)


@pytest.mark.parametrize("text", ["", "hunter2", "ab" * 31, "ab" * 33, "hunter2 " * 4, "ä" * 43, "A" * 45])
def test_anything_else_is_no_key_and_is_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="expected 32 random bytes") as caught:
        SealKey.parse(text)

    assert not text or text not in str(caught.value)
