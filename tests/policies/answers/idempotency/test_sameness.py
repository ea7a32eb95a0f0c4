"""Which requests are the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.config.keys import Key
from proxy.policies.answers.idempotency.sameness import Part, Sameness
from proxy.testing import exchange, fake_services

HEADER = Key("header:Idempotency-Key")
TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)


def a_sameness(*key: Key, compared: tuple[Part, ...] = ()) -> Sameness:
    return Sameness(key or (HEADER,), None, compared, fake_services(name="idempotency/x"))


def key_of(value: str, other: str | None = None) -> str | None:
    headers = {"Idempotency-Key": value} | ({} if other is None else {"X-Other": other})
    keys = (HEADER,) if other is None else (HEADER, Key("header:X-Other"))
    return a_sameness(*keys).key(exchange("POST", headers=headers), b"")


@given(TEXT, TEXT)
def test_two_keys_are_one_only_where_they_say_the_same(one: str, other: str) -> None:
    alike = one.removeprefix('"').removesuffix('"') == other.removeprefix('"').removesuffix('"')

    assert key_of(one) != key_of(other) or alike or "\\" in one + other


@given(TEXT, TEXT, TEXT, TEXT)
def test_two_parts_cannot_be_shifted_into_each_other(a: str, b: str, c: str, d: str) -> None:
    same = key_of(a, b) == key_of(c, d)

    assert not same or (key_of(a) == key_of(c) and key_of(b) == key_of(d))


def test_the_key_in_the_store_is_the_policys_and_does_not_show_the_clients() -> None:
    key = key_of("secret-key")

    assert key is not None
    assert (True, False) == (key.startswith("idempotency/x:"), "secret" in key)


@given(st.binary(), st.binary())
def test_bodies_have_the_same_digest_only_where_they_are_the_same(one: bytes, other: bytes) -> None:
    sameness = a_sameness(compared=("method", "path", "body"))
    asked = exchange("POST")

    assert (one == other) is (sameness.fingerprint(asked, one) == sameness.fingerprint(asked, other))


def test_the_body_is_needed_only_where_it_says_something() -> None:
    assert [False, True, True] == [
        a_sameness().needs_body,
        a_sameness(compared=("body",)).needs_body,
        a_sameness(Key("body:/id")).needs_body,
    ]
