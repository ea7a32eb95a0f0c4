"""Max-Forwards, as the upstream and the client see it."""

from __future__ import annotations

import pytest

from proxy.errors import Rejection
from proxy.exchange import Request
from proxy.headers import Headers
from proxy.wire.hops import take_hop
from tests.wire.attacks import get
from tests.wire.harness import BOTH_LOOPS, Echo, RawUpstream, wire

FIELD = b"Max-Forwards"


def asked(method: str, *values: bytes) -> Request:
    return Request(method, "/", "", "/", Headers([(FIELD, value) for value in values]))


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE"])
@pytest.mark.parametrize(
    ("value", "left"),
    [(b"1", "0"), (b"10", "9"), (b"007", "6"), (b"256", "255"), (b"257", "255"), (b"999999999", "255")],
)
def test_one_less_is_passed_on(method: str, value: bytes, left: str) -> None:
    request = asked(method, value)

    assert take_hop(request) is None
    assert [left] == request.headers.get_all("Max-Forwards")


@pytest.mark.parametrize(
    "values",
    [(b"",), (b"-1",), (b"+1",), (b"1.0",), (b"a",), (b"1, 2",), (b"1", b"1"), (b"1" * 5000,)],
    ids=str,
)
def test_what_is_no_number_is_refused(values: tuple[bytes, ...]) -> None:
    with pytest.raises(Rejection) as refused:
        take_hop(asked("OPTIONS", *values))

    assert (400, "request.malformed") == (refused.value.status, refused.value.reason)


@BOTH_LOOPS
@pytest.mark.parametrize(
    ("method", "value", "status", "arrived"),
    [
        (b"OPTIONS", b"0", b"200", None),
        (b"OPTIONS", b"000", b"200", None),
        (b"TRACE", b"0", b"501", None),
        (b"OPTIONS", b"2", b"200", b"1"),
        (b"TRACE", b"2", b"200", b"1"),
        (b"GET", b"0", b"200", b"0"),
        (b"POST", b"x", b"200", b"x"),
    ],
)
async def test_it_ends_where_it_may_go_no_further(
    method: bytes, value: bytes, status: bytes, arrived: bytes | None
) -> None:
    echo = Echo()
    async with RawUpstream(echo) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        length = (b"Content-Length: 0",) if method == b"POST" else ()
        peer.send(
            get(b"Host: a", b"%b: %b" % (FIELD, value), b"Connection: close", *length).replace(b"GET", method)
        )
        answer = await peer.rest()

    assert status == answer.split(b" ")[1]
    seen = [b"%b: %b\r\n" % (FIELD, arrived) in head for head in echo.seen]
    assert ([] if arrived is None else [True]) == seen
