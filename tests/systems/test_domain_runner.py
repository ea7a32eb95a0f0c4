"""The domain runner behind its policies, over real sockets: see docs/systems/domain-runner.md."""

from __future__ import annotations

import json
import re
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

from proxy.config.configuration import RouteConfig
from proxy.config.loader import load
from proxy.errors import ConfigError
from proxy.policies import PIPELINE_ORDER
from proxy.policies.resilience.retry import RetryConfig
from tests.stores.valkey import LiveValkey
from tests.systems.running import PATIENCE, Running, eventually, missing_metrics, policies_of, running

KEY = "0123456789abcdef" * 4
LIST = {"domains": ["example.com"]}
PLACES = 15


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Running]:
    with running("domain-runner", tmp_path) as both:
        both.client.headers["X-Forwarded-Proto"] = "https"
        yield both


@pytest.fixture
def valkey() -> Iterator[LiveValkey]:
    made = LiveValkey()
    made.start()
    yield made
    made.stop()


def queries(runner: Running) -> list[str]:
    told: list[str] = runner.behind.get("/queries").json()["queries"]
    return told


def test_lists_get_in_with_a_key_and_with_nothing_but_domains(runner: Running) -> None:
    answers = [
        runner.client.post("/api/v2/domains", json=LIST),
        runner.client.post("/api/v2/domains", json=LIST, headers={"X-API-Key": KEY}),
        runner.client.post("/api/v2/domains", json=LIST, headers={"X-API-Key": KEY.upper()}),
        runner.client.post(
            "/api/v2/domains", json={"domains": ["'); drop table domains; --"]}, headers={"X-API-Key": KEY}
        ),
    ]

    assert [401, 201, 401, 422] == [answer.status_code for answer in answers]
    assert ["insert into domains values ('example.com')"] == queries(runner)


def test_without_seawall_anybody_asks_the_database_anything(runner: Running) -> None:
    runner.behind.post("/api/v2/domains", json={"domains": ["'); drop table domains; --"]})

    assert ["insert into domains values (''); drop table domains; --')"] == queries(runner)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/api/v2/health", '"status":"ready"'),
        ("/api/v2/health/ready", "ready"),
        ("/api/v2/health/live", "live"),
    ],
)
def test_probes_find_health_without_a_key_and_without_https(runner: Running, path: str, said: str) -> None:
    readiness(runner)
    answer = runner.client.get(path, headers={"X-Forwarded-Proto": "http"})

    assert (200, True) == (answer.status_code, said in answer.text)


def readiness(runner: Running, *checks: str) -> tuple[int, str]:
    """What is said of it once it has looked at the application and at these."""
    looked_at = [("upstreams", "app"), *(("checks", name) for name in checks)]
    eventually(lambda: all(known(runner, *each)["in_row"] for each in looked_at), "a look at everything")
    answer = runner.client.get("/api/v2/health/ready")
    return answer.status_code, answer.text


def known(runner: Running, section: str, name: str) -> dict[str, Any]:
    """What operators are told of a check."""
    told: dict[str, Any] = runner.admin.get("/healthz").json()[section][name]
    return told["health"] if section == "upstreams" else told


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [("/api/v2/health", 200, "ready\n"), ("/api/v2/report", 503, "not ready: upstream\n")],
    ids=["well", "not well"],
)
def test_it_is_not_ready_while_the_application_is_not_well(
    tmp_path: Path, path: str, status: int, said: str
) -> None:
    with running("domain-runner", tmp_path, environment={"UPSTREAM_HEALTH_PATH": path}) as runner:
        assert (status, said) == readiness(runner)


@pytest.mark.parametrize("listens", [True, False], ids=["there", "away"])
def test_it_is_not_ready_without_its_database(tmp_path: Path, listens: bool) -> None:
    with socket.socket() as database:
        database.bind(("127.0.0.1", 0))
        if listens:
            database.listen()
        address = f"127.0.0.1:{database.getsockname()[1]}"
        switched = {"DATABASE_CHECK": "true", "DATABASE_ADDRESS": address}
        with running("domain-runner", tmp_path, environment=switched) as runner:
            told = readiness(runner, "database")

    assert told == ((200, "ready\n") if listens else (503, "not ready: check database\n"))


