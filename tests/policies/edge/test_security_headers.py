"""What every response of a route carries, and what none does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pytest

from proxy.config.units import HeaderName, HeaderValue
from proxy.errors import Rejection, UpstreamError
from proxy.exchange import Exchange, Response
from proxy.headers import Headers
from proxy.policies.edge.security_headers import SecurityHeaders, SecurityHeadersConfig
from proxy.testing import FakeUpstream, exchange, fake_services, route
from tests.policies.reading import fields, problems

Preset = Literal["helmet", "owasp", "owasp-api", "none"]

HELMET: dict[str, str] = {
    "content-security-policy": (
        "default-src 'self';base-uri 'self';font-src 'self' https: data:;form-action 'self';"
        "frame-ancestors 'self';img-src 'self' data:;object-src 'none';script-src 'self';"
        "script-src-attr 'none';style-src 'self' https: 'unsafe-inline';upgrade-insecure-requests"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "origin-agent-cluster": "?1",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=31536000; includeSubDomains",
    "x-content-type-options": "nosniff",
    "x-dns-prefetch-control": "off",
    "x-download-options": "noopen",
    "x-frame-options": "SAMEORIGIN",
    "x-permitted-cross-domain-policies": "none",
    "x-xss-protection": "0",
}
OWASP: dict[str, str] = {
    "cache-control": "no-store, max-age=0",
    "content-security-policy": (
        "default-src 'self'; form-action 'self'; base-uri 'self'; object-src 'none'; "
        "frame-ancestors 'none'; upgrade-insecure-requests"
    ),
    "cross-origin-embedder-policy": "require-corp",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": (
        "accelerometer=(), autoplay=(), camera=(), cross-origin-isolated=(), display-capture=(), "
        "encrypted-media=(), fullscreen=(), geolocation=(), gyroscope=(), keyboard-map=(), magnetometer=(), "
        "microphone=(), midi=(), payment=(), picture-in-picture=(), publickey-credentials-get=(), "
        "screen-wake-lock=(), sync-xhr=(self), usb=(), web-share=(), xr-spatial-tracking=(), "
        "clipboard-read=(), clipboard-write=(), gamepad=(), hid=(), idle-detection=(), "
        "interest-cohort=(), serial=(), unload=()"
    ),
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=63072000; includeSubDomains",
    "x-content-type-options": "nosniff",
    "x-dns-prefetch-control": "off",
    "x-frame-options": "deny",
    "x-permitted-cross-domain-policies": "none",
}


def a_policy(
    preset: Preset = "none", set_: dict[str, str] | None = None, remove: Sequence[str] = ()
) -> SecurityHeaders:
    return SecurityHeaders(a_config(preset, set_, remove), fake_services())


def a_config(preset: Preset, set_: dict[str, str] | None, remove: Sequence[str]) -> SecurityHeadersConfig:
    ours = {HeaderName(name): HeaderValue(value) for name, value in (set_ or {}).items()}
    return SecurityHeadersConfig(preset=preset, set_=ours, remove=tuple(map(HeaderName, remove)))


def answering(headers: dict[str, str]) -> FakeUpstream:
    received = [(name.encode(), value.encode()) for name, value in headers.items()]
    return FakeUpstream(Response(200, Headers(received)))


async def after(policy: SecurityHeaders, headers: dict[str, str]) -> dict[str, list[str]]:
    return fields(await route(policy, upstream=answering(headers)).respond(exchange()))


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        pytest.param("helmet", HELMET, id="helmet"),
        pytest.param("owasp", OWASP, id="owasp"),
        pytest.param(
            "owasp-api",
            {**OWASP, "content-security-policy": "default-src 'none'; frame-ancestors 'none'"},
            id="owasp-api",
        ),
        pytest.param("none", {}, id="none"),
    ],
)
async def test_what_a_preset_sets(preset: Preset, expected: dict[str, str]) -> None:
    assert {name: [value] for name, value in expected.items()} == await after(a_policy(preset), {})


LEAKS = {
    "Server": "Apache/2.4.1",
    "x-powered-by": "PHP/5.6",
    "X-Kong-Proxy-Latency": "3",
    "$wsep": "",
    "X-App": "kept",
}


@pytest.mark.parametrize(
    ("preset", "left"),
    [
        pytest.param(
            "helmet", {"server", "x-kong-proxy-latency", "$wsep", "x-app"}, id="helmet: X-Powered-By"
        ),
        pytest.param("owasp", {"x-app"}, id="owasp: all that name software"),
        pytest.param("owasp-api", {"x-app"}, id="owasp-api: the same"),
        pytest.param(
            "none", {"server", "x-powered-by", "x-kong-proxy-latency", "$wsep", "x-app"}, id="none: nothing"
        ),
    ],
)
async def test_what_a_preset_removes(preset: Preset, left: set[str]) -> None:
    added = set(await after(a_policy(preset), {}))

    assert left == set(await after(a_policy(preset), LEAKS)) - added


async def test_an_upstream_header_is_replaced_and_never_doubled() -> None:
    left = await after(a_policy("helmet"), {"x-frame-options": "ALLOWALL", "Content-Type": "text/html"})

    assert (["SAMEORIGIN"], ["text/html"]) == (left["x-frame-options"], left["content-type"])


async def test_set_wins_over_the_preset_and_over_the_upstream() -> None:
    policy = a_policy("owasp", {"x-frame-options": "SAMEORIGIN", "Server": "shop", "X-New": "1"})

    left = await after(policy, {"Server": "Apache", "X-New": "0"})

    assert (["SAMEORIGIN"], ["shop"], ["1"]) == (left["x-frame-options"], left["server"], left["x-new"])


async def test_remove_wins_over_the_preset_and_over_the_upstream() -> None:
    policy = a_policy("helmet", remove=["content-security-policy", "X-Runtime"])

    left = await after(policy, {"Content-Security-Policy": "default-src *", "X-Runtime": "0.1"})

    assert HELMET.keys() - {"content-security-policy"} == left.keys()


def raising(error: BaseException) -> FakeUpstream:
    return FakeUpstream(error)


class Refusing:
    def on_request(self, _: Exchange) -> None:
        raise Rejection(403, "test.refused")


@pytest.mark.parametrize(
    ("status", "policies", "upstream"),
    [
        pytest.param(200, [], FakeUpstream(200), id="an answer"),
        pytest.param(403, [Refusing()], FakeUpstream(200), id="a refusal"),
        pytest.param(502, [], raising(UpstreamError(502, "upstream.reset")), id="a failure"),
        pytest.param(500, [], raising(RuntimeError("bug")), id="a bug of ours"),
    ],
)
async def test_every_response_carries_them(status: int, policies: list[Any], upstream: FakeUpstream) -> None:
    response = await route(a_policy("helmet"), *policies, upstream=upstream).respond(exchange())

    assert (status, ["nosniff"]) == (response.status, fields(response)["x-content-type-options"])


@pytest.mark.parametrize(
    ("policies", "wrong"),
    [
        pytest.param("security_headers: helmet", [], id="a preset alone"),
        pytest.param("security_headers: {set: {X-A: a}}", ["security_headers"], id="no preset"),
        pytest.param(
            "security_headers: {preset: none, set: {X-A: 1, X-B: b}, remove: [X-C]}", [], id="different names"
        ),
        pytest.param(
            "security_headers: {preset: none, set: {X-A: a, x-a: b}}",
            ["security_headers.set.x-a"],
            id="a name in two spellings",
        ),
        pytest.param(
            "security_headers: {preset: none, set: {X-A: a}, remove: [x-a]}",
            ["security_headers.set.X-A"],
            id="set and removed",
        ),
        pytest.param(
            "security_headers: {preset: none, set: {Content-Length: 0}}",
            ["security_headers.set.Content-Length"],
            id="a length that lies",
        ),
        pytest.param(
            "security_headers: {preset: none, remove: [X-A, transfer-encoding]}",
            ["security_headers.remove[1]"],
            id="a coding that nobody could see",
        ),
        pytest.param(
            "security_headers: {preset: none, set: {Connection: close}, remove: [Upgrade]}",
            ["security_headers.set.Connection", "security_headers.remove[0]"],
            id="hop by hop",
        ),
        pytest.param(
            'security_headers: {preset: none, set: {X-A: "a\\nX-B: b"}}',
            ["security_headers.set.X-A"],
            id="a value that would forge a header",
        ),
        pytest.param(
            "security_headers: {preset: helmet, mode: shadow}",
            ["security_headers.mode"],
            id="shadow, with nothing to report",
        ),
    ],
)
def test_what_a_policy_file_may_say(policies: str, wrong: list[str], tmp_path: Path) -> None:
    assert wrong == problems(policies, tmp_path)
