"""An API elsewhere that would be told what it should not, or called by a name that it may not know."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.app.test_advice import warned

FILE = """\
version: 1
upstreams: {{api: {{url: "{url}"}}}}
routes:
  - name: a
    match: {{path: "/**"}}
    policies: {policies}
"""
API = "https://api.example.com"
HOST = (
    "2:24: upstreams.api.url: it gets the Host that a client calls Seawall by, on a, and may not "
    "know it; expected `forwarded: {emit: [], host: upstream}`, or `host: preserve` where that is meant"
)
TOLD = (
    "6:16: routes[0].policies.forwarded: api is told the addresses of clients, in X-Forwarded-For and "
    "X-Real-IP; expected `emit: []`, or the fields that it is to have"
)


@pytest.mark.parametrize(
    ("url", "policies", "warnings"),
    [
        pytest.param(API, "{}", [HOST], id="nothing is said"),
        pytest.param(API, "{forwarded: {emit: []}}", [HOST], id="nothing of Host"),
        pytest.param(API, "{forwarded: {host: upstream}}", [TOLD], id="nothing of addresses"),
        pytest.param(API, "{forwarded: {emit: [], host: upstream}}", [], id="as it should be"),
        pytest.param(API, "{forwarded: {emit: [x-forwarded], host: upstream}}", [], id="told on purpose"),
        pytest.param(API, "{forwarded: {host: preserve}}", [], id="the client's on purpose"),
        pytest.param("https://api.example.com.:8443", "{}", [HOST], id="a name without a search"),
        pytest.param("http://api.example.com", "{}", [], id="without TLS"),
        pytest.param("https://app:8443", "{}", [], id="a name in the same namespace"),
        pytest.param("https://app.shop.svc.cluster.local", "{}", [], id="a service of the cluster"),
        pytest.param("https://app.shop.svc", "{}", [], id="the same, shorter"),
        pytest.param("https://127.0.0.1:8443", "{}", [], id="an address"),
        pytest.param("https://[::1]:8443", "{}", [], id="an IPv6 address"),
    ],
)
def test_what_an_api_is_told_is_what_the_files_say(
    url: str, policies: str, warnings: list[str], tmp_path: Path
) -> None:
    assert warnings == warned(tmp_path, FILE.format(url=url, policies=policies))


def test_an_upstream_that_a_breaker_calls_instead_is_called_too(tmp_path: Path) -> None:
    backed = "{circuit_breaker: {on_open: {upstream: other}}}"
    text = FILE.format(url="http://127.0.0.1:1", policies=backed)
    more = f', other: {{url: "{API}"}}}}\n'
    text = text.replace('"}}\n', '"}' + more, 1).replace(
        'match: {path: "/**"}', 'match: {path: "/**"}\n    upstream: api'
    )

    (warning,) = warned(tmp_path, text)

    assert "upstreams.other.url: it gets the Host" in warning


def test_many_routes_are_one_warning(tmp_path: Path) -> None:
    more = "".join(f"  - {{name: r{n}, match: {{path: /{n}}}, policies: {{}}}}\n" for n in range(5))

    (warning,) = warned(tmp_path, FILE.format(url=API, policies="{}") + more)

    assert "on a, r0, r1 and 3 more routes, and" in warning
