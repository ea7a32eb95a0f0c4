"""What is written about a request is what is read."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.exchange import Response
from proxy.headers import Headers
from proxy.policies.answers.idempotency.record import Kept, Record, answered, done, pending

TOKEN, DIGEST = b"t" * 16, b"d" * 32
FIELDS = st.lists(
    st.tuples(
        st.text("abcXYZ-", min_size=1).map(str.encode), st.binary().map(lambda raw: raw.hex().encode())
    ),
    max_size=8,
)


def same(data: bytes, _: bytes) -> bytes:
    return data


def test_one_that_is_under_way() -> None:
    assert Record(True, DIGEST, None) == Record.read(pending(TOKEN, DIGEST), "k", same)


def test_one_whose_answer_is_not_kept() -> None:
    assert Record(False, DIGEST, None) == Record.read(done(DIGEST), "k", same)


@given(status=st.integers(200, 599), phrase=st.text(), fields=FIELDS, body=st.binary())
def test_an_answer(status: int, phrase: str, fields: list[tuple[bytes, bytes]], body: bytes) -> None:
    response = Response(status, Headers(fields), phrase=phrase)

    record = Record.read(answered("k", DIGEST, response, body, same), "k", same)

    assert (False, DIGEST) == record[:2]
    assert isinstance(record.kept, Kept)
    assert (status, phrase, body) == (record.kept.status, record.kept.phrase, record.kept.body)
    assert fields == list(record.kept.headers)


def test_keeping_an_answer_changes_nothing_of_it() -> None:
    response = Response(200, Headers([(b"Date", b"now")]))

    answered("k", DIGEST, response, b"", same)

    assert "now" == response.headers.get("Date")


@given(st.binary(max_size=64))
def test_what_nobody_here_wrote_is_an_answer_that_is_not_kept(data: bytes) -> None:
    assert None is Record.read(b"D" + DIGEST + b"\xc1" + data, "k", same).kept


def test_an_answer_that_cannot_be_unsealed_is_one_that_is_not_kept() -> None:
    word = answered("k", DIGEST, Response(200), b"secret", lambda data, _: data[::-1])

    assert Record(False, DIGEST, None) == Record.read(word, "k", lambda *_: None)


def test_an_answer_is_sealed_for_its_key_and_for_what_was_asked() -> None:
    places: list[bytes] = []

    def seal(data: bytes, place: bytes) -> bytes:
        places.append(place)
        return data

    for key, digest in (("a", DIGEST), ("b", DIGEST), ("a", b"e" * 32)):
        Record.read(answered(key, digest, Response(200), b"", seal), key, seal)

    assert 3 == len(set(places))
    assert places[::2] == places[1::2]
