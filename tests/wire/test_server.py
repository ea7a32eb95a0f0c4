"""The listener: where it listens, and how it stops. `test_drain.py` has the end in all its forms."""

from __future__ import annotations

import asyncio
import socket
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.router import RoutingTable
from proxy.wire.server import Listener, bind
from proxy.wire.serving import HeadCaps, WireSettings
from tests.wire.attacks import OK, get
from tests.wire.bare import bare
from tests.wire.harness import BOTH_LOOPS, Echo, Peer, RawUpstream, until, wire

GET = b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


async def answer_of(connecting: Any) -> bytes:
    reader, writer = await connecting
    peer = Peer(reader, writer)
    peer.send(GET)
    answer = await peer.rest()
    peer.close()
    return answer


@BOTH_LOOPS
async def test_it_listens_on_a_port_and_says_on_which() -> None:
    async with RawUpstream(Echo()) as upstream, wire(upstream.port) as running:
        second = Listener(running.server, drain=1.0)
        address = await second.open("127.0.0.1:0")
        host, _, port = address.rpartition(":")
        answer = await answer_of(asyncio.open_connection(host, int(port)))
        await second.close()

    assert "127.0.0.1" == host
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


@BOTH_LOOPS
async def test_it_listens_on_a_unix_socket_whose_peers_have_no_address(tmp_path: Path) -> None:
    path = tmp_path / "seawall.sock"
    async with RawUpstream(Echo()) as upstream, wire(upstream.port) as running:
        second = Listener(running.server, drain=1.0)
        address = await second.open(f"unix:{path}")
        answer = await answer_of(asyncio.open_unix_connection(str(path)))
        await second.close()
        [exchange] = running.records.exchanges

    assert f"unix:{path}" == address
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert ("", "", False) == (exchange.client_ip, exchange.peer_ip, exchange.peer_trusted)


def loopback_has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not loopback_has_ipv6(), reason="::1 is not there")
async def test_it_listens_on_ipv6_and_puts_the_address_in_brackets() -> None:
    async with RawUpstream(Echo()) as upstream, wire(upstream.port) as running:
        second = Listener(running.server, drain=1.0)
        address = await second.open("[::1]:0")
        answer = await answer_of(asyncio.open_connection("::1", int(address.rpartition(":")[2])))
        await second.close()
        [exchange] = running.records.exchanges

    assert address.startswith("[::1]:")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert "::1" == exchange.client_ip


@pytest.mark.skipif(not loopback_has_ipv6(), reason="::1 is not there")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_without_a_host_both_families_are_bound(host: str) -> None:
    with bind("", 0) as bound, socket.create_connection((host, bound.getsockname()[1])):
        assert not bound.getblocking()


async def test_a_port_that_is_taken_is_an_error() -> None:
    async with RawUpstream(Echo()) as upstream, wire(upstream.port) as running:
        second = Listener(running.server, drain=1.0)
        with pytest.raises(OSError):  # its number is the system's business
            await second.open(f"127.0.0.1:{running.port}")
        await second.close()


@BOTH_LOOPS
async def test_after_its_end_nobody_gets_in_and_nobody_is_left() -> None:
    async with RawUpstream(Echo()) as upstream, wire(upstream.port) as running:
        idle = await running.connect()
        idle.send(GET.replace(b"Connection: close\r\n", b""))
        await idle.message()
        await running.listener.close()
        closed = await idle.closed()
        with pytest.raises(ConnectionRefusedError):
            await running.connect()
        left = running.server.open_connections

    assert (True, 0) == (closed, left)


async def test_aiohttps_own_request_handling_is_never_used() -> None:
    async with RawUpstream(Echo()) as upstream, wire(upstream.port) as running:
        with pytest.raises(RuntimeError):
            await running.server.request_handler(None)  # type: ignore[arg-type]


async def test_who_is_turned_away_is_counted_and_told_of_once_in_a_while(
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = WireSettings(max_connections=1)
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, settings=settings) as running:
        await running.connect()
        await until(lambda: running.server.open_connections == 1)
        for pause in (0.0, 9.0, 2.0):
            running.clock.stepped += pause
            await (await running.connect()).rest()
        counted = running.server.turned_away

    assert 3 == counted
    assert [
        "as many connections are open as may be, which is 1; turned away so far: 1",
        "as many connections are open as may be, which is 1; turned away so far: 3",
    ] == [record.getMessage() for record in caplog.records if record.name == "seawall"]


def test_another_revision_is_not_kept_from_dying_by_connections_that_idle() -> None:
    with bare() as here:
        client, busy = here.client(), here.client()
        for each in (client, busy):
            each.send(get(b"Host: a"))
        here.settle()
        here.upstreams[0].send(OK)
        before = weakref.ref(here.server.serving.table)
        here.server.serve(replace(here.server.serving, table=RoutingTable([]), caps=HeadCaps()))
        kept_by_the_busy_one = before() is not None
        here.upstreams[1].send(OK)
        here.settle()
        client.take()
        client.send(get(b"Host: a"))
        busy.take()
        busy.send(get(b"Host: a"))
        here.settle()

        assert kept_by_the_busy_one
        assert (b"404", b"404") == (client.take()[9:12], busy.take()[9:12])
        assert before() is None
