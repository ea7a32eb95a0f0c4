"""Policies to be tried in shadow, and what is reported of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from proxy.errors import Rejection
from proxy.exchange import Exchange, Forward, Outcome, Response
from proxy.pipeline import Pipeline
from proxy.policy import Hooks
from proxy.shadow import in_shadow
from proxy.testing import FakeUpstream, route

Decide = Callable[[Exchange], Response | None]
Own = Callable[[Exchange, Forward], Awaitable[Response]]

REFUSAL = Rejection(403, "trial.refused", "Not today.", facts={"limit": 3})


def refuse(_: Exchange) -> Response | None:
    raise REFUSAL


def break_down(_: Exchange) -> Response | None:
    raise ZeroDivisionError("a bug")


def answer(_: Exchange) -> Response | None:
    return Response(204)


def asking(decide: Decide, *, waits: bool = False) -> Hooks:
    """A policy that decides on the way in: a plain function, or a coroutine."""

    async def on_request(asked: Exchange) -> Response | None:
        await asyncio.sleep(0)
        return decide(asked)

    return Hooks(on_request=on_request if waits else decide)


def reading(decide: Callable[[bytes], Response | None]) -> Hooks:
    """A policy that decides by the body."""

    async def on_request(asked: Exchange) -> Response | None:
        return decide(await asked.body())

    return Hooks(on_request=on_request)


def shadowed(hooks: Hooks, upstream: FakeUpstream | None = None) -> Pipeline:
    """A route with `hooks` in shadow on it."""
    return route(in_shadow("trial", hooks), upstream=upstream)


def reports(asked: Exchange) -> list[tuple[int, str]]:
    return [(report.status, report.reason) for report in asked.shadowed or ()]


def ended(*, received: int = 0, at: float = 0.0, status: int = 200) -> Outcome:
    return Outcome(status=status, ended=at, bytes_received=received)


plain_or_waiting = pytest.mark.parametrize(
    "waits", [pytest.param(False, id="a plain function"), pytest.param(True, id="a coroutine")]
)