@pytest.mark.parametrize("away", [False, True], ids=["there", "away"])
def test_it_is_not_ready_without_its_redis(tmp_path: Path, valkey: LiveValkey, away: bool) -> None:
    if away:
        valkey.kill()
    switched = {"REDIS_CHECK": "true", "REDIS_ADDRESS": f"127.0.0.1:{valkey.port}"}
    with running("domain-runner", tmp_path, environment=switched) as runner:
        told = readiness(runner, "redis")

    assert told == ((503, "not ready: check redis\n") if away else (200, "ready\n"))


@pytest.mark.parametrize("name", ["openai", "anthropic"])
def test_an_outside_api_is_watched_and_nobody_is_sent_away_for_it(tmp_path: Path, name: str) -> None:
    asked: list[str] = []
    with answering(401, asked) as port:
        switched = {
            f"{name.upper()}_CHECK": "true",
            f"{name.upper()}_URL": f"http://127.0.0.1:{port}/v1/models",
        }
        with running("domain-runner", tmp_path, environment=switched) as runner:
            there, well = readiness(runner, name), known(runner, "checks", name)
    with running("domain-runner", tmp_path, environment=switched) as runner:
        away, lost = readiness(runner, name), known(runner, "checks", name)

    assert [(200, "ready\n")] * 2 == [there, away]
    assert ("healthy", True) == (well["state"], "cause" in lost)
    assert {"HEAD /v1/models"} == set(asked)


def checks(runner: Running) -> dict[str, str]:
    told: dict[str, str] = runner.client.get("/api/v2/health").json()["checks"]
    return told


