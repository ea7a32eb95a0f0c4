"""A body on its way: held, collected within bounds, and told apart from one that broke off."""

from __future__ import annotations

import asyncio

import pytest

from proxy.errors import Rejection, UpstreamError
from proxy.wire.bodies import Body
from proxy.wire.buffers import Buffers
from proxy.wire.framing import ChunkedDecoder, FramingError, LengthDecoder


def body_of(length: int, buffers: Buffers | None = None) -> Body:
    return Body(LengthDecoder(length), buffers or Buffers(1000))


async def settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


def test_what_waits_is_taken_in_order_and_once() -> None:
    body = body_of(6)
    body.feed(b"abc")
    rest = body.feed(b"defNEXT")

    assert (b"NEXT", True, 6, 6) == (rest, body.done, body.size, body.total)
    assert (b"abcdef", b"", 0) == (body.take(), body.take(), body.size)


def test_one_piece_is_passed_on_without_a_copy() -> None:
    body = body_of(6)
    piece = b"abcdef"
    body.feed(piece)

    assert body.take() is piece


def test_broken_framing_is_the_callers_to_answer() -> None:
    body = Body(ChunkedDecoder(), Buffers(1000))

    with pytest.raises(FramingError):
        body.feed(b"xyz\r\n")


async def test_a_body_that_is_all_here_is_collected_at_once() -> None:
    body = body_of(3)
    body.feed(b"abc")

    assert b"abc" == await body.collect(3)


async def test_a_body_that_is_still_arriving_is_asked_for_and_waited_for() -> None:
    asked: list[str] = []
    body = Body(LengthDecoder(6), Buffers(1000), lambda: asked.append("wanted"))
    body.feed(b"abc")
    collecting = asyncio.create_task(body.collect(6))
    await settle()
    waited = (asked, body.collecting, collecting.done())
    body.feed(b"def")

    assert b"abcdef" == await collecting
    assert (["wanted"], True, False) == waited
    assert not body.collecting


async def test_a_declared_length_over_the_limit_is_not_even_asked_for() -> None:
    asked: list[str] = []
    body = Body(LengthDecoder(7), Buffers(1000), lambda: asked.append("wanted"))

    assert await body.collect(6) is None
    assert [] == asked


async def test_a_body_that_grows_over_the_limit_can_still_be_passed_on() -> None:
    buffers = Buffers(1000)
    body = Body(ChunkedDecoder(), buffers)
    collecting = asyncio.create_task(body.collect(6))
    await settle()
    for piece in (b"4\r\nabcd\r\n", b"4\r\nefgh\r\n"):
        body.feed(piece)

    assert await collecting is None
    body.feed(b"2\r\nij\r\n0\r\n\r\n")
    assert (b"abcdefghij", True, 0) == (body.take(), body.done, buffers.held)


async def test_what_has_arrived_over_the_limit_is_none() -> None:
    body = Body(ChunkedDecoder(), Buffers(1000))
    body.feed(b"7\r\nabcdefg\r\n")

    assert (None, b"abcdefg") == (await body.collect(6), body.take())


async def test_what_is_collected_counts_among_all_buffered_bodies_until_it_is_released() -> None:
    buffers = Buffers(1000)
    body = body_of(6, buffers)
    body.feed(b"abc")
    collecting = asyncio.create_task(body.collect(6))
    await settle()
    before = buffers.held
    body.feed(b"def")
    await collecting
    collected = buffers.held
    body.release()
    body.release()

    assert (3, 6, 0) == (before, collected, buffers.held)


@pytest.mark.parametrize("here_already", [b"", b"abcdef"], ids=["while it arrives", "when it is all here"])
async def test_over_the_bound_of_all_bodies_collecting_is_refused(here_already: bytes) -> None:
    body = body_of(6, Buffers(5))
    body.feed(here_already)
    collecting = asyncio.create_task(body.collect(6))
    await settle()
    if not here_already:
        body.feed(b"abcdef")

    with pytest.raises(Rejection, match=r"buffers\.full"):
        await collecting


async def test_a_body_that_breaks_off_fails_whoever_collects_it() -> None:
    body = body_of(6)
    collecting = asyncio.create_task(body.collect(6))
    await settle()
    body.fail(UpstreamError(502, "upstream.reset"))

    with pytest.raises(UpstreamError):
        await collecting


async def test_a_body_that_broke_off_fails_whoever_collects_it_later() -> None:
    body = body_of(6)
    body.fail(UpstreamError(502, "upstream.reset"))

    with pytest.raises(UpstreamError):
        await body.collect(6)


async def test_nobody_is_disturbed_who_stopped_collecting() -> None:
    buffers = Buffers(1000)
    body = body_of(6, buffers)
    collecting = asyncio.create_task(body.collect(6))
    await settle()
    collecting.cancel()
    await asyncio.gather(collecting, return_exceptions=True)
    body.feed(b"abcdef")

    assert (b"abcdef", True, False, 0) == (body.take(), body.done, body.collecting, buffers.held)


def kept(limit: int, *pieces: bytes, buffers: Buffers | None = None) -> tuple[Body, Buffers]:
    """A body of eight bytes that keeps what is taken, each piece as it comes."""
    buffers = buffers or Buffers(100)
    body = Body(LengthDecoder(8), buffers)
    body.keep(limit)
    for piece in pieces:
        body.feed(piece)
        body.take()
    return body, buffers


def test_what_was_taken_can_be_taken_again() -> None:
    body, buffers = kept(8, b"abc", b"de")
    held, whole = buffers.held, body.whole
    body.feed(b"fgh")
    body.rewind()

    assert (5, True, b"abcdefgh", 8) == (held, whole, body.take(), buffers.held)
    body.release()
    assert 0 == buffers.held


def test_over_the_limit_nothing_is_kept_and_it_goes_on() -> None:
    body, buffers = kept(7, b"abc", b"de")
    body.feed(b"fgh")

    assert (False, 0, b"fgh") == (body.whole, buffers.held, body.take())


def test_a_body_that_does_not_say_its_length_is_let_go_once_it_is_over_the_limit() -> None:
    buffers = Buffers(100)
    body = Body(ChunkedDecoder(), buffers)
    body.keep(4)
    body.feed(b"3\r\nabc\r\n")
    body.take()
    before = body.whole, buffers.held
    body.feed(b"2\r\nde\r\n")
    body.take()

    assert ((True, 3), (False, 0)) == (before, (body.whole, buffers.held))


def test_where_too_many_bodies_are_held_nothing_is_kept() -> None:
    body, buffers = kept(8, b"abc", b"de", buffers=Buffers(4))

    assert (False, 0) == (body.whole, buffers.held)


async def test_a_body_that_was_collected_need_not_be_kept() -> None:
    buffers = Buffers(100)
    body = Body(LengthDecoder(3), buffers)
    body.keep(8)
    body.feed(b"abc")

    assert (b"abc", 3) == (await body.collect(10), buffers.held)
