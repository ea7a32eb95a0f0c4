"""The process collects garbage seldom (`proxy/app/process.py`), so an exchange must leave no cycle behind."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from proxy.errors import Rejection
from proxy.exchange import Exchange
from proxy.policy import Hooks
from proxy.shadow import in_shadow
from proxy.wire.carrier import Carrier
from tests.wire.harness import Echo, RawUpstream, wire

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"


class Collects:
    async def on_request(self, exchange: Exchange) -> None:
        await exchange.body()


class Replays:
    async def around(self, exchange: Exchange, forward):
        response = await forward(exchange)
        await response.body(1000)
        return response


class Refuses:
    def on_request(self, exchange: Exchange) -> None:
        raise Rejection(403, "test.refused")


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize(
    "raw", [GET, POST, CHUNKED], ids=["no body", "a body of known length", "a chunked body"]
)
@pytest.mark.parametrize(
    "policies",
    [
        pytest.param([], id="none"),
        pytest.param([Hooks.of(Collects())], id="collects"),
        pytest.param([Hooks.of(Replays())], id="replays"),
        pytest.param([Hooks.of(Refuses())], id="refuses"),
        pytest.param([in_shadow("test", Hooks.of(Refuses()))], id="refuses in shadow"),
    ],
)
async def test_an_exchange_is_freed_without_the_collector(raw: bytes, policies: list[Hooks]) -> None:
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, *policies) as running:
        peer = await running.connect()
        for _ in range(3):
            peer.send(raw)
            await peer.message()
        await running.settled()
        kept = sum(isinstance(one, Carrier) for one in gc.get_objects())
        peer.close()

    assert 3 == len(running.records.outcomes)
    assert 0 == kept