@contextmanager
def answering(status: int, asked: list[str]) -> Iterator[int]:
    """A server with one answer, and its port; `asked` gets what it is asked."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            asked.append(f"{self.command} {self.path}")
            self.send_response(status)
            self.end_headers()

        do_GET = do_HEAD = answer  # noqa: N815 - http.server's names

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()


@pytest.mark.parametrize(
    ("name", "variable", "value", "cause"),
    [
        ("disk", "DISK_MIN_FREE", "100%", "expected 100%"),
        ("memory", "MEMORY_MAX", "0.0001%", "is in use"),
    ],
)
def test_a_full_disk_or_memory_is_told_of(
    tmp_path: Path, name: str, variable: str, value: str, cause: str
) -> None:
    with running("domain-runner", tmp_path, environment={variable: value}) as runner:
        ready, told = readiness(runner, name), known(runner, "checks", name)

    assert 200 == ready[0]
    assert cause in told["cause"]


def test_what_is_looked_at_is_told_of_at_the_path_of_before(tmp_path: Path) -> None:
    nobody = {"OPENAI_URL": "http://127.0.0.1:1", "ANTHROPIC_URL": "http://127.0.0.1:1"}
    with running("domain-runner", tmp_path, environment=nobody) as runner:
        assert {"disk", "memory"} == set(checks(runner))
        eventually(lambda: "unknown" not in checks(runner).values(), "a look at everything")


def test_a_traceback_of_the_application_stays_inside(runner: Running) -> None:
    past, through = runner.behind.get("/api/v2/report"), runner.client.get("/api/v2/report")

    assert [True, False] == ["db-3.internal" in answer.text for answer in (past, through)]
    assert (500, "mask_errors.masked") == (through.status_code, through.json()["reason"])
    assert through.headers["X-Request-ID"] == through.json()["request_id"]


def test_retries_are_as_the_runner_had_them_and_their_number_is_set_by_a_variable(tmp_path: Path) -> None:
    told = []
    for variables in ({}, {"MAX_RETRIES": "5"}):
        (retry,) = [
            each.config for each in configured(tmp_path, variables)["rest"].policies if each.kind == "retry"
        ]
        assert isinstance(retry, RetryConfig)
        backoff = retry.backoff
        told.append((retry.max_retries, backoff.base, backoff.factor, backoff.max, backoff.jitter))

    assert [(2, 1.0, 2.0, 30.0, "equal"), (5, 1.0, 2.0, 30.0, "equal")] == told


def configured(tmp_path: Path, variables: dict[str, str]) -> dict[str, RouteConfig]:
    """Routes by their names."""
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"keys": [{"id": "a", "sha256": "0" * 64}]}))
    configuration = load(
        policies_of("domain-runner"), PIPELINE_ORDER, env={"API_KEYS_FILE": str(keys), **variables}
    )
    return {route.name: route for route in configuration.routes}


def test_replicas_that_share_a_redis_count_together(tmp_path: Path, valkey: LiveValkey) -> None:
    few = {"LISTS_PER_ADDRESS": "1", "SEAWALL_STORE": valkey.url}
    with ExitStack() as stack:
        replicas = []
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            replicas.append(
                stack.enter_context(running("domain-runner", tmp_path / name, environment=few)).client
            )
        statuses = [
            replica.get("/api/v2/domains/a", headers={"X-Forwarded-Proto": "https"}).status_code
            for replica in replicas * 3
        ]

    assert [200] * 5 + [429] == statuses


@pytest.mark.parametrize(
    ("networks", "status"),
    [
        ({"ALLOWED_NETWORKS": "192.0.2.0/24, 2001:db8::/32"}, 403),
        ({"ALLOWED_NETWORKS": "192.0.2.0/24, 127.0.0.0/8"}, 200),
        ({}, 200),
    ],
    ids=["others", "some", "all"],
)
def test_only_listed_networks_get_in_where_some_are_listed(
    tmp_path: Path, networks: dict[str, str], status: int
) -> None:
    with running("domain-runner", tmp_path, environment=networks) as runner:
        answer = runner.client.get("/api/v2/status", headers={"X-Forwarded-Proto": "https"})

    assert status == answer.status_code


def test_an_error_names_the_id_of_its_request_and_the_logs_do_too(runner: Running) -> None:
    answer = runner.client.post("/api/v2/domains", json=LIST)

    request_id = answer.headers["X-Request-ID"]
    assert request_id == answer.json()["request_id"]
    assert "authenticate.missing" == runner.line(request_id=request_id)["reason"]


def test_each_request_has_an_id_of_its_own_and_the_application_gets_it(runner: Running) -> None:
    answers = [runner.client.get("/api/v2/status") for _ in range(10)]

    ids = [answer.headers["X-Request-ID"] for answer in answers]
    assert 10 == len(set(ids))
    assert ids == [answer.json()["request_id"] for answer in answers]


def test_the_audit_log_tells_who_did_what_and_no_log_tells_a_key(runner: Running) -> None:
    runner.client.post("/api/v2/domains", json=LIST, headers={"X-API-Key": KEY})
    runner.client.post("/api/v2/domains?api_key=opensesame", json=LIST)

    allowed = runner.line("request", decision="allowed")
    refused = runner.line("request", decision="refused")
    assert ({"id": "acme", "method": "api_key"}, "authenticate.missing") == (
        allowed["identity"],
        refused["reason"],
    )
    assert "***" in runner.line(status=401)["query"]
    assert [] == [word for word in (KEY, "opensesame", "example.com") if word in runner.output.read_text()]


def jobs(runner: Running, pool: ThreadPoolExecutor, number: int, seconds: float, priority: str) -> list[Any]:
    """Ask for so many at once, each from an address of its own."""
    return [
        pool.submit(
            runner.client.get,
            f"/api/v2/jobs?seconds={seconds}",
            headers={"X-Priority": priority, "X-Forwarded-For": f"198.51.100.{next(ADDRESSES)}"},
        )
        for _ in range(number)
    ]


ADDRESSES = count(1)


def test_jobs_of_high_priority_go_first_and_no_more_than_15_are_under_way(runner: Running) -> None:
    def waiting(number: int) -> bool:
        return runner.metric("seawall_concurrency_waiting", name="database") == number

    with ThreadPoolExecutor(60) as pool:
        asked: list[Future[httpx.Response]] = jobs(runner, pool, PLACES, 1.5, "normal")
        eventually(
            lambda: runner.metric("seawall_concurrency_in_flight", name="database") == PLACES, "a full house"
        )
        asked += jobs(runner, pool, 10, 0, "normal")
        eventually(lambda: waiting(10), "a queue")
        asked += jobs(runner, pool, PLACES, 0.1, "high")
        eventually(lambda: waiting(10 + PLACES), "a longer queue")
        answers = [each.result(PATIENCE) for each in asked]

    came: list[str] = runner.behind.get("/queries").json()["jobs"]
    assert {200} == {answer.status_code for answer in answers}
    assert (["high"] * PLACES, ["normal"] * 10) == (came[PLACES : 2 * PLACES], came[2 * PLACES :])


def test_sigterm_lets_what_is_under_way_finish(runner: Running) -> None:
    with ThreadPoolExecutor(1) as pool:
        (asked,) = jobs(runner, pool, 1, 1.0, "normal")
        eventually(
            lambda: runner.metric("seawall_concurrency_in_flight", name="database") == 1, "the job to begin"
        )
        runner.process.send_signal(signal.SIGTERM)

        assert 200 == asked.result(PATIENCE).status_code
    assert 0 == runner.process.wait(PATIENCE)


@pytest.mark.parametrize(("bound", "status"), [("1MiB", 503), ("128MiB", 422)])
def test_bodies_that_are_held_have_no_more_than_the_start_line_says(
    tmp_path: Path, bound: str, status: int
) -> None:
    with running("domain-runner", tmp_path, arguments=("--max-buffered", bound)) as runner:
        answer = runner.client.post(
            "/api/v2/domains",
            content=bytes(2_000_000),
            headers={"X-Forwarded-Proto": "https", "X-API-Key": KEY, "Content-Type": "application/json"},
        )

    assert status == answer.status_code


def test_a_variable_that_is_missing_stops_the_start_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the variable API_KEYS_FILE is not set"):
        load(policies_of("domain-runner"), PIPELINE_ORDER, env={})


def test_latencies_errors_and_the_process_can_be_watched(runner: Running) -> None:
    runner.client.get("/api/v2/status")
    runner.client.post("/api/v2/domains", json=LIST)
    metrics = runner.client.get("/api/v2/metrics").text
    rest = r'endpoint="/api/v2/\*\*"'

    for series in (
        rf'seawall_http_request_duration_seconds_bucket\{{{rest},le="0\.5",method="GET"\}} 1\.0',
        r'seawall_http_requests_total\{endpoint="/api/v2/domains/\*\*",method="POST",status="401"\} 1\.0',
        r'seawall_refusals_total\{mode="enforce",reason="authenticate\.missing",route="lists"\} 1\.0',
        r'seawall_concurrency_waiting\{name="database"\} 0\.0',
        r"process_resident_memory_bytes \d",
        r"process_cpu_seconds_total \d",
    ):
        assert re.search(rf"^{series}", metrics, re.MULTILINE), series


def test_the_metrics_that_the_alert_rules_ask_for_are_there(runner: Running) -> None:
    runner.client.get("/api/v2/status")

    eventually(lambda: not missing_metrics(runner.status, "domain-runner"), "them")


def test_ready_turns_to_not_ready_before_it_goes(runner: Running) -> None:
    with ThreadPoolExecutor(1) as pool:
        (asked,) = jobs(runner, pool, 1, 1.0, "normal")
        eventually(
            lambda: runner.metric("seawall_concurrency_in_flight", name="database") == 1, "the job to begin"
        )
        runner.process.send_signal(signal.SIGTERM)
        eventually(lambda: runner.status.get("/readyz").status_code == 503, "that it is not ready")
        asked.result(PATIENCE)


@pytest.mark.parametrize(
    ("name", "route", "kind", "place"),
    [
        ("RATE_LIMIT_PER_ADDRESS", "rest", "rate_limit", "rate_limit/by_address"),
        ("RATE_LIMIT_PER_KEY", "rest", "quota", "quota/by_key"),
        ("LISTS_PER_ADDRESS", "lists", "rate_limit", "rate_limit/lists_by_address"),
    ],
)
def test_limits_are_set_by_variables(name: str, route: str, kind: str, place: str, tmp_path: Path) -> None:
    stated = configured(tmp_path, {name: "777"})[route]

    limits = {each.state_name: str(each.config.limit) for each in stated.policies if each.kind == kind}  # type: ignore[attr-defined]
    assert "777/min" == limits[place]
