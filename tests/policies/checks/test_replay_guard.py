"""Messages that are sent again."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.config.keys import Key
from proxy.config.secrets import Secret
from proxy.config.units import Duration, HeaderName
from proxy.errors import UpstreamError
from proxy.exchange import Exchange, Response
from proxy.policies.checks.replay_guard import ReplayGuard, ReplayGuardConfig
from proxy.policies.identity.webhook_signature import WebhookSignature, WebhookSignatureConfig
from proxy.policy import Hooks
from proxy.shadow import in_shadow
from proxy.testing import Chunks, FakeClock, FakeUpstream, exchange, fake_services, route
from tests.policies.away import Remote
from tests.policies.reading import fields, problems, refusal

PASSED = (200, None)
ACKNOWLEDGED = (200, "replay_guard.acknowledged")
DUPLICATE = (409, "replay_guard.duplicate")
PENDING = (409, "replay_guard.pending")
KEY_MISSING = (400, "replay_guard.key_missing")

DIGEST = (Key("body.sha256"),)


def a_config(key: Sequence[Key] = DIGEST, **settings: Any) -> ReplayGuardConfig:
    return ReplayGuardConfig(key=tuple(key), **settings)


def post(body: bytes | Chunks = b"a", **headers: str) -> Exchange:
    return exchange(
        "POST", body=body, headers={name.replace("_", "-"): text for name, text in headers.items()}
    )


async def answers(policy: ReplayGuard, *asked: Exchange, upstream: FakeUpstream | None = None) -> list[Any]:
    """One after the other."""
    pipeline = route(policy, upstream=upstream)
    return [refusal(await pipeline.respond(each)) for each in asked]


@pytest.mark.parametrize(("on_duplicate", "expected"), [("ack", ACKNOWLEDGED), ("refuse", DUPLICATE)])
async def test_the_same_message_reaches_the_upstream_once(
    on_duplicate: str, expected: tuple[int, str]
) -> None:
    upstream = FakeUpstream(200)
    policy = ReplayGuard(a_config(on_duplicate=on_duplicate), fake_services())

    found = await answers(policy, post(), post(), post(b"b"), post(), upstream=upstream)

    assert ([PASSED, expected, PASSED, expected], [b"a", b"b"]) == (
        found,
        [request.content for request in upstream.seen],
    )


@pytest.mark.parametrize(
    "failure",
    [500, 503, 429, 400, 302, UpstreamError(502, "upstream.unreachable"), ValueError("a bug")],
    ids=str,
)
async def test_after_anything_but_a_2xx_the_next_try_gets_through(failure: object) -> None:
    upstream = FakeUpstream(failure, 204)
    policy = ReplayGuard(a_config(), fake_services())

    found = [(await route(policy, upstream=upstream).respond(post())).status for _ in range(3)]

    assert ([204, 200], 2) == (found[1:], len(upstream.seen))


async def test_what_is_under_way_is_neither_done_again_nor_acknowledged() -> None:
    clock, started = FakeClock(), asyncio.Event()

    async def slow(_: Exchange) -> Response:
        started.set()
        await clock.sleep(10)
        return Response(200)

    pipeline = route(ReplayGuard(a_config(), fake_services(clock)), upstream=FakeUpstream(slow))
    first = asyncio.create_task(pipeline.respond(post()))
    await started.wait()
    meanwhile = await pipeline.respond(post())
    await clock.advance(10)

    assert (PENDING, ["5"]) == (refusal(meanwhile), fields(meanwhile)["retry-after"])
    assert [PASSED, ACKNOWLEDGED] == [refusal(await first), refusal(await pipeline.respond(post()))]


async def test_a_client_that_leaves_can_come_back_with_it() -> None:
    started = asyncio.Event()

    async def never(_: Exchange) -> Response:
        started.set()
        await asyncio.Event().wait()
        raise AssertionError

    pipeline = route(ReplayGuard(a_config(), fake_services()), upstream=FakeUpstream(never, 200))
    left = asyncio.create_task(pipeline.respond(post()))
    await started.wait()
    left.cancel()
    await asyncio.wait([left])

    assert PASSED == refusal(await pipeline.respond(post()))


@pytest.mark.parametrize(("after", "expected"), [(59.9, ACKNOWLEDGED), (60, PASSED)])
async def test_a_message_is_remembered_for_its_time(after: float, expected: tuple[int, str | None]) -> None:
    clock = FakeClock()
    policy = ReplayGuard(a_config(ttl=Duration(60)), fake_services(clock))

    await answers(policy, post())
    await clock.advance(after)

    assert [expected] == await answers(policy, post())


async def test_who_is_under_way_for_too_long_does_not_end_the_claim_of_the_next() -> None:
    clock = FakeClock()

    async def takes(seconds: float) -> Response:
        await clock.sleep(seconds)
        return Response(500 if seconds > 100 else 200)

    script = [lambda _: takes(150), lambda _: takes(90)]
    pipeline = route(
        ReplayGuard(a_config(pending_for=Duration(100)), fake_services(clock)), upstream=FakeUpstream(*script)
    )
    first = asyncio.create_task(pipeline.respond(post()))
    await clock.advance(100)
    second = asyncio.create_task(pipeline.respond(post()))
    await clock.advance(50)
    late = await first
    third = refusal(await pipeline.respond(post()))
    await clock.advance(50)

    assert (500, PENDING, PASSED) == (late.status, third, refusal(await second))


@pytest.mark.parametrize(
    ("key", "one", "other", "same"),
    [
        pytest.param(
            ["body:/id"], post(b'{"id":1,"n":1}'), post(b'{"id":1,"n":2}'), True, id="an id in the body"
        ),
        pytest.param(["body:/id"], post(b'{"id":1}'), post(b'{"id":2}'), False, id="another id"),
        pytest.param(
            ["header:webhook-id"], post(webhook_id="1"), post(b"b", webhook_id="1"), True, id="a header"
        ),
        pytest.param(["header:webhook-id"], post(webhook_id="1"), post(webhook_id="2"), False, id="another"),
        pytest.param(
            ["header:webhook-id", "body.sha256"],
            post(webhook_id="1"),
            post(b"b", webhook_id="1"),
            False,
            id="both",
        ),
        pytest.param(
            ["header:webhook-id"],
            post(webhook_id="x" * 5000),
            post(webhook_id="x" * 5000),
            True,
            id="a long one",
        ),
    ],
)
async def test_what_makes_messages_the_same_is_up_to_the_key(
    key: list[str], one: Exchange, other: Exchange, same: bool
) -> None:
    policy = ReplayGuard(a_config([Key(each) for each in key]), fake_services())

    assert [PASSED, ACKNOWLEDGED if same else PASSED] == await answers(policy, one, other)


@pytest.mark.parametrize(
    ("key", "body"),
    [("header:webhook-id", b"a"), ("body:/id", b"{}"), ("body:/id", b"x"), ("signature", b"a")],
)
async def test_a_message_without_what_tells_it_from_others_is_refused(key: str, body: bytes) -> None:
    upstream = FakeUpstream(200)
    policy = ReplayGuard(a_config([Key(key)]), fake_services())

    assert ([KEY_MISSING], []) == (await answers(policy, post(body), upstream=upstream), upstream.seen)


async def test_the_same_signature_in_another_header_is_the_same_message() -> None:
    right, wrong = hmac.new(b"secret", b"a", "sha256").hexdigest(), "0" * 64
    signed = WebhookSignature(
        WebhookSignatureConfig(
            scheme="hmac", header=HeaderName("X-Sig"), separator=",", secrets=(Secret("secret"),)
        ),
        fake_services(),
    )
    pipeline = route(signed, ReplayGuard(a_config([Key("signature")]), fake_services()))

    found = [
        refusal(await pipeline.respond(post(X_Sig=header)))
        for header in (right, f"{wrong},{right}", f"{right},{right}")
    ]

    assert [PASSED, ACKNOWLEDGED, ACKNOWLEDGED] == found


async def test_a_body_that_came_in_pieces_goes_on_whole() -> None:
    upstream = FakeUpstream(200)
    policy = ReplayGuard(a_config(), fake_services())

    found = await answers(policy, post(Chunks(b"a", b"b")), post(b"ab"), upstream=upstream)

    assert ([PASSED, ACKNOWLEDGED], [b"ab"]) == (found, [request.content for request in upstream.seen])


async def test_a_decision_shows_what_was_compared_but_not_what_it_is() -> None:
    policy = ReplayGuard(a_config([Key("header:webhook-id")]), fake_services(name="replay_guard/hooks"))
    again = post(webhook_id="a-secret")

    await answers(policy, post(webhook_id="a-secret"), again)

    assert again.refusal is not None
    assert "replay_guard/hooks" == again.refusal.policy
    assert str(again.refusal.facts["key"]).startswith("header:webhook-id sha256:")
    assert "1d" == again.refusal.facts["ttl"]
    assert "a-secret" not in str(again.refusal.facts)


async def test_in_shadow_duplicates_pass_and_are_reported() -> None:
    upstream, again = FakeUpstream(200), post()
    pipeline = route(
        in_shadow("replay_guard", Hooks.of(ReplayGuard(a_config(), fake_services()))), upstream=upstream
    )

    await pipeline.respond(post())
    await pipeline.respond(again)

    assert (2, ["replay_guard.acknowledged"]) == (
        len(upstream.seen),
        [each.reason for each in again.shadowed or []],
    )


async def test_in_shadow_no_body_is_read() -> None:
    body = Chunks(b"a")
    asked = post(body)

    await route(in_shadow("replay_guard", Hooks.of(ReplayGuard(a_config(), fake_services())))).respond(asked)

    assert (body, ["replay_guard.skipped"]) == (
        asked.request.content,
        [each.reason for each in asked.shadowed or []],
    )


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        pytest.param("{key: [body.sha256]}", [], id="the body"),
        pytest.param(
            "{key: [route.name, signature, auth.id], ttl: 7d}", [], id="the signature, and whose it is"
        ),
        pytest.param("{key: [client.ip, signature]}", ["replay_guard.key[0]"], id="an address"),
        pytest.param("{key: ['query:id']}", ["replay_guard.key[0]"], id="a parameter"),
        pytest.param("{key: [constant]}", ["replay_guard.key[0]"], id="nothing at all"),
        pytest.param("{key: [route.name]}", ["replay_guard.key"], id="all messages of a route"),
        pytest.param("{key: [signature, signature]}", ["replay_guard.key[1]"], id="twice the same"),
        pytest.param("{}", ["replay_guard"], id="no key"),
        pytest.param("{key: [signature], ttl: 0s}", ["replay_guard.ttl"], id="no time"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_load(policy: str, expected: list[str], tmp_path: Path) -> None:
    assert expected == problems(f"replay_guard: {policy}", tmp_path)


def test_it_is_told_in_words() -> None:
    assert ("at most one answered with 2xx in 1d, for each body",) == a_config().in_words()


async def test_without_the_store_it_may_go_on_in_memory() -> None:
    clock = FakeClock()
    services = replace(fake_services(clock), store=Remote(clock, away=True))

    found = await answers(ReplayGuard(a_config(when_store_fails="local"), services), post(), post())

    assert [PASSED, ACKNOWLEDGED] == found
