"""Certificates are fetched once, and not for everybody who asks."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from proxy.errors import FetchError
from proxy.policies.identity.webhook_signature.certificates import (
    MOST_A_MINUTE,
    MOST_AT_ONCE,
    Certificates,
    OutOfReach,
    Trust,
)
from proxy.policies.identity.webhook_signature.chain import Distrusted
from proxy.testing import FakeClock, FakeFetch
from tests.policies.identity.authority import Authority, pem

NAME = "sns.amazonaws.com"
URL = "https://sns.example/a.pem"
ISSUER = "http://crt.example/between.cer"
ROOT = Authority()
BETWEEN = Authority("between", ROOT)


class Asked:
    """Certificates, and who is asked for them."""

    def __init__(self, documents: dict[str, Any] | None = None) -> None:
        self.clock = FakeClock()
        self.fetch = FakeFetch(documents or {URL: pem(ROOT.issue(NAME))})
        trust = Trust(ROOT.pem, lambda _: [NAME], re.compile(r"http://crt\.example/[a-z]+\.cer"))
        self.certificates = Certificates(trust, self.fetch, self.clock)

    async def key(self, url: str = URL) -> str:
        """`ok`, or what is raised."""
        try:
            await self.certificates.key(url)
        except Distrusted:
            return "Distrusted"
        except OutOfReach:
            return "OutOfReach"
        return "ok"

    @property
    def times(self) -> int:
        return len(self.fetch.asked)


async def test_a_certificate_is_fetched_once() -> None:
    asked = Asked()

    assert (["ok"] * 5, 1) == ([await asked.key() for _ in range(5)], asked.times)


async def test_it_is_kept_until_it_ends() -> None:
    asked = Asked()
    await asked.key()
    await asked.clock.advance(90 * 86400 - 1)
    before = await asked.key(), asked.times
    await asked.clock.advance(2)

    assert (("ok", 1), ("Distrusted", 2)) == (before, (await asked.key(), asked.times))


async def test_those_who_ask_at_once_have_it_fetched_once_and_one_who_leaves_takes_it_from_nobody() -> None:
    asked, held = Asked(), asyncio.Event()

    async def slow() -> bytes:
        await held.wait()
        return pem(ROOT.issue(NAME))

    asked.fetch.documents[URL] = slow
    waiting = [asyncio.create_task(asked.key()) for _ in range(4)]
    await asked.clock.advance(0)
    waiting[0].cancel()
    await asked.clock.advance(0)
    held.set()

    assert (["ok"] * 3, 1) == (await asyncio.gather(*waiting[1:]), asked.times)


@pytest.mark.parametrize(
    ("found", "expected", "pause"),
    [
        pytest.param(FetchError("no answer"), "OutOfReach", 5, id="nobody answers"),
        pytest.param(FetchError("500", 500), "OutOfReach", 5, id="a server in trouble"),
        pytest.param(FetchError("429", 429), "OutOfReach", 5, id="too many requests"),
        pytest.param(FetchError("404", 404), "Distrusted", 300, id="not there"),
        pytest.param(b"<html>", "Distrusted", 300, id="no certificate"),
        pytest.param(pem(Authority().issue(NAME)), "Distrusted", 300, id="a stranger's"),
    ],
)
async def test_a_url_that_led_nowhere_is_not_asked_again_for_a_while(
    found: Any, expected: str, pause: float
) -> None:
    asked = Asked({URL: found})
    first = await asked.key()
    await asked.clock.advance(pause - 1)
    second = await asked.key(), asked.times
    await asked.clock.advance(1)
    asked.fetch.documents[URL] = pem(ROOT.issue(NAME))

    assert (expected, (expected, 1)) == (first, second)
    assert ("ok", 2) == (await asked.key(), asked.times)


async def test_forged_urls_have_few_fetches_made_and_known_keys_go_on() -> None:
    asked = Asked()
    await asked.key()
    answers = [await asked.key(f"https://sns.example/{number}.pem") for number in range(500)]

    assert MOST_A_MINUTE == asked.times
    assert (MOST_A_MINUTE - 1, 500 - MOST_A_MINUTE + 1) == (
        answers.count("Distrusted"),
        answers.count("OutOfReach"),
    )
    assert "ok" == await asked.key()
    await asked.clock.advance(60)
    assert "Distrusted" == await asked.key("https://sns.example/500.pem")


async def test_few_are_fetched_at_once() -> None:
    held, asked = asyncio.Event(), Asked()

    async def slow() -> bytes:
        await held.wait()
        return pem(ROOT.issue(NAME))

    urls = [f"https://sns.example/{number}.pem" for number in range(MOST_AT_ONCE + 1)]
    asked.fetch.documents = dict.fromkeys(urls, slow)
    waiting = [asyncio.create_task(asked.key(url)) for url in urls[:-1]]
    await asked.clock.advance(0)
    last = await asked.key(urls[-1])
    held.set()

    assert (["ok"] * MOST_AT_ONCE, "OutOfReach") == (await asyncio.gather(*waiting), last)


async def test_more_than_are_kept_are_fetched_again() -> None:
    urls = [f"https://sns.example/{number}.pem" for number in range(70)]
    asked = Asked(dict.fromkeys(urls, pem(ROOT.issue(NAME))))
    for url in urls:
        await asked.clock.advance(10)
        await asked.key(url)
    await asked.clock.advance(60)
    before = asked.times
    answers = [await asked.key(url) for url in (urls[-1], urls[0])]

    assert (["ok", "ok"], 1) == (answers, asked.times - before)


@pytest.mark.parametrize(
    ("issuer", "document", "expected"),
    [
        pytest.param(ISSUER, BETWEEN.pem, "ok", id="where it may be fetched from"),
        pytest.param("http://evil.example/between.cer", BETWEEN.pem, "Distrusted", id="elsewhere"),
        pytest.param("", BETWEEN.pem, "Distrusted", id="nowhere"),
        pytest.param(ISSUER, Authority("between").pem, "Distrusted", id="another of that name"),
        pytest.param(ISSUER, b"<html>", "Distrusted", id="no certificate"),
        pytest.param(ISSUER, FetchError("no answer"), "OutOfReach", id="out of reach"),
    ],
)
async def test_an_authority_that_the_sender_leaves_out_is_fetched(
    issuer: str, document: Any, expected: str
) -> None:
    asked = Asked({URL: pem(BETWEEN.issue(NAME, issuer_url=issuer)), issuer or "x": document})

    assert expected == await asked.key()


async def test_for_a_certificate_of_somebody_else_no_authority_is_looked_for() -> None:
    asked = Asked({URL: pem(BETWEEN.issue("evil.example", issuer_url=ISSUER)), ISSUER: BETWEEN.pem})

    assert ("Distrusted", 1) == (await asked.key(), asked.times)


async def test_authorities_that_lead_to_each_other_are_not_followed_for_ever() -> None:
    circle = Authority("circle", Authority("other"), issuer_url=ISSUER)
    asked = Asked({URL: pem(circle.issue(NAME, issuer_url=ISSUER)), ISSUER: circle.pem})

    assert ("Distrusted", 3) == (await asked.key(), asked.times)
