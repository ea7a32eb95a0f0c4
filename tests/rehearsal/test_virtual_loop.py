"""Time that passes at once, and a world without sockets."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from proxy.rehearsal.transport import connected
from proxy.rehearsal.virtual_loop import Stuck, VirtualClock, VirtualLoop


class NoNetwork:
    """Remembers what is asked for, and connects to a protocol that does nothing."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, object]] = []

    async def connect(self, protocol: asyncio.Protocol, to: str, tls: object) -> asyncio.Transport:
        self.asked.append((to, tls))
        return connected(asyncio.get_running_loop(), protocol, asyncio.Protocol(), {}, {})[0]


@pytest.fixture
def network() -> NoNetwork:
    return NoNetwork()


@pytest.fixture
def loop(network: NoNetwork) -> Iterator[VirtualLoop]:
    loop = VirtualLoop(network)
    yield loop
    loop.close()


def test_an_hour_takes_no_time(loop: VirtualLoop) -> None:
    started = time.monotonic()
    loop.run_until_complete(asyncio.sleep(3600))

    assert (3600.0, True) == (loop.time(), time.monotonic() - started < 60)


def test_timers_fire_in_order_at_exactly_their_times(loop: VirtualLoop) -> None:
    fired: list[tuple[str, float]] = []
    for name, delay in (("late", 0.3), ("early", 0.1), ("between", 0.2)):
        loop.call_later(delay, lambda name=name: fired.append((name, loop.time())))
    loop.run_until_complete(asyncio.sleep(1))

    assert [("early", 0.1), ("between", 0.2), ("late", 0.3)] == fired


def test_what_is_awaited_for_ever_is_an_error(loop: VirtualLoop) -> None:
    with pytest.raises(Stuck, match="nothing is under way"):
        loop.run_until_complete(loop.create_future())


def test_a_callback_that_calls_itself_for_ever_is_an_error(loop: VirtualLoop) -> None:
    def again() -> None:
        loop.call_soon(again)

    again()
    with pytest.raises(Stuck, match="round and round"):
        loop.run_until_complete(asyncio.sleep(1))


def test_settling_waits_for_what_is_ready_and_for_no_timer(loop: VirtualLoop) -> None:
    done: list[str] = []
    loop.call_later(1, done.append, "a timer")
    loop.call_soon(lambda: loop.call_soon(lambda: loop.call_soon(done.append, "the third turn")))
    loop.run_until_complete(loop.settle())

    assert (["the third turn"], 0.0) == (done, loop.time())


def test_the_time_limits_of_asyncio_hold(loop: VirtualLoop) -> None:
    async def late() -> float:
        try:
            async with asyncio.timeout(5):
                await asyncio.Event().wait()
        except TimeoutError:
            return loop.time()
        return 0.0

    assert 5.0 == loop.run_until_complete(late())


def test_what_belongs_into_a_thread_is_done_at_once(loop: VirtualLoop) -> None:
    def fail() -> None:
        raise ValueError("no")

    assert 3 == loop.run_until_complete(_in_thread(len, "abc"))
    with pytest.raises(ValueError, match="no"):
        loop.run_until_complete(_in_thread(fail))
    assert 0.0 == loop.time()


async def _in_thread(function: Any, *args: Any) -> Any:
    return await asyncio.to_thread(function, *args)


def test_connections_lead_to_the_network_that_is_given(loop: VirtualLoop, network: NoNetwork) -> None:
    loop.run_until_complete(
        loop.create_connection(asyncio.Protocol, "app", 80, ssl="tls", server_hostname="b")
    )
    loop.run_until_complete(loop.create_unix_connection(asyncio.Protocol, "/run/app.sock"))

    assert [("app:80", "tls"), ("/run/app.sock", None)] == network.asked


def test_no_name_is_looked_up(loop: VirtualLoop) -> None:
    with pytest.raises(socket.gaierror, match=r"no names are looked up in a rehearsal: example\.com"):
        loop.run_until_complete(loop.getaddrinfo("example.com", 80))


def test_the_clock_goes_with_the_loop(loop: VirtualLoop) -> None:
    clock = VirtualClock(loop, 1000.0)
    loop.run_until_complete(clock.sleep(2.5))

    assert (1002.5, 2.5) == (clock.now(), clock.monotonic())
