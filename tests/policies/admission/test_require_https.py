"""What is done with requests that came over plain http."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.cli import main
from proxy.exchange import Exchange
from proxy.policies.admission.require_https import RequireHttps, RequireHttpsConfig
from proxy.policy import Hooks
from proxy.shadow import in_shadow
from proxy.testing import FakeUpstream, exchange, fake_services, route
from tests.policies.reading import fields, problems, refusal

PASSED = (200, None)
REDIRECTED = (308, "require_https.redirected")
REFUSED = (403, "require_https.refused")


def a_policy(action: str = "redirect", port: int = 443) -> RequireHttps:
    return RequireHttps(RequireHttpsConfig(action=action, port=port), fake_services())  # type: ignore[arg-type]


async def location(asked: Exchange, port: int = 443) -> list[str]:
    return fields(await route(a_policy(port=port)).respond(asked)).get("location", [])


@pytest.mark.parametrize("action", ["redirect", "refuse"])
async def test_what_came_by_https_passes(action: str) -> None:
    assert PASSED == refusal(await route(a_policy(action)).respond(exchange(secure=True)))


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("GET", REDIRECTED),
        ("HEAD", REDIRECTED),
        ("POST", REFUSED),
        ("OPTIONS", REFUSED),
        ("DELETE", REFUSED),
    ],
)
async def test_who_only_looks_is_redirected_and_who_sends_is_refused(
    method: str, expected: tuple[int, str]
) -> None:
    upstream = FakeUpstream(200)

    answer = refusal(await route(a_policy(), upstream=upstream).respond(exchange(method)))

    assert (expected, []) == (answer, upstream.seen)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_api_may_refuse_all_of_them(method: str) -> None:
    assert REFUSED == refusal(await route(a_policy("refuse")).respond(exchange(method)))


@pytest.mark.parametrize(
    ("asked", "port", "expected"),
    [
        pytest.param(exchange(path="/a"), 443, "https://example.com/a", id="a path"),
        pytest.param(
            exchange(path="/a%2Fb", query="x=%20&y"), 443, "https://example.com/a%2Fb?x=%20&y", id="escapes"
        ),
        pytest.param(
            exchange(path="//evil.example"), 443, "https://example.com//evil.example", id="two slashes"
        ),
        pytest.param(exchange(path="/a"), 8443, "https://example.com:8443/a", id="another port"),
        pytest.param(exchange(path="/a", host="[::1]"), 8443, "https://[::1]:8443/a", id="IPv6"),
        pytest.param(exchange(path="/caf\udcc3\udca9"), 443, "https://example.com/caf%C3%A9", id="bytes"),
    ],
)
async def test_the_location_is_the_same_url_with_https(asked: Exchange, port: int, expected: str) -> None:
    assert [expected] == await location(asked, port)


@pytest.mark.parametrize(
    "host", ["", "user@example.com", "exa mple", "evil.example%2f", "a;b", "[::1", "a:80"]
)
async def test_without_a_host_that_is_a_name_or_an_address_nobody_is_sent_anywhere(host: str) -> None:
    assert REFUSED == refusal(await route(a_policy()).respond(exchange(host=host)))


@pytest.mark.parametrize("target", ["http://example.com/", "*", ""])
async def test_a_target_that_is_no_path_is_not_redirected(target: str) -> None:
    asked = exchange()
    asked.request.target = target

    assert REFUSED == refusal(await route(a_policy()).respond(asked))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=20))
async def test_whatever_the_path_the_redirect_stays_on_the_host(path: bytes) -> None:
    asked = exchange(path="/" + path.decode("utf-8", "surrogateescape"))

    (found,) = await location(asked)

    assert found.startswith("https://example.com/")
    assert found.isascii()
    assert found.isprintable()
    assert " " not in found


async def test_no_cache_may_keep_the_redirect() -> None:
    assert ["no-store"] == fields(await route(a_policy()).respond(exchange()))["cache-control"]


async def test_a_decision_tells_whether_the_proxy_in_front_is_believed() -> None:
    asked = exchange(peer_ip="10.0.0.1")

    await route(a_policy()).respond(asked)

    assert asked.refusal is not None
    assert {"peer_ip": "10.0.0.1", "peer_trusted": False} == asked.refusal.facts


async def test_in_shadow_plain_http_passes_and_is_reported() -> None:
    asked = exchange()

    answer = await route(in_shadow("require_https", Hooks.of(a_policy()))).respond(asked)

    assert (200, ["require_https.redirected"]) == (
        answer.status,
        [each.reason for each in asked.shadowed or []],
    )


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        pytest.param("redirect", [], id="a bare word"),
        pytest.param("{action: redirect, port: 8443}", [], id="a port"),
        pytest.param("{action: refuse, port: 8443}", ["require_https.port"], id="a port for nobody"),
        pytest.param("{port: 0}", ["require_https.port"], id="no port"),
        pytest.param("allow", ["require_https"], id="no such word"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_load(policy: str, expected: list[str], tmp_path: Path) -> None:
    assert expected == problems(f"require_https: {policy}", tmp_path)


def test_in_the_production_proxy_enforced_and_in_shadow(tmp_path: Path) -> None:
    (tmp_path / "trial.yaml").write_text(TRIAL, encoding="utf-8")

    played = CliRunner().invoke(main, ["test", str(tmp_path)])

    assert (0, True) == (played.exit_code, "1 passed, 0 failed" in played.output), played.output


TRIAL = dedent("""\
    version: 1
    upstreams: {app: {url: "http://127.0.0.1:3000"}}
    clients: {trusted_proxies: [10.0.0.1]}
    routes:
      - {name: site, match: {path: "/**"}, policies: {require_https: redirect}}
      - {name: api, match: {path: "/api/**"}, policies: {require_https: refuse}}
      - {name: shadow, match: {path: "/shadow/**"}, policies: {require_https: {mode: shadow}}}
    tests:
      - name: plain http is redirected or refused
        steps:
          - request: {path: "/a?b=c", headers: {Host: "example.com:80"}}
            expect:
              status: 308
              reason: require_https.redirected
              headers: {Location: "https://example.com/a?b=c"}
              upstream_calls: 0
          - {request: {path: /a, https: true}, expect: {status: 200}}
          - request: {path: /a, client_ip: 10.0.0.1, headers: {X-Forwarded-Proto: https}}
            expect: {status: 200}
          - {request: {path: /a, headers: {X-Forwarded-Proto: https}}, expect: {status: 308}}
          - {request: {path: /api/a}, expect: {status: 403, reason: require_https.refused}}
          - {request: {path: /shadow/a}, expect: {status: 200, shadow: require_https.redirected}}
    """)


def test_it_says_in_words_what_becomes_of_http() -> None:
    refused, sent = RequireHttpsConfig(action="refuse"), RequireHttpsConfig()

    assert ("http is refused",) == refused.in_words()
    assert ("GET and HEAD by http are sent to https", "all else by http is refused") == sent.in_words()
