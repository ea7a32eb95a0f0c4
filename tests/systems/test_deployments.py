"""The deploy platform behind its policies, over real sockets: see docs/systems/deployments.md."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from proxy.config.loader import load
from proxy.policies import PIPELINE_ORDER
from tests.systems.running import Running, policies_of, running

GITHUB = "/api/webhooks/github"
PUSH = {"ref": "refs/heads/main"}


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Running]:
    with running("deployments", tmp_path) as both:
        yield both


def webhook(platform: Running, message: object, event: str = "push", **more: str) -> httpx.Response:
    body = json.dumps(message).encode()
    signature = hmac.new(b"github-example-secret", body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": event,
        "X-Hub-Signature-256": f"sha256={signature}",
    }
    return platform.client.post(GITHUB, content=body, headers={**headers, **more})


def done(platform: Running) -> list[str]:
    told: list[str] = platform.behind.get("/done").json()
    return told


def test_a_push_is_worked_on_once_and_only_if_github_signed_it(platform: Running) -> None:
    answers = [
        webhook(platform, PUSH),
        webhook(platform, PUSH),
        webhook(platform, PUSH, **{"X-GitHub-Delivery": "another"}),
        webhook(platform, {"action": "created"}, "star"),
        webhook(platform, {"ref": "forged"}, **{"X-Hub-Signature-256": "sha256=" + "0" * 64}),
        platform.client.post(f"{GITHUB}/", json=PUSH),
    ]

    assert [200, 200, 200, 200, 401, 401] == [answer.status_code for answer in answers]
    assert ["git fetch origin refs/heads/main"] == done(platform)


def test_without_seawall_anybody_has_commands_run(platform: Running) -> None:
    platform.behind.post(GITHUB, json=PUSH)
    platform.behind.post(GITHUB, json=PUSH)
    platform.behind.post("/deployments", json={"app_name": "a; rm -rf /"})

    assert (3, "flyctl deploy --app a; rm -rf / .") == (len(done(platform)), done(platform)[-1])


def test_no_command_gets_into_a_deployment(platform: Running) -> None:
    good = platform.client.post("/deployments", json={"app_name": "shop"})
    bad = platform.client.post("/deployments", json={"app_name": "a; rm -rf /"})

    assert (201, 422) == (good.status_code, bad.status_code)
    assert ["flyctl deploy --app shop ."] == done(platform)


def test_the_31st_webhook_of_a_minute_is_refused(platform: Running) -> None:
    statuses = [webhook(platform, {"ref": f"refs/heads/{number}"}).status_code for number in range(31)]

    assert [200] * 30 + [429] == statuses


def test_a_large_payload_arrives_and_a_larger_one_does_not(platform: Running) -> None:
    frame = len(json.dumps({"ref": ""}))

    assert 200 == webhook(platform, {"ref": "x" * (5_000_000 - frame)}).status_code
    assert 413 == webhook(platform, {"ref": "x" * (5_000_001 - frame)}).status_code


def test_answers_have_the_four_headers_each_once(platform: Running) -> None:
    page, refusal = platform.client.get("/"), platform.client.post(GITHUB, json=PUSH)

    assert [200, 401] == [page.status_code, refusal.status_code]
    for answer in (page, refusal):
        assert ["DENY"] == answer.headers.get_list("X-Frame-Options")
        assert ["nosniff"] == answer.headers.get_list("X-Content-Type-Options")
        assert ["1; mode=block"] == answer.headers.get_list("X-XSS-Protection")
        assert ["strict-origin-when-cross-origin"] == answer.headers.get_list("Referrer-Policy")
        assert "X-Powered-By" not in answer.headers


@pytest.mark.parametrize("detail", ["true", "false"])
def test_causes_are_shown_in_development_only(tmp_path: Path, detail: str) -> None:
    with running("deployments", tmp_path, environment={"EXPOSE_DETAIL": detail}) as platform:
        problem = webhook(platform, PUSH, **{"X-Hub-Signature-256": "sha256=" + "0" * 64}).json()

    assert (detail == "true") == ("cause" in problem)


def test_a_traceback_of_the_platform_stays_inside(platform: Running) -> None:
    past = platform.behind.post(GITHUB, json={"no": "ref"})
    through = webhook(platform, {"no": "ref"})

    assert [True, False] == ["Traceback" in answer.text for answer in (past, through)]
    assert (500, "mask_errors.masked") == (through.status_code, through.json()["reason"])


def test_retries_and_the_breaker_can_be_watched(platform: Running) -> None:
    for number in range(5):
        webhook(platform, {"no": f"ref {number}"})
    refused = platform.client.get("/dashboard")

    assert (503, "circuit_breaker.open") == (refused.status_code, refused.json()["reason"])
    assert 1 == platform.metric("seawall_circuit_breaker_state", name="app")
    assert 5 == platform.metric("seawall_http_requests_total", endpoint="/api/webhooks/**", status="500")


@pytest.mark.parametrize(
    ("variable", "route", "kind", "field", "told"),
    [
        ("MAX_RETRIES", "pages", "retry", "max_retries", ["7"]),
        ("REQUESTS_PER_ADDRESS", "pages", "rate_limit", "limit", ["7/min", "120/min"]),
        ("REQUESTS_PER_SESSION", "pages", "rate_limit", "limit", ["600/min", "7/min"]),
        ("DEPLOYMENTS_PER_SESSION", "deploy", "quota", "limit", ["7/day"]),
    ],
)
def test_numbers_are_set_by_variables(
    variable: str, route: str, kind: str, field: str, told: list[str]
) -> None:
    configuration = load(
        policies_of("deployments"), PIPELINE_ORDER, env={"GITHUB_WEBHOOK_SECRET": "a", variable: "7"}
    )
    (stated,) = [each for each in configuration.routes if each.name == route]

    assert told == [str(getattr(each.config, field)) for each in stated.policies if each.kind == kind]


def test_each_session_has_a_limit_of_its_own(tmp_path: Path) -> None:
    environment = {"REQUESTS_PER_SESSION": "1", "SESSION_COOKIE": "better-auth.session_token"}
    with running("deployments", tmp_path, environment=environment) as platform:
        statuses = [
            platform.client.get("/", headers={"Cookie": f"a=b; better-auth.session_token={who}"}).status_code
            for who in ["alice"] * 31 + ["bob"]
        ]

    assert [200] * 30 + [429, 200] == statuses


def test_a_quota_outlives_a_restart(tmp_path: Path) -> None:
    statuses = []
    for _ in range(2):
        with running(
            "deployments",
            tmp_path,
            environment={"DEPLOYMENTS_PER_SESSION": "1"},
            arguments=("--store", f"sqlite://{tmp_path}/seawall.db"),
        ) as platform:
            answer = platform.client.post("/deployments", json={"app_name": "shop"})
            statuses.append(answer.status_code)

    assert [201, 429] == statuses


def test_a_request_has_one_id_in_answer_and_logs(platform: Running) -> None:
    answer = webhook(platform, PUSH)
    request_id = answer.headers["X-Request-ID"]

    assert "github" == platform.line(request_id=request_id)["route"]
    assert "allowed" == platform.line("request", request_id=request_id)["decision"]


def test_logs_do_not_show_a_token_of_the_query(platform: Running) -> None:
    platform.client.get("/dashboard?token=opensesame&page=2")

    assert "token=***&page=2" == platform.line(route="pages")["query"]
    assert "opensesame" not in platform.output.read_text()


def test_deliveries_are_counted_and_timed(platform: Running) -> None:
    webhook(platform, PUSH)
    webhook(platform, PUSH)
    metrics = platform.status.get("/metrics").text

    seen = r'\{endpoint="/api/webhooks/\*\*",method="POST"'
    assert re.search(rf'^seawall_http_requests_total{seen},status="200"\}} 2\.0', metrics, re.MULTILINE)
    assert re.search(rf"^seawall_http_request_duration_seconds_count{seen}\}} 2\.0", metrics, re.MULTILINE)
    assert re.search(r'^seawall_refusals_total.*"replay_guard.acknowledged".* 1\.0', metrics, re.MULTILINE)


def test_the_audit_log_tells_who_was_let_in_and_who_was_not(platform: Running) -> None:
    webhook(platform, PUSH)
    platform.client.post(GITHUB, json=PUSH)

    assert "webhook_signature" == platform.line("request", decision="allowed")["identity"]["method"]
    assert "webhook_signature.missing" == platform.line("request", decision="refused")["reason"]
