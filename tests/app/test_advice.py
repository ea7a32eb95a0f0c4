"""What is probably not meant: told where it stands, and never where it may be meant."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import pytest

from proxy.app.advice import advice
from proxy.app.compile import Parts, compile_plan
from proxy.config.loader import load
from proxy.policies import PIPELINE_ORDER
from proxy.state import Shared
from proxy.stores.memory import MemoryStore
from proxy.testing import FakeClock

START = 'version: 1\nupstreams: {app: {url: "https://127.0.0.1:3000"}}\n'
ROUTE = "routes:\n  - name: only\n    match: {path: /a, methods: [GET]}\n"


def warned(folder: Path, text: str) -> list[str]:
    """Each warning as `line:column: path: message`."""
    file = folder / "a.yaml"
    file.write_text(text, encoding="utf-8")
    clock = FakeClock()
    plan = compile_plan(
        load(file, PIPELINE_ORDER, env=os.environ), Parts(clock, Random(0), MemoryStore(clock), Shared())
    )
    return [f"{each.line}:{each.column}: {each.path}: {each.message}" for each in advice(plan, clock.now())]


def with_policies(*policies: str) -> str:
    return START + ROUTE + "    policies:\n" + "".join(f"      {policy}\n" for policy in policies)


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        pytest.param(
            START
            + ROUTE.replace("[GET]", "[GET, PUT]")
            + "  - {name: late, match: {path: /a, methods: [PUT]}}\n",
            "6:25: routes[1].match: no request gets here: only takes them all",
            id="a route that others cover",
        ),
        pytest.param(
            START + ROUTE + "health: {paths: {/a: readiness}}\n",
            "5:19: routes[0].match.path: GET /a is answered before any route, by `health.paths`",
            id="the path of health",
        ),
        pytest.param(
            START + ROUTE + "metrics: {path: /a}\n",
            "5:19: routes[0].match.path: GET /a is answered before any route, by `metrics.path`",
            id="the path of metrics",
        ),
        pytest.param(
            START.replace('3000"', '3000", tls: {verify: false}') + ROUTE,
            "2:64: upstreams.app.tls.verify: whoever is on the way can read and change what is sent; "
            "expected a `ca_file` to trust",
            id="an upstream that anybody can be",
        ),
        pytest.param(
            START.replace('3000"', '3000", health_check: {path: /}') + ROUTE,
            "2:64: upstreams.app.health_check: nothing acts on it; expected `readiness: true` in it, or "
            "`health_check: true` in the circuit_breaker of a route that calls the upstream",
            id="a check that nobody heeds",
        ),
        pytest.param(
            START + 'clients: {trusted_proxies: [10.0.0.0/8, "::/0"]}\n' + ROUTE,
            "3:41: clients.trusted_proxies[1]: every client is believed, and can claim any address; "
            "expected your proxies' networks",
            id="everybody is a trusted proxy",
        ),
        pytest.param(
            START + "errors: {expose_detail: true}\n" + ROUTE,
            "3:25: errors.expose_detail: clients see causes that are meant for the log; "
            "expected false outside of development",
            id="causes for clients",
        ),
        pytest.param(
            with_policies("deadline: {total: 1s, propagate: X-T, accept_from_clients: true}"),
            "7:66: routes[0].policies.deadline.accept_from_clients: nobody's time is accepted, "
            "since `clients.trusted_proxies` is empty",
            id="a time that nobody may say",
        ),
        pytest.param(
            with_policies("ip_list: {allow: [192.0.2.7, 10.6.6.0/28], deny: [10.6.6.0/24]}"),
            "7:36: routes[0].policies.ip_list.allow[1]: nobody is admitted by it: `deny` has 10.6.6.0/24",
            id="an allowed network that is denied",
        ),
        pytest.param(
            with_policies("cors: {origins: ['null'], credentials: true}"),
            "7:24: routes[0].policies.cors.origins[0]: any page can make its origin null, "
            "and so read answers to a visitor's credentials",
            id="credentials for null",
        ),
        pytest.param(
            with_policies('cors: {origins: ["https://a.example", "http://a.example"], credentials: true}'),
            "7:45: routes[0].policies.cors.origins[1]: whoever is on the way can act as a page over http; "
            "expected https beside credentials",
            id="credentials for http",
        ),
        pytest.param(
            with_policies("deadline: 10s", "timeout: {response: 10s}"),
            "8:27: routes[0].policies.timeout.response: it never acts: "
            "`deadline` ends the whole exchange after 10s",
            id="a timeout past the deadline",
        ),
    ],
)
def test_what_is_probably_not_meant_is_told_where_it_stands(tmp_path: Path, text: str, warning: str) -> None:
    assert [warning] == warned(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(START + ROUTE, id="nothing"),
        pytest.param(
            START + ROUTE.replace("GET", "POST") + "health: {paths: {/a: readiness}}\n",
            id="only read",
        ),
        pytest.param(
            START + ROUTE.replace("/a", "/**") + "health: {paths: {/a: readiness}}\n", id="a route all around"
        ),
        pytest.param(START + "clients: {trusted_proxies: [10.0.0.0/8]}\n" + ROUTE, id="some trusted proxies"),
        pytest.param(
            START
            + "clients: {trusted_proxies: [10.0.0.0/8]}\n"
            + ROUTE
            + "    policies: {deadline: {total: 1s, propagate: X-T, accept_from_clients: true}}\n",
            id="a time that trusted proxies say",
        ),
        pytest.param(with_policies("ip_list: {allow: [10.0.0.0/8], deny: [10.6.6.0/24, '::/0']}"), id="hole"),
        pytest.param(
            with_policies('cors: {origins: ["http://localhost:3000", "http://[::1]"], credentials: true}'),
            id="pages of this machine",
        ),
        pytest.param(with_policies('cors: {origins: ["http://a.example", "null"]}'), id="no credentials"),
        pytest.param(with_policies("deadline: 10s", "timeout: {response: 9s}"), id="a shorter timeout"),
        pytest.param(with_policies("deadline: 1s", "timeout: {connect: 500ms}"), id="a timeout nobody wrote"),
        pytest.param(with_policies("timeout: {response: 10s}"), id="no deadline"),
        pytest.param(
            with_policies("deadline: {total: 1s, mode: shadow}", "timeout: {response: 10s}"), id="in shadow"
        ),
        pytest.param(
            START
            + "defaults: {timeout: {response: 10s}, deadline: 15s}\n"
            + ROUTE
            + "  - {name: quick, match: {path: /q}, policies: {deadline: 1s}}\n",
            id="a default that acts elsewhere",
        ),
    ],
)
def test_what_may_be_meant_is_not_told_of(tmp_path: Path, text: str) -> None:
    assert [] == warned(tmp_path, text)


def test_a_default_is_told_of_once(tmp_path: Path) -> None:
    text = START + "defaults: {ip_list: {allow: [10.1.0.0/16], deny: [10.0.0.0/8]}}\n" + ROUTE

    assert 1 == len(warned(tmp_path, text + "  - {name: two, match: {path: /2}}\n"))
