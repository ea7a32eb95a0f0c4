"""The way out to an API behind its policies, over real sockets: see docs/systems/analytics.md."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from examples import certificates
from examples.analytics.app import ACHIEVEMENTS, KEY, STATISTICS
from proxy.config.loader import load
from proxy.config.spelling import spelled
from proxy.errors import ConfigError
from proxy.policies import PIPELINE_ORDER
from tests.systems.running import INSTEAD, Running, eventually, policies_of, running

WHO = {"key": KEY, "appid": "381210", "steamid": "76561197960435530"}
SOON = {"BASE_BACKOFF_MS": "10", "API_TIMEOUT_SECS": "1", "BURST_LIMIT": "50"}
"""Nobody wants to wait for tests; what they are about, they say anew."""
LATE = 0.5
"""Seconds that the first call may take to the API, which makes later ones seem early."""


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Running]:
    with running("analytics", tmp_path, environment=SOON) as both:
        yield both


def ask(api: Running, about: str = STATISTICS, **more: Any) -> httpx.Response:
    return api.client.get(f"{about}v2/", params=WHO, **more)


def bad_days(api: Running, about: str, *faults: object) -> None:
    """What the API's next answers come to."""
    api.behind.put(f"/faults/{about}", json=faults).raise_for_status()


def calls(api: Running, about: str = "statistics") -> list[dict[str, Any]]:
    """As the API has seen them."""
    return [call for call in api.behind.get("/calls").json()["calls"] if call["about"] == about]


def test_http_goes_in_and_https_goes_out_by_the_name_of_the_api_and_without_addresses(api: Running) -> None:
    answer = ask(api, headers={"X-Forwarded-For": "10.1.2.3"})
    (call,) = calls(api)

    assert (200, WHO["steamid"]) == (answer.status_code, answer.json()["playerstats"]["steamID"])
    assert "https" == api.behind.base_url.scheme
    assert (f"localhost:{api.behind.base_url.port}", []) == (call["host"], call["told"])


def test_without_seawall_the_first_bad_day_is_the_applications(api: Running) -> None:
    bad_days(api, "statistics", 503)

    assert 503 == api.behind.get(f"{STATISTICS}v2/", params=WHO).status_code


