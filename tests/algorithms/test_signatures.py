"""One spelling for each signature; and comparing tells nothing but the result."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.algorithms.signatures import Encoding, KeyForm, any_equal, decode, encode, read_key


@pytest.mark.parametrize(
    ("text", "encoding", "value"),
    [
        pytest.param("00ff", "hex", b"\0\xff", id="hex"),
        pytest.param("00FF", "hex", b"\0\xff", id="hex in capitals"),
        pytest.param("+/8=", "base64", b"\xfb\xff", id="base64"),
        pytest.param("-_8=", "base64url", b"\xfb\xff", id="base64url"),
        pytest.param("-_8", "base64url", b"\xfb\xff", id="base64url without padding"),
    ],
)
def test_a_signature_is_decoded(text: str, encoding: Encoding, value: bytes) -> None:
    assert value == decode(text, encoding)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        pytest.param("", "hex", id="nothing"),
        pytest.param("0", "hex", id="half a byte"),
        pytest.param("00 ff", "hex", id="a space, which bytes.fromhex would skip"),
        pytest.param("00fg", "hex", id="another letter"),
        pytest.param("０0ff", "hex", id="a full-width digit"),
        pytest.param("", "base64", id="nothing in base64"),
        pytest.param("+/8", "base64", id="missing padding"),
        pytest.param("+/8==", "base64", id="too much padding"),
        pytest.param("+/9=", "base64", id="bits beyond the last byte"),
        pytest.param("+/8=\n", "base64", id="a line end"),
        pytest.param("+/ 8=", "base64", id="a space within"),
        pytest.param("+!/8=", "base64", id="a character that lenient decoders skip"),
        pytest.param("-_8=", "base64", id="the other alphabet"),
        pytest.param("=", "base64", id="padding alone"),
        pytest.param("AAAAA", "base64", id="a length that base64 never has"),
        pytest.param("ÄÄÄÄ", "base64", id="not ASCII"),
        pytest.param("\udcff\udcff\udcff\udcff", "base64", id="bytes that are no text"),
        pytest.param("+/8=", "base64url", id="the standard alphabet"),
        pytest.param("-_8==", "base64url", id="too much padding in base64url"),
        pytest.param("-_9", "base64url", id="bits beyond the last byte in base64url"),
    ],
)
def test_another_spelling_is_none(text: str, encoding: Encoding) -> None:
    assert decode(text, encoding) is None


@given(value=st.binary(min_size=1, max_size=64), encoding=st.sampled_from(["hex", "base64", "base64url"]))
@settings(max_examples=60)
def test_what_is_encoded_can_be_decoded(value: bytes, encoding: Encoding) -> None:
    assert value == decode(encode(value, encoding), encoding)


@given(value=st.binary(min_size=1, max_size=64), text=st.text("ABab01+/=", max_size=8))
@settings(max_examples=60)
def test_base64_has_one_spelling(value: bytes, text: str) -> None:
    written = base64.b64encode(value).decode()
    other = text + written[len(text) :]

    assert other == written or decode(other, "base64") != value


@pytest.mark.parametrize(
    ("secret", "form", "key"),
    [
        pytest.param(b"whsec_a", "text", b"whsec_a", id="as it is"),
        pytest.param(b"00ff", "hex", b"\0\xff", id="hex"),
        pytest.param(b"+/8=", "base64", b"\xfb\xff", id="base64"),
        pytest.param(b"whsec_+/8=", "whsec", b"\xfb\xff", id="with whsec_"),
        pytest.param(b"+/8=", "whsec", b"\xfb\xff", id="without whsec_"),
    ],
)
def test_a_secret_holds_a_key(secret: bytes, form: KeyForm, key: bytes) -> None:
    assert key == read_key(secret, form)


@pytest.mark.parametrize(
    ("secret", "form"),
    [
        pytest.param(b"hunter2", "hex", id="no hex"),
        pytest.param(b"hunter2", "base64", id="no base64"),
        pytest.param(b"whsec_hunter2", "whsec", id="no base64 behind whsec_"),
        pytest.param(b"whsec_", "whsec", id="an empty key"),
        pytest.param(b"hunter2\xff", "whsec", id="bytes that are no text"),
    ],
)
def test_a_secret_without_a_key_is_an_error_that_does_not_show_it(secret: bytes, form: KeyForm) -> None:
    with pytest.raises(ValueError, match="cannot be decoded; expected") as error:
        read_key(secret, form)

    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    ("expected", "given_", "equal"),
    [
        pytest.param([b"ab"], [b"ab"], True, id="one of each"),
        pytest.param([b"xy", b"ab"], [b"ab"], True, id="the second secret"),
        pytest.param([b"ab"], [b"xy", b"ab"], True, id="the second signature"),
        pytest.param([b"ab"], [b"ac"], False, id="another"),
        pytest.param([b"ab"], [b"abc"], False, id="a longer one"),
        pytest.param([b"ab"], [b"\xff\xfe"], False, id="bytes beyond ASCII"),
        pytest.param([b"ab"], [], False, id="none given"),
        pytest.param([], [b"ab"], False, id="none expected"),
        pytest.param([], [], False, id="nothing at all"),
    ],
)
def test_any_of_several_may_match(expected: list[bytes], given_: list[bytes], equal: bool) -> None:
    assert equal == any_equal(expected, given_)


def test_given_values_that_can_be_read_once_only_are_compared_with_every_expected_one() -> None:
    assert any_equal([b"x", b"a"], iter([b"a"]))
