"""A provider's way out to Namecheap's API, over real sockets and TLS: see docs/systems/namecheap.md."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from examples import certificates
from proxy.config.loader import load
from proxy.policies import PIPELINE_ORDER
from tests.systems.pages import ROOT
from tests.systems.running import Running, eventually, policies_of, running

CHART = ROOT / "helm" / "seawall-app" / "ci" / "gateway-values.yaml"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Running]:
    with running("namecheap", tmp_path) as both:
        yield both


def call(api: Running, command: str = "domains.check", **more: Any) -> httpx.Response:
    """As the provider does it, by GET or with `data` by POST."""
    parameters = {"ApiKey": "opensesame", "Command": f"namecheap.{command}", "DomainName": "a.example"}
    method = "POST" if "data" in more else "GET"
    return api.client.request(method, "/xml.response", params=parameters, **more)


def then(api: Running, *faults: str) -> None:
    """What becomes of the next calls."""
    assert 200 == api.behind.post(f"/next?faults={','.join(faults)}").status_code


def seen(api: Running) -> dict[str, list[Any]]:
    """By the API: calls, orders, and whose caller left."""
    told: dict[str, list[Any]] = api.behind.get("/calls").json()
    return told


def at_once(api: Running, number: int) -> list[httpx.Response]:
    with ThreadPoolExecutor(number) as threads:
        return list(threads.map(lambda _: call(api, timeout=20), range(number)))


def test_the_api_is_called_over_tls_by_its_own_name_and_hears_nothing_of_who_asks(api: Running) -> None:
    assert 200 == call(api, headers={"X-Forwarded-For": "10.1.2.3", "Forwarded": "for=10.1.2.3"}).status_code

    (came,) = seen(api)["calls"]
    assert ("https", api.behind.base_url.netloc.decode()) == (api.behind.base_url.scheme, came["host"])
    assert [] == [name for name in came["headers"] if "forwarded" in name or name == "x-real-ip"]


@pytest.mark.parametrize("trusted", ["another authority", "the system's authorities"])
def test_an_api_that_shows_another_certificate_is_not_called(tmp_path: Path, trusted: str) -> None:
    file = None
    if trusted == "another authority":
        (tmp_path / "other").mkdir()
        certificates.make(tmp_path / "other")
        file = str(tmp_path / "other" / "authority.pem")
    with running("namecheap", tmp_path, environment={"SSL_CERT_FILE": file}) as api:
        refused = call(api)

        assert (502, "upstream.unreachable") == (refused.status_code, refused.json()["reason"])
        assert [] == seen(api)["calls"]


def test_the_api_sees_five_calls_at_once_and_then_two_in_a_second(api: Running) -> None:
    answers = at_once(api, 9)

    came = sorted(each["at"] for each in seen(api)["calls"])
    assert [200] * 9 == [answer.status_code for answer in answers]
    assert all(b'Status="OK"' in answer.content for answer in answers)
    # From when a call is let go to when the API has it, there may be a handshake.
    assert came[8] - came[0] > 1.5
    assert came[4] - came[0] < 1.5


def test_without_seawall_the_api_refuses_who_is_too_fast(api: Running) -> None:
    with ThreadPoolExecutor(12) as threads:
        path = "/xml.response?Command=namecheap.domains.check"
        answers = list(threads.map(lambda _: api.behind.get(path), range(12)))

    assert any(b'Number="2030280"' in answer.content for answer in answers)


def test_what_only_reads_is_asked_for_again_by_the_number_in_its_body_and_all_else(api: Running) -> None:
    then(api, "2030280", "503", "cut")

    assert (200, 4) == (call(api).status_code, len(seen(api)["calls"]))
    for kind, cause in (("too_many", "2030280"), ("server_error", "503"), ("network_error", "cut")):
        assert api.metric("seawall_retries_total", route="domains.check", **{"class": kind}), cause


@pytest.mark.parametrize("data", [None, {"Years": "1"}], ids=["by GET", "by POST"])
@pytest.mark.parametrize("fault", ["drop", "503", "2011170"])
def test_what_may_have_been_ordered_is_ordered_once(
    api: Running, fault: str, data: dict[str, str] | None
) -> None:
    more = {} if data is None else {"data": data}
    call(api, "domains.getInfo")  # so that the next finds a connection that was idle
    then(api, fault)

    call(api, "domains.create", **more)

    assert 2 == len(seen(api)["calls"])


def test_what_was_too_many_is_ordered_after_all(api: Running) -> None:
    then(api, "429", "2030281")

    assert 200 == call(api, "domains.create", data={"Years": "1"}).status_code
    assert (3, ["a.example"]) == (len(seen(api)["calls"]), seen(api)["orders"])


def test_five_failures_open_the_circuit_and_the_metric_says_so(api: Running) -> None:
    then(api, *["503"] * 5)
    assert [503, 503] == [call(api).status_code for _ in range(2)]

    refused = call(api)

    assert (503, "circuit_breaker.open", 5) == (
        refused.status_code, refused.json()["reason"], len(seen(api)["calls"]),
    )  # fmt: skip
    assert 1 == api.metric("seawall_circuit_breaker_state", name="api")


def test_a_provider_that_leaves_is_called_for_no_longer(api: Running) -> None:
    then(api, "hang")
    with pytest.raises(httpx.ReadTimeout):
        call(api, timeout=0.5)

    eventually(lambda: seen(api)["left"] == ["namecheap.domains.check"], "the end of the call")
    assert 1 == len(seen(api)["calls"])


def test_who_leaves_the_line_is_never_called_for(api: Running) -> None:
    at_once(api, 5)
    with pytest.raises(httpx.ReadTimeout):
        call(api, "domains.create", timeout=0.1)
    call(api)
    call(api)

    assert [] == seen(api)["orders"]


def test_each_failure_has_a_stable_reason_and_a_class(api: Running) -> None:
    then(api, *["cut"] * 4)
    failed = call(api)

    assert (502, "upstream.reset", "application/problem+json") == (
        failed.status_code, failed.json()["reason"], failed.headers["Content-Type"],
    )  # fmt: skip
    line = api.line(request_id=failed.headers["X-Request-ID"])
    told = ["failed", "failed", "failed", "exhausted"]
    assert [f"network_error upstream.reset {outcome}" for outcome in told] == line["retries"]


def test_each_call_is_one_line_of_json_and_never_has_the_key(api: Running) -> None:
    answer = call(api)

    line = api.line(request_id=answer.headers["X-Request-ID"])
    assert ("domains.check", "GET", 200, 200) == (
        line["route"], line["method"], line["status"], line["upstream_status"],
    )  # fmt: skip
    assert "ApiKey=***&Command=namecheap.domains.check&DomainName=a.example" == line["query"]
    assert "opensesame" not in api.output.read_text()


def test_calls_are_counted_and_timed(api: Running) -> None:
    call(api)
    call(api, "domains.create")

    labels = {"method": "GET", "endpoint": "/xml.response"}
    assert 2 == api.metric("seawall_http_requests_total", status="200", **labels)
    assert 2 == api.metric("seawall_http_request_duration_seconds_count", **labels)
    assert 2 == api.metric("seawall_upstream_attempts_total", upstream="api", outcome="200")


def test_health_and_metrics_are_where_the_provider_had_them(api: Running) -> None:
    assert 200 == api.client.get("/health").status_code
    assert "seawall_http_requests_total" in api.client.get("/metrics").text


def test_calls_share_a_connection(api: Running) -> None:
    for _ in range(4):
        call(api)

    assert 1 == len({each["connection"] for each in seen(api)["calls"]})


def test_a_shutdown_lets_a_call_end(api: Running) -> None:
    then(api, "slow")
    answers: list[int] = []
    thread = threading.Thread(target=lambda: answers.append(call(api).status_code))
    thread.start()
    eventually(lambda: len(seen(api)["calls"]) == 1, "the call")

    api.process.send_signal(signal.SIGTERM)
    thread.join()

    assert (0, [200]) == (api.process.wait(20), answers)


def test_the_call_that_finds_out_is_given_as_long_as_any() -> None:
    configuration = load(policies_of("namecheap"), PIPELINE_ORDER, env={})
    used: list[tuple[Any, Any]] = []
    for route in configuration.routes:
        policies = {policy.kind: policy.config for policy in route.policies}
        used.append((policies["circuit_breaker"], policies["timeout"]))

    assert [] == [each for breaker, each in used if each.response > breaker.half_open.probe_timeout]


USUAL = {
    "limit": "2/s", "burst": 5, "failures": 5, "open_for": 30.0, "retries": {3}, "base": {0.1},
    "factor": {2.0}, "max": {30.0}, "asked": {30.0}, "url": "https://api.namecheap.com",
}  # fmt: skip


def test_without_variables_all_is_as_the_provider_has_it() -> None:
    assert USUAL == settings({})


@pytest.mark.parametrize("value", ["2.0", "0.5", "4"])
def test_the_variables_of_the_pace_go_on_working(value: str) -> None:
    rate = {"2.0": "2/s", "0.5": "1/2s", "4": "4/s"}[value]
    variables = {"NAMECHEAP_RATE_LIMIT_RPS": value, "NAMECHEAP_RATE_LIMIT_BURST": "9"}

    assert {**USUAL, "limit": rate, "burst": 9} == settings(variables)


def test_the_variables_of_the_breaker_go_on_working() -> None:
    variables = {
        "NAMECHEAP_CIRCUIT_BREAKER_MAX_FAILURES": "7",
        "NAMECHEAP_CIRCUIT_BREAKER_RESET_TIMEOUT": "1m30s",
    }

    assert {**USUAL, "failures": 7, "open_for": 90.0} == settings(variables)


def test_the_variables_of_the_retries_go_on_working() -> None:
    variables = {
        "NAMECHEAP_RETRY_MAX_ATTEMPTS": "5",
        "NAMECHEAP_RETRY_BASE_DELAY": "250ms",
        "NAMECHEAP_RETRY_MAX_DELAY": "5s",
    }

    told = {"retries": {5}, "base": {0.25}, "max": {5.0}, "asked": {5.0}}
    assert {**USUAL, **told} == settings(variables)


def test_the_sandbox_of_the_api_is_a_variable_away() -> None:
    url = "https://api.sandbox.namecheap.com"

    assert {**USUAL, "url": url} == settings({"UPSTREAM_URL": url})


def settings(env: dict[str, str]) -> dict[str, Any]:
    """What it comes to; a set has the values of all routes."""
    configuration = load(policies_of("namecheap"), PIPELINE_ORDER, env=env)
    used: dict[str, Any] = {
        policy.kind: policy.config for route in configuration.routes for policy in route.policies
    }
    retries: list[Any] = [
        policy.config for route in configuration.routes for policy in route.policies if policy.kind == "retry"
    ]
    return {
        "limit": str(used["pace"].limit),
        "burst": used["pace"].burst,
        "failures": used["circuit_breaker"].trip.consecutive_failures,
        "open_for": used["circuit_breaker"].open_for,
        "retries": {each.max_retries for each in retries},
        "base": {each.backoff.base for each in retries},
        "factor": {each.backoff.factor for each in retries},
        "max": {each.backoff.max for each in retries},
        "asked": {each.honour_retry_after.max for each in retries},
        "url": str(configuration.upstreams["api"].url),
    }


def test_the_gateway_that_the_chart_is_tried_with_has_these_policies() -> None:
    files = yaml.safe_load(CHART.read_text())["seawall"]["policies"]["files"]

    assert {"namecheap.yaml": (ROOT / "policies" / "namecheap" / "namecheap.yaml").read_text()} == files
