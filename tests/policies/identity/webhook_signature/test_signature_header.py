"""What can be a signature or a time in a header, and what can't."""

from __future__ import annotations

import pytest

from proxy.policies.identity.webhook_signature.content import Message, NotAsAgreed
from proxy.policies.identity.webhook_signature.schemes import Scheme, Stamp
from proxy.policies.identity.webhook_signature.signature_header import (
    MOST_ENTRIES,
    signatures_in,
    time_in,
)

A, B = "aa" * 32, "bb" * 32
PLAIN = Scheme("X-S")
LIST = Scheme("X-S", prefixes=("v1=", "v2="), separator=",", stamp=Stamp("x-s", "t="))


@pytest.mark.parametrize(
    ("value", "scheme", "signatures"),
    [
        pytest.param(A, PLAIN, [A], id="alone"),
        pytest.param(f"v2={A}", LIST, [A], id="with the second prefix"),
        pytest.param(f"v1={A},t=1 ,v1={B}", LIST, [A, B], id="two among others"),
        pytest.param(f"v3={A},{B},v1=x,v1={B}", LIST, [B], id="beside what is none"),
        pytest.param("aa" * 64, Scheme("X-S", algorithm="sha512"), ["aa" * 64], id="a longer one"),
    ],
)
def test_signatures(value: str, scheme: Scheme, signatures: list[str]) -> None:
    assert signatures == [signature.hex() for signature in signatures_in(value, scheme)]


@pytest.mark.parametrize(
    ("value", "scheme"),
    [
        pytest.param("", PLAIN, id="nothing"),
        pytest.param("aa" * 20, PLAIN, id="of another algorithm"),
        pytest.param(f"{A},{A}", PLAIN, id="two where one is expected"),
        pytest.param(A, LIST, id="no prefix"),
        pytest.param(f"V1={A}", LIST, id="a prefix in capitals"),
        pytest.param(",".join([f"v1={A}"] * (MOST_ENTRIES + 1)), LIST, id="too many"),
    ],
)
def test_what_holds_no_signature(value: str, scheme: Scheme) -> None:
    with pytest.raises(NotAsAgreed):
        signatures_in(value, scheme)


def test_as_many_entries_as_may_be() -> None:
    assert MOST_ENTRIES == len(signatures_in(",".join([f"v1={A}"] * MOST_ENTRIES), LIST))


def time(value: str, stamp: Stamp, scheme: Scheme = LIST) -> str:
    return time_in(Message("POST", "/", lambda _: [value]), scheme, stamp)


@pytest.mark.parametrize(
    ("value", "stamp"),
    [
        pytest.param("17", Stamp("X-T"), id="in a header of its own"),
        pytest.param("t=17", Stamp("X-T", "t="), id="with a prefix"),
        pytest.param("v1=x, t=17", Stamp("X-S", "t="), id="among signatures"),
    ],
)
def test_a_time(value: str, stamp: Stamp) -> None:
    assert "17" == time(value, stamp)


@pytest.mark.parametrize(
    ("value", "stamp"),
    [
        pytest.param("", Stamp("X-T"), id="nothing"),
        pytest.param("1,7", Stamp("X-T"), id="entries where none are expected"),
        pytest.param("17", Stamp("X-T", "t="), id="no prefix"),
        pytest.param("t=17,t=17", Stamp("X-S", "t="), id="twice"),
        pytest.param("t=17.5", Stamp("X-S", "t="), id="another form"),
    ],
)
def test_what_holds_no_time(value: str, stamp: Stamp) -> None:
    with pytest.raises(NotAsAgreed, match="does not have one time in it"):
        time(value, stamp)