def test_an_api_with_a_certificate_of_somebody_else_is_told_nothing(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    certificates.make(other)
    trusted = {**SOON, "SSL_CERT_FILE": str(other / "authority.pem")}
    with running("analytics", tmp_path, environment=trusted) as api:
        answer = ask(api)

        assert (502, "upstream.unreachable") == (answer.status_code, answer.json()["reason"])
        assert "certificate verify failed" in api.line(status=502)["cause"]
        assert [] == calls(api)


def test_ten_calls_are_made_at_once_and_then_one_each_600ms_as_the_api_sees_it(tmp_path: Path) -> None:
    with running("analytics", tmp_path) as api, ThreadPoolExecutor(13) as pool:
        answers = list(pool.map(lambda _: ask(api), range(13)))
        at = sorted(call["at"] for call in calls(api))
        waiting = api.metric("seawall_pace_waiting", name="steam")

    assert [200] * 13 == [answer.status_code for answer in answers]
    assert at[9] - at[0] < 5  # ten, one each 600 ms, would take 5.4 s
    assert at[11] - at[0] > 1.2 - LATE
    assert at[12] - at[0] > 1.8 - LATE
    assert 0 == waiting


@pytest.mark.parametrize(
    ("fault", "repeated", "status"),
    [(429, 3, 429), ("hang", 2, 504), ("close", 4, 502), (500, 1, 500)],
    ids=["rate_limited", "timeout", "network_error", "server_error"],
)
def test_each_class_is_repeated_as_often_as_it_says_whatever_max_retries_is(
    tmp_path: Path, fault: object, repeated: int, status: int
) -> None:
    with running(
        "analytics", tmp_path, environment={**SOON, "MAX_RETRIES": "1", "CB_MAX_FAILS": "99"}
    ) as api:
        bad_days(api, "statistics", *[fault] * 10)
        answer = ask(api)

        assert (status, 1 + repeated) == (answer.status_code, len(calls(api)))


def test_an_api_that_asks_to_be_left_alone_is(api: Running) -> None:
    bad_days(api, "statistics", {"status": 429, "retry_after": 1})
    answer = ask(api)
    first, second = calls(api)

    assert 200 == answer.status_code
    assert second["at"] - first["at"] >= 1


def test_waits_are_no_longer_than_the_longest(tmp_path: Path) -> None:
    waits = {"BASE_BACKOFF_MS": "50", "MAX_BACKOFF_MS": "50", "MAX_RETRIES": "6", "CB_MAX_FAILS": "99"}
    with running("analytics", tmp_path, environment=waits) as api:
        bad_days(api, "statistics", *[500] * 6)
        answer = ask(api)
        at = [call["at"] for call in calls(api)]

    assert (200, 7) == (answer.status_code, len(at))
    assert at[-1] - at[0] < 1.5  # doubling all the time it would be half of 3.15 s at least


def test_an_answer_that_trickles_is_given_up_after_the_time_of_a_call(tmp_path: Path) -> None:
    with running("analytics", tmp_path, environment={**SOON, "OVERALL_TIMEOUT_SECS": "4"}) as api:
        bad_days(api, "statistics", "trickle")
        with pytest.raises(httpx.HTTPError):
            ask(api)

        assert "timeout.attempt" == api.line(route="statistics", complete=False)["reason"]
        eventually(lambda: calls(api)[0]["left"] is not None, "the API to notice")


def test_the_overall_time_ends_calls_waits_and_all(tmp_path: Path) -> None:
    with running("analytics", tmp_path, environment={**SOON, "OVERALL_TIMEOUT_SECS": "2"}) as api:
        bad_days(api, "statistics", "hang", "hang", "hang")
        began = time.monotonic()
        answer = ask(api)
        took = time.monotonic() - began
        eventually(lambda: all(call["left"] for call in calls(api)), "the API to be left")

        assert (504, "deadline.exceeded", 2) == (answer.status_code, answer.json()["reason"], len(calls(api)))
    assert 2 <= took < 10


def test_five_failures_open_the_circuit_and_three_good_calls_close_it(tmp_path: Path) -> None:
    quick = {**SOON, "CB_RESET_TIMEOUT_SECS": "2"}
    with running("analytics", tmp_path, environment=quick) as api:

        def state() -> float | None:
            return api.metric("seawall_circuit_breaker_state", name="statistics")

        bad_days(api, "statistics", *[500] * 5)
        failed = [ask(api).status_code for _ in range(2)]
        refused, seen = ask(api), state()
        eventually(lambda: ask(api).status_code == 200, "the first probe")
        probing = state()
        after = [ask(api).status_code, ask(api).status_code, state()]

        assert ([500, 500], 503, "circuit_breaker.open", 1) == (
            failed, refused.status_code, refused.json()["reason"], seen,
        )  # fmt: skip
        assert (2, [200, 200, 0]) == (probing, after)
        assert 8 == len(calls(api))


def test_failing_achievements_keep_nobody_from_statistics(api: Running) -> None:
    bad_days(api, "achievements", *[500] * 5)
    failing = [ask(api, ACHIEVEMENTS).status_code for _ in range(3)]

    assert ([500, 500, 503], 200) == (failing, ask(api).status_code)
    assert (1, 0) == tuple(
        api.metric("seawall_circuit_breaker_state", name=name) for name in ("achievements", "statistics")
    )


@pytest.mark.parametrize(
    ("fault", "told"),
    [("hang", []), (503, ["server_error 503 abandoned"])],
    ids=["while it is called", "while it is not"],
)
def test_where_the_application_leaves_the_api_is_left_and_not_called_again(
    tmp_path: Path, fault: object, told: list[str]
) -> None:
    patient = {"API_TIMEOUT_SECS": "10", "BASE_BACKOFF_MS": "5000"}
    with running("analytics", tmp_path, environment=patient) as api:
        bad_days(api, "statistics", fault)
        with pytest.raises(httpx.ReadTimeout):
            ask(api, timeout=0.5)
        line = api.line(status=499)
        eventually(lambda: told != [] or calls(api)[0]["left"] is not None, "the API to be left")

        assert (told, 1) == (line.get("retries", []), len(calls(api)))
        assert line["duration_ms"] < 2500  # the shortest wait


def test_repetitions_are_counted_and_timed_by_class(api: Running) -> None:
    bad_days(api, "statistics", 503, "hang")
    ask(api)
    busy, late = ({"route": "statistics", "class": name} for name in ("server_error", "timeout"))

    assert 1 == api.metric("seawall_retries_total", **busy, outcome="failed")
    assert 1 == api.metric("seawall_retries_total", **late, outcome="recovered")
    # A limit of a second is kept to a few milliseconds, either way.
    assert 0.9 < (api.metric("seawall_retry_failed_call_seconds_sum", **late) or 0) < 9
    assert 0 < (api.metric("seawall_retry_failed_call_seconds_sum", **busy) or 0)
    assert 0.02 > (api.metric("seawall_retry_wait_seconds_sum", **busy) or 0) >= 0.005
    assert 1 == api.metric("seawall_retry_wait_seconds_count", **late)
    assert 1 == api.metric("seawall_upstream_attempts_total", upstream="steam", outcome="timeout.attempt")


def test_calls_can_be_followed_by_the_applications_own_id(api: Running) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    bad_days(api, "statistics", 503, "close")
    sent = {"X-Request-ID": "run-7", "traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    answer = ask(api, headers=sent)

    assert "run-7" == answer.headers["X-Request-ID"]
    line = api.line(request_id="run-7")
    assert (3, trace, ["server_error 503 failed", "network_error upstream.reset recovered"]) == (
        line["attempts"], line["trace_id"], line["retries"],
    )  # fmt: skip


def test_no_key_of_the_api_is_in_logs_metrics_or_errors(tmp_path: Path) -> None:
    arguments = ("--audit-log", "-", "--log-level", "debug")
    with running("analytics", tmp_path, environment=SOON, arguments=arguments) as api:
        bad_days(api, "statistics", 429, "close", "half", "trickle")
        for about in (STATISTICS, STATISTICS, STATISTICS, ACHIEVEMENTS, "/ISteamUser/GetPlayerSummaries/"):
            with suppress(httpx.HTTPError):
                ask(api, about)
        bad_days(api, "statistics", *["hang"] * 9)
        said = [ask(api).text for _ in range(3)]
        line = api.line(reason="circuit_breaker.open")
        said += [api.admin.get("/api/decisions").text, api.status.get("/metrics").text]
        said += [(tmp_path / name).read_text() for name in ("seawall.out", "seawall.err")]

    assert line["query"] == "key=***&appid=381210&steamid=76561197960435530"
    assert [] == [text for text in said if KEY in text]
    assert all(said)


def test_many_calls_share_a_connection(api: Running) -> None:
    for _ in range(8):
        ask(api)

    assert 1 == len({call["connection"] for call in calls(api)})


def test_a_change_of_the_policies_is_live_at_once_and_forgets_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(policies_of("analytics"), tmp_path / "policies")
    monkeypatch.setenv(INSTEAD, str(tmp_path / "policies"))
    (file,) = (tmp_path / "policies").glob("*.yaml")
    with running("analytics", tmp_path, environment={**SOON, "BURST_LIMIT": "1000"}) as api:
        bad_days(api, "achievements", *[500] * 5)
        for _ in range(2):
            ask(api, ACHIEVEMENTS)
        draft = file.with_suffix(".draft")
        draft.write_text(file.read_text().replace("MAX_RETRIES:-3", "MAX_RETRIES:-0"))
        with ThreadPoolExecutor(2) as pool:
            meanwhile = pool.submit(lambda: [ask(api).status_code for _ in range(200)])
            draft.replace(file)
            eventually(lambda: "is live" in (tmp_path / "seawall.err").read_text(), "the change")
        bad_days(api, "statistics", 500)

        assert {200} == set(meanwhile.result())
        assert (500, 503) == (ask(api).status_code, ask(api, ACHIEVEMENTS).status_code)


# ---- variables


def _retry(part: Callable[[Any], object]) -> tuple[str, str, Callable[[Any], object]]:
    return "statistics", "retry", part


SET: Mapping[str, tuple[tuple[str, str, Callable[[Any], object]], object]] = {
    "CB_MAX_FAILS": (("rest", "circuit_breaker", lambda it: it.trip.consecutive_failures), 7),
    "CB_RESET_TIMEOUT_SECS": (("rest", "circuit_breaker", lambda it: it.open_for), "7s"),
    "CB_HALF_OPEN_REQUESTS": (
        ("rest", "circuit_breaker", lambda it: (it.half_open.probes, it.half_open.successes)),
        [7, 7],
    ),
    "API_TIMEOUT_SECS": (("rest", "timeout", lambda it: it.attempt), "7s"),
    "OVERALL_TIMEOUT_SECS": (("statistics", "deadline", lambda it: it.total), "7s"),
    "ACHIEVEMENTS_TIMEOUT_SECS": (("achievements", "deadline", lambda it: it.total), "7s"),
    "MAX_RETRIES": (_retry(lambda it: it.max_retries), 7),
    "BASE_BACKOFF_MS": (_retry(lambda it: it.backoff.base), "7ms"),
    "MAX_BACKOFF_MS": (_retry(lambda it: it.backoff.max), "777ms"),
    "RATE_LIMIT_PER_MIN": (("rest", "pace", lambda it: it.limit), "7/min"),
    "BURST_LIMIT": (("rest", "pace", lambda it: it.burst), 7),
}
DEFAULTS = {
    "CB_MAX_FAILS": 5,
    "CB_RESET_TIMEOUT_SECS": "1m",
    "CB_HALF_OPEN_REQUESTS": [3, 3],
    "API_TIMEOUT_SECS": "10s",
    "OVERALL_TIMEOUT_SECS": "30s",
    "ACHIEVEMENTS_TIMEOUT_SECS": "15s",
    "MAX_RETRIES": 3,
    "BASE_BACKOFF_MS": "250ms",
    "MAX_BACKOFF_MS": "8s",
    "RATE_LIMIT_PER_MIN": "100/min",
    "BURST_LIMIT": 10,
}


def in_force(name: str, **environment: str) -> object:
    (route, kind, part), _ = SET[name]
    configuration = load(policies_of("analytics"), PIPELINE_ORDER, env=environment)
    (stated,) = [each for each in configuration.routes if each.name == route]
    (policy,) = [each for each in stated.policies if each.kind == kind]
    return spelled(part(policy.config))


@pytest.mark.parametrize("name", SET)
def test_every_variable_goes_on_working_with_its_default(name: str) -> None:
    given = "777" if name == "MAX_BACKOFF_MS" else "7"  # not less than the first

    assert (DEFAULTS[name], SET[name][1]) == (in_force(name), in_force(name, **{name: given}))


def test_a_variable_that_is_no_number_stops_the_start_and_is_named_by_its_line() -> None:
    with pytest.raises(ConfigError) as refused:
        load(policies_of("analytics"), PIPELINE_ORDER, env={"BURST_LIMIT": "ten"})

    assert re.search(r"analytics\.yaml:\d+:\d+: policies\.pace\.steam\.burst: .*ten", str(refused.value))
