"""What health and metrics answer, whichever port asks."""

from __future__ import annotations

import json
from ipaddress import IPv4Address
from typing import Any

import pytest

from proxy.admin.answers import Kind, answer, as_json
from proxy.admin.running import LastReload
from proxy.config.units import Duration, Size
from proxy.exchange import Response

from .conftest import FakeRunning


def text(response: Response) -> tuple[int, bytes]:
    assert isinstance(response.content, bytes)
    return response.status, response.content


def read(response: Response) -> tuple[int, Any]:
    status, content = text(response)
    return status, json.loads(content)


@pytest.mark.parametrize(
    ("is_live", "said"),
    [
        pytest.param(True, (200, b"live\n"), id="live"),
        pytest.param(False, (503, b"not live\n"), id="not live"),
    ],
)
def test_liveness_is_one_word(running: FakeRunning, is_live: bool, said: tuple[int, bytes]) -> None:
    running.is_live = is_live

    assert said == text(answer("liveness", running))


@pytest.mark.parametrize(
    ("readiness", "said"),
    [
        pytest.param((True, ""), (200, b"ready\n"), id="ready"),
        pytest.param((False, "draining"), (503, b"not ready: draining\n"), id="draining"),
    ],
)
def test_readiness_is_one_line(
    running: FakeRunning, readiness: tuple[bool, str], said: tuple[int, bytes]
) -> None:
    running.readiness = readiness

    assert said == text(answer("readiness", running))


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        pytest.param("", "text/plain; version=0.0.4; charset=utf-8", id="plain"),
        pytest.param(
            "application/openmetrics-text",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            id="OpenMetrics",
        ),
    ],
)
def test_metrics_come_in_the_format_that_was_asked_for(
    running: FakeRunning, accept: str, content_type: str
) -> None:
    response = answer("metrics", running, accept=accept)

    assert (200, content_type) == (response.status, response.headers.get("Content-Type"))
    assert b"seawall_http_requests_in_flight 0.0" in text(response)[1]


@pytest.mark.parametrize("kind", ["details", "readiness", "liveness", "metrics"])
def test_nothing_of_it_is_for_a_cache(running: FakeRunning, kind: Kind) -> None:
    assert "no-store" == answer(kind, running).headers.get("Cache-Control")


def test_details_for_anybody_say_little(running: FakeRunning) -> None:
    running.last_reload = LastReload(ok=False, at=1.0, problems=["/etc/seawall/a.yaml:3:1: bad"])

    assert (200, {"status": "ready", "uptime_seconds": 12.346}) == read(answer("details", running))


def test_details_say_why_it_is_not_ready(running: FakeRunning) -> None:
    running.readiness = (False, "draining")

    assert (503, {"status": "not ready", "reason": "draining", "uptime_seconds": 12.346}) == read(
        answer("details", running)
    )


def test_anybody_is_told_which_checks_are_well_and_operators_why_not(running: FakeRunning) -> None:
    check: dict[str, object] = {"state": "unhealthy", "cause": "db:5432 takes no connection"}
    running.checks = {"db": check}

    told = [read(answer("details", running, for_operator=each))[1]["checks"] for each in (False, True)]

    assert [{"db": "unhealthy"}, {"db": check}] == told


def test_details_for_an_operator_say_all(running: FakeRunning) -> None:
    running.last_reload = LastReload(ok=False, at=1_700_000_060.0, problems=["a.yaml:3:1: bad"])

    assert (
        200,
        {
            "status": "ready",
            "uptime_seconds": 12.346,
            "version": "1.2.3",
            "revision": "5f3a",
            "live_since": "2023-11-14T22:13:20.000Z",
            "last_reload": {"ok": False, "at": "2023-11-14T22:14:20.000Z", "problems": ["a.yaml:3:1: bad"]},
            "draining": False,
            "in_flight": 3,
            "access_log_error": "Broken pipe",
            "audit_log_error": "",
            "upstreams": {"app": {"open": 2, "idle": 1}},
            "store": {"kind": "memory", "reachable": True},
        },
    ) == read(answer("details", running, for_operator=True))


def test_json_says_that_it_is() -> None:
    response = as_json(201, {"a": 1})

    assert ((201, {"a": 1}), "application/json") == (read(response), response.headers.get("Content-Type"))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param(Size(10), 10, id="a size"),
        pytest.param(Duration(0.5), 0.5, id="a duration"),
        pytest.param(IPv4Address("192.0.2.7"), "192.0.2.7", id="whatever else, as text"),
    ],
)
def test_json_shows_values_that_know_their_unit_plainly(value: object, shown: object) -> None:
    assert (200, {"value": shown}) == read(as_json(200, {"value": value}))
