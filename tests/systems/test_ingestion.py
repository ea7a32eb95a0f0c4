"""The ingestion service behind its policies, over real sockets: see docs/systems/ingestion.md."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
import yaml

from proxy.config.loader import load
from proxy.config.units import Duration
from proxy.policies import PIPELINE_ORDER
from tests.stores.valkey import LiveValkey
from tests.systems.pages import ROOT, page_of
from tests.systems.running import Running, eventually, missing_metrics, policies_of, running

FRESHDESK = "/api/v1/ingest/webhook/freshdesk"
ZENDESK = "/api/v1/ingest/webhook/zendesk"
BASIC = base64.b64encode(b"zendesk:example:secret").decode()
ALERTS = ROOT / "examples" / "ingestion" / "alerts.yaml"
DEVELOPER = {
    "FRESHDESK_WEBHOOK_SECRET": None,
    "ZENDESK_WEBHOOK_SECRET": None,
    "ON_MISSING_SECRET": "allow",
    "SEAWALL_ENV": "dev",
}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Running]:
    with running("ingestion", tmp_path) as both:
        yield both


def freshdesk(service: Running, number: int, **more: str) -> httpx.Response:
    body = json.dumps({"subject": "Test", "id": number}).encode()
    signature = hmac.new(b"freshdesk-example-secret", body, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "X-Freshdesk-Signature": f"sha256={signature}", **more}
    return service.client.post(FRESHDESK, content=body, headers=headers)


def zendesk(service: Running, number: int, *, credentials: str = BASIC) -> httpx.Response:
    return service.client.post(
        ZENDESK, json={"subject": "Test", "id": number}, headers={"Authorization": f"Basic {credentials}"}
    )


def until_refused(service: Running, **more: str) -> list[httpx.Response]:
    """One after the other; on a slow machine some get in anew in the meantime, one each 600 ms."""
    answers: list[httpx.Response] = []
    while len(answers) < 250 and not (answers and answers[-1].status_code == 429):
        headers = {name: value.format(len(answers)) for name, value in more.items()}
        answers.append(freshdesk(service, len(answers), **headers))
    return answers


def tickets(service: Running) -> int:
    count: int = service.behind.get("/health").json()["tickets"]
    return count


def test_tickets_get_in_once_each_and_strangers_never(service: Running) -> None:
    first, again = freshdesk(service, 1), freshdesk(service, 1)
    unsigned = service.client.post(FRESHDESK, json={"subject": "Test", "id": 2})
    forged = freshdesk(service, 3, **{"X-Freshdesk-Signature": "sha256=" + "0" * 64})
    other = zendesk(service, 1)
    stranger = zendesk(service, 4, credentials=base64.b64encode(b"zendesk:example").decode())

    assert [200, 200, 401, 401, 200, 401] == [
        answer.status_code for answer in (first, again, unsigned, forged, other, stranger)
    ]
    assert {
        "status": "already_exists",
        "ticket_id": first.json()["ticket_id"],
        "message": "Ticket already processed (idempotent)",
    } == again.json()
    assert 2 == tickets(service)


def test_without_seawall_strangers_get_in_and_each_try_makes_a_ticket(service: Running) -> None:
    for _ in range(12):
        assert 200 == service.behind.post(FRESHDESK, json={"subject": "Test", "id": 1}).status_code

    assert 12 == tickets(service)


def test_ten_requests_at_once_pass_and_the_11th_is_refused_in_the_words_of_the_service(
    service: Running,
) -> None:
    begun = time.monotonic()
    answers = until_refused(service)
    anew = (time.monotonic() - begun) / 0.6

    passed = len(answers) - 1
    assert 10 <= passed <= 10 + anew
    assert [200] * passed + [429] == [answer.status_code for answer in answers]
    assert {"error": "Rate limit exceeded. Please try again later."} == answers[-1].json()
    assert "application/json" == answers[-1].headers["Content-Type"]
    assert passed == tickets(service)


def test_a_client_cannot_claim_another_address(service: Running) -> None:
    answers = until_refused(service, **{"X-Forwarded-For": "198.51.100.{}"})

    assert 429 == answers[-1].status_code


def test_a_developer_without_secrets_gets_in_unsigned(tmp_path: Path) -> None:
    with running("ingestion", tmp_path, environment=DEVELOPER) as service:
        answers = [
            service.client.post(path, json={"subject": "Test", "id": 123}) for path in (FRESHDESK, ZENDESK)
        ]

    assert [200, 200] == [answer.status_code for answer in answers]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize(
    "line",
    [
        pytest.param("curl http://localhost:8080/health", id="health"),
        pytest.param("curl http://localhost:8080/metrics", id="metrics"),
        pytest.param(
            "curl -X POST http://localhost:8080/api/v1/ingest/webhook/freshdesk"
            """ -H "Content-Type: application/json" -d '{"subject": "Test", "id": 123}'""",
            id="a ticket",
        ),
    ],
)
def test_the_lines_that_the_service_tells_developers_go_on_working(tmp_path: Path, line: str) -> None:
    with running("ingestion", tmp_path, environment=DEVELOPER) as service:
        typed = line.replace("localhost:8080", f"127.0.0.1:{service.port}") + " -sf"
        environment = {
            name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")
        }
        done = subprocess.run(typed, shell=True, capture_output=True, check=False, env=environment)

    assert (0, True) == (done.returncode, bool(done.stdout))


def test_prometheus_finds_the_metrics_on_the_port_of_the_service(service: Running) -> None:
    answer = service.client.get("/metrics")

    assert (200, True) == (answer.status_code, answer.headers["Content-Type"].startswith("text/plain"))


def test_the_metrics_have_the_names_and_labels_that_dashboards_know(service: Running) -> None:
    passed = len(until_refused(service)) - 1
    seen = {"method": "POST", "endpoint": FRESHDESK}

    assert passed == service.metric("ingestion_http_requests_total", **seen, status="200")
    assert 1 == service.metric("ingestion_http_requests_total", **seen, status="429")
    assert passed + 1 == service.metric("ingestion_http_request_duration_seconds_count", **seen)
    assert service.metric("ingestion_http_requests_in_flight") is not None
    assert 0 == service.metric("ingestion_circuit_breaker_state", name="app")
    assert 1 == service.metric("ingestion_rate_limit_exceeded_total", endpoint=FRESHDESK)


def test_five_failures_of_the_service_open_the_circuit_and_the_metric_says_so(service: Running) -> None:
    for number in range(5):
        answer = service.client.post(
            ZENDESK, json={"no": f"id {number}"}, headers={"Authorization": f"Basic {BASIC}"}
        )
        assert 500 == answer.status_code

    refused = freshdesk(service, 1)

    assert (503, "circuit_breaker.open") == (refused.status_code, refused.json()["reason"])
    assert 1 == service.metric("ingestion_circuit_breaker_state", name="app")


def test_the_metrics_that_the_alert_rules_ask_for_are_there(service: Running) -> None:
    until_refused(service)

    assert set() == missing_metrics(service.status, "ingestion")


def test_the_page_shows_the_alert_rules_that_are_shipped() -> None:
    shipped = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
    (shown,) = re.findall(r"^```yaml\n(.*?)^```", page_of("ingestion"), re.MULTILINE | re.DOTALL)

    assert shipped == yaml.safe_load(shown)


def test_each_request_is_one_line_of_json(service: Running) -> None:
    answer = freshdesk(service, 1)

    line = service.line(request_id=answer.headers["X-Request-ID"])
    assert ("freshdesk", "POST", FRESHDESK, 200) == tuple(
        line[key] for key in ("route", "method", "path", "status")
    )


def test_many_requests_share_a_connection_to_the_service(service: Running) -> None:
    answers = [service.client.get("/health").json()["connections"] for _ in range(10)]

    assert 1 == len(set(answers))


@pytest.fixture
def redis() -> Iterator[LiveValkey]:
    """One that forgets nothing when it is killed."""
    made = LiveValkey("appendonly yes", "appendfsync always")
    made.start()
    yield made
    made.stop()


@contextmanager
def with_redis(redis: LiveValkey, scratch: Path, *arguments: str) -> Iterator[Running]:
    environment = {"SEAWALL_STORE": redis.url, "RATE_LIMIT_PER_MINUTE": "100000"}
    arguments = ("--store-timeout", "250ms", *arguments)  # other tests may keep the machine busy
    with running("ingestion", scratch, environment=environment, arguments=arguments) as service:
        yield service


def test_operations_of_redis_are_counted_and_timed_by_the_names_of_before(
    tmp_path: Path, redis: LiveValkey
) -> None:
    with with_redis(redis, tmp_path) as service:
        assert ["created", "already_exists"] == [freshdesk(service, 1).json()["status"] for _ in range(2)]

        assert 2 == service.metric("ingestion_redis_operations_total", operation="take", status="ok")
        assert 2 == service.metric("ingestion_redis_operations_total", operation="claim", status="ok")
        assert 2 == service.metric("ingestion_redis_operation_duration_seconds_count", operation="claim")
        assert 0 == service.metric("ingestion_circuit_breaker_state", name="store")


def test_replicas_make_a_ticket_once(tmp_path: Path, redis: LiveValkey) -> None:
    with ExitStack() as stack:
        replicas = []
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            replicas.append(stack.enter_context(with_redis(redis, tmp_path / name)))
        told = [freshdesk(each, 1).json() for each in replicas]

    assert ["created", "already_exists"] == [answer["status"] for answer in told]
    assert 1 == len({answer["ticket_id"] for answer in told})


def test_without_redis_tickets_get_in_and_still_once_each(tmp_path: Path, redis: LiveValkey) -> None:
    with with_redis(redis, tmp_path) as service:
        freshdesk(service, 1)
        redis.kill()
        answers = [send(service, number) for send in (freshdesk, zendesk) for number in (2, 2, 3, 3)]

        assert [200] * 8 == [answer.status_code for answer in answers]
        assert ["created", "already_exists"] * 4 == [answer.json()["status"] for answer in answers]
        assert 5 == tickets(service)


def test_redis_is_left_alone_when_it_fails_and_found_again(tmp_path: Path, redis: LiveValkey) -> None:
    def state() -> float | None:
        return service.metric("ingestion_circuit_breaker_state", name="store")

    def goes_on() -> bool:
        return freshdesk(service, 2).status_code == 200

    def skipped() -> float:
        return service.metric("ingestion_redis_operations_total", operation="take", status="skipped") or 0

    with with_redis(redis, tmp_path, "--store-failures", "3", "--store-open-for", "2s") as service:
        first = freshdesk(service, 1).json()
        redis.kill()
        eventually(lambda: goes_on() and state() == 1 and skipped() > 0, "that nobody asks it any more")
        redis.start()
        eventually(lambda: goes_on() and state() == 0, "a closed circuit")

        assert {**first, "status": "already_exists"}.items() <= freshdesk(service, 1).json().items()


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("RATE_LIMIT_PER_MINUTE", "300", ("300/min", 5, Duration(30))),
        ("CIRCUIT_BREAKER_THRESHOLD", "7", ("100/min", 7, Duration(30))),
        ("CIRCUIT_BREAKER_TIMEOUT", "45", ("100/min", 5, Duration(45))),
    ],
)
def test_the_variables_of_the_service_go_on_working(name: str, value: str, told: tuple[object, ...]) -> None:
    configuration = load(
        policies_of("ingestion"),
        PIPELINE_ORDER,
        env={name: value, "FRESHDESK_WEBHOOK_SECRET": "a", "ZENDESK_WEBHOOK_SECRET": "a:b"},
    )
    used = {policy.kind: policy.config for policy in configuration.routes[0].policies}
    breaker = used["circuit_breaker"]

    assert told == (
        str(used["rate_limit"].limit),  # type: ignore[attr-defined]
        breaker.trip.consecutive_failures,  # type: ignore[attr-defined]
        breaker.open_for,  # type: ignore[attr-defined]
    )
