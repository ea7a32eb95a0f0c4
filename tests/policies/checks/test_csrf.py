"""Which pages may make a browser do something."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.errors import Change
from proxy.exchange import Exchange
from proxy.headers import Headers
from proxy.policies.checks.csrf import Csrf, CsrfConfig
from proxy.policies.origins import PageOrigin
from proxy.policy import Hooks
from proxy.shadow import in_shadow
from proxy.testing import FakeUpstream, exchange, fake_services, route
from tests.policies.reading import problems, refusal

PASSED = (200, None)
CROSS = (403, "csrf.cross_origin")
MISSING = (403, "csrf.missing")
APP = "https://app.example"


def a_policy(*origins: str, on_missing: str = "allow") -> Csrf:
    config = CsrfConfig(origins=tuple(map(PageOrigin.parse, origins)), on_missing=on_missing)  # type: ignore[arg-type]
    return Csrf(config, fake_services(name="csrf/site"))


def sent(*fields: tuple[str, str], method: str = "POST", secure: bool = True) -> Exchange:
    asked = exchange(method, host="site.example", secure=secure)
    named = [] if any(name == "Host" for name, _ in fields) else [("Host", "site.example")]
    asked.request.headers = Headers([(name.encode(), value.encode()) for name, value in (*named, *fields)])
    return asked


async def verdict(asked: Exchange, policy: Csrf | None = None) -> tuple[int, str | None]:
    return refusal(await route(policy or a_policy(APP)).respond(asked))


CROSS_SITE = (("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site"))


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_a_safe_method_passes_from_anywhere(method: str) -> None:
    assert PASSED == await verdict(sent(*CROSS_SITE, method=method))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "QUERY", "PROPPATCH"])
async def test_any_other_method_is_refused_from_another_site(method: str) -> None:
    assert CROSS == await verdict(sent(*CROSS_SITE, method=method))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param([("Sec-Fetch-Site", "same-origin")], PASSED, id="the service's own page"),
        pytest.param([("Sec-Fetch-Site", "none")], PASSED, id="the user, without a page"),
        pytest.param([("Sec-Fetch-Site", "same-site")], CROSS, id="another host of the domain"),
        pytest.param([("Sec-Fetch-Site", "cross-site")], CROSS, id="another site"),
        pytest.param([("Sec-Fetch-Site", "")], CROSS, id="empty"),
        pytest.param([("Sec-Fetch-Site", "Same-Origin")], CROSS, id="in other letters"),
        pytest.param([("Sec-Fetch-Site", "same-origin")] * 2, CROSS, id="twice"),
        pytest.param(
            [("Origin", APP), ("Sec-Fetch-Site", "cross-site")], PASSED, id="another site that is listed"
        ),
        pytest.param(
            [("Origin", APP), ("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Site", "none")],
            CROSS,
            id="a listed one with two sites",
        ),
        pytest.param(
            [("Origin", "https://site.example"), ("Sec-Fetch-Site", "cross-site")],
            CROSS,
            id="our own name from another site",
        ),
        pytest.param(
            [("Origin", "https://inside.example"), ("Sec-Fetch-Site", "same-origin")],
            PASSED,
            id="the service by the name that the browser knows",
        ),
    ],
)
async def test_a_browser_says_how_the_page_is_related(
    fields: list[tuple[str, str]], expected: tuple[int, str | None]
) -> None:
    assert expected == await verdict(sent(*fields))


@pytest.mark.parametrize(
    ("origin", "host", "expected"),
    [
        pytest.param(APP, "site.example", PASSED, id="a listed one"),
        pytest.param("https://app.example.evil.example", "site.example", CROSS, id="one that begins like it"),
        pytest.param("https://evil-app.example", "site.example", CROSS, id="one that ends like it"),
        pytest.param("https://site.example", "site.example", PASSED, id="our own"),
        pytest.param(
            "https://site.example", "Site.Example:443", PASSED, id="our own with the port spelled out"
        ),
        pytest.param("https://site.example:8443", "site.example:8443", PASSED, id="our own on a port"),
        pytest.param("https://site.example", "site.example:8443", CROSS, id="another port"),
        pytest.param("http://site.example", "site.example", CROSS, id="our own without TLS"),
        pytest.param("null", "site.example", CROSS, id="a sandboxed frame"),
        pytest.param("", "site.example", CROSS, id="empty"),
        pytest.param("https://", "", CROSS, id="no host on either side"),
    ],
)
async def test_a_browser_that_knows_no_sec_fetch_site_is_judged_by_origin(
    origin: str, host: str, expected: tuple[int, str | None]
) -> None:
    asked = sent(("Origin", origin), ("Host", host))
    asked.request.host = host.partition(":")[0]

    assert expected == await verdict(asked)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_where_tls_ends_is_not_known_over_plain_http(scheme: str) -> None:
    assert PASSED == await verdict(sent(("Origin", f"{scheme}://site.example"), secure=False))


@pytest.mark.parametrize("site", [(), (("Sec-Fetch-Site", "same-origin"),)], ids=["alone", "with a site"])
async def test_two_origins_are_refused(site: tuple[tuple[str, str], ...]) -> None:
    assert CROSS == await verdict(sent(("Origin", APP), ("Origin", APP), *site))


@pytest.mark.parametrize(("on_missing", "expected"), [("allow", PASSED), ("refuse", MISSING)])
async def test_who_says_nothing_of_a_page_is_no_browser(
    on_missing: str, expected: tuple[int, str | None]
) -> None:
    assert expected == await verdict(sent(), a_policy(on_missing=on_missing))


@pytest.mark.parametrize(("origin", "expected"), [("https://evil.example", CROSS), (APP, PASSED)])
async def test_the_handshake_of_a_websocket_is_judged_too(
    origin: str, expected: tuple[int, str | None]
) -> None:
    asked = sent(
        ("Origin", origin), ("Sec-WebSocket-Key", "x"), ("Sec-Fetch-Site", "cross-site"), method="GET"
    )

    assert expected == await verdict(asked)


async def test_a_decision_tells_what_the_browser_said_and_whom_to_list() -> None:
    asked = sent(*CROSS_SITE)

    await verdict(asked)

    assert asked.refusal is not None
    assert (
        {"origin": "https://evil.example", "sec_fetch_site": "cross-site"},
        Change("origins", "https://evil.example", "add"),
        "csrf/site",
    ) == (asked.refusal.facts, asked.refusal.change, asked.refusal.policy)


@pytest.mark.parametrize("origin", ["null", "x y", "https://a/b"])
async def test_nobody_is_told_to_list_what_is_no_page(origin: str) -> None:
    asked = sent(("Origin", origin))

    await verdict(asked)

    assert asked.refusal is not None
    assert asked.refusal.change is None


async def test_in_shadow_other_pages_pass_and_are_reported() -> None:
    asked, upstream = sent(*CROSS_SITE), FakeUpstream(200)

    await route(in_shadow("csrf", Hooks.of(a_policy())), upstream=upstream).respond(asked)

    assert (1, ["csrf.cross_origin"]) == (len(upstream.seen), [each.reason for each in asked.shadowed or []])


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        pytest.param("{}", [], id="this service alone"),
        pytest.param("{origins: ['https://app.example', 'null']}", [], id="some pages"),
        pytest.param("{origins: ['*']}", ["csrf.origins[0]"], id="everybody"),
        pytest.param("{origins: [app.example]}", ["csrf.origins[0]"], id="no scheme"),
        pytest.param("{on_missing: warn}", ["csrf.on_missing"], id="no such word"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_load(policy: str, expected: list[str], tmp_path: Path) -> None:
    assert expected == problems(f"csrf: {policy}", tmp_path)


def test_it_says_in_words_whose_pages_may_change_something() -> None:
    own = CsrfConfig(on_missing="refuse")
    others = CsrfConfig(origins=(PageOrigin("https://app.example"),))

    told = ("only pages of this service may change something", "requests that name no page are refused")
    assert told == own.in_words()
    assert (
        "only pages of this service and of https://app.example may change something",
        "requests that name no page pass",
    ) == others.in_words()
