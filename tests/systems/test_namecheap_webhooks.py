"""Webhooks for a provider, over real sockets: see docs/systems/namecheap-webhooks.md."""

from __future__ import annotations

import hashlib
import hmac
import json
import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from examples import certificates
from tests.systems.running import Running, running

RENEWED = {"id": "evt-1", "type": "domain.renewed", "data": {"domain": "a.example"}}


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Running]:
    with running("namecheap-webhooks", tmp_path) as both:
        yield both


def signed(event: object, secret: bytes = b"namecheap-example-secret") -> dict[str, Any]:
    body = json.dumps(event).encode()
    signature = hmac.new(secret, body, hashlib.sha256).hexdigest()
    return {
        "content": body,
        "headers": {"Content-Type": "application/json", "X-Namecheap-Signature": signature},
    }


def send(provider: Running, event: object, **more: Any) -> httpx.Response:
    return provider.client.post("/webhook", **signed(event, **more))


def done(provider: Running) -> dict[str, list[str]]:
    told: dict[str, list[str]] = provider.behind.get("/done").json()
    return told


def test_an_event_is_worked_on_once_and_only_if_it_is_signed_and_on_the_list(provider: Running) -> None:
    answers = [
        send(provider, RENEWED),
        send(provider, RENEWED),
        send(provider, {"type": "domain.locked"}),
        send(provider, {"type": "ssl.issued"}, secret=b"a guess"),
        provider.client.post("/webhook", json=RENEWED),
        send(provider, {"type": "ssl.issued", "data": {"note": "\x1b[31mred"}}),
    ]

    assert [200, 200, 200, 401, 401, 422] == [answer.status_code for answer in answers]
    assert ["domain.renewed"] == done(provider)["done"]


def test_without_seawall_anybody_has_events_worked_on_and_writes_into_the_log(provider: Running) -> None:
    provider.behind.post("/webhook", json=RENEWED)
    provider.behind.post("/webhook", json=RENEWED)
    provider.behind.post("/webhook", json={"type": "any\nthing"})

    assert (3, "event any\nthing: None") == (len(done(provider)["done"]), done(provider)["log"][-1])


def test_what_the_provider_failed_to_take_may_come_again(provider: Running) -> None:
    provider.behind.post("/fail")

    assert [500, 200, 200] == [send(provider, RENEWED).status_code for _ in range(3)]
    assert ["domain.renewed"] == done(provider)["done"]


@pytest.mark.parametrize("enabled", [None, "false", "true"])
def test_webhooks_are_off_until_they_are_switched_on(tmp_path: Path, enabled: str | None) -> None:
    secret = "namecheap-example-secret" if enabled == "true" else None
    environment = {"WEBHOOK_ENABLED": enabled, "WEBHOOK_SECRET": secret}
    with running("namecheap-webhooks", tmp_path, environment=environment) as provider:
        status = send(provider, RENEWED).status_code

    assert (200 if enabled == "true" else 404) == status


def test_with_a_certificate_webhooks_come_by_https(tmp_path: Path) -> None:
    made, folder = tmp_path / "made", tmp_path / "tls"
    made.mkdir()
    folder.mkdir()
    certificates.make(made)
    for name in ("tls.crt", "tls.key"):
        shutil.copy(made / "server.pem", folder / name)
    context = ssl.create_default_context(cafile=made / "authority.pem")

    with running("namecheap-webhooks", tmp_path, arguments=["--tls-cert-dir", str(folder)]) as provider:
        url = f"https://localhost:{provider.port}/webhook"
        answer = httpx.post(url, **signed(RENEWED), verify=context, trust_env=False)
        with pytest.raises(httpx.HTTPError):
            send(provider, RENEWED)

    assert 200 == answer.status_code


def test_health_is_told_outside_and_metrics_are_not(provider: Running) -> None:
    send(provider, RENEWED)

    assert [200, 404] == [provider.client.get(path).status_code for path in ("/health", "/metrics")]
    seen = {"endpoint": "/webhook", "method": "POST"}
    assert 1 == provider.metric("seawall_http_requests_total", status="200", **seen)
    assert 1 == provider.metric("seawall_http_request_duration_seconds_count", **seen)


def test_the_audit_log_tells_what_came_in_and_what_did_not_and_why(provider: Running) -> None:
    send(provider, RENEWED)
    provider.client.post("/webhook", json=RENEWED)
    send(provider, {"type": "domain.locked"})

    assert "webhook_signature" == provider.line("request", decision="allowed")["identity"]["method"]
    assert provider.line("request", reason="webhook_signature.missing")
    assert provider.line("request", reason="event_filter.acknowledged")
    assert "a.example" not in provider.output.read_text()


def test_nobody_outside_gets_to_the_api(provider: Running) -> None:
    answer = provider.client.get("/xml.response?Command=namecheap.domains.getList")

    assert 404 == answer.status_code


def test_a_failure_shows_nothing_of_the_inside(provider: Running) -> None:
    provider.behind.post("/fail")
    failed = send(provider, RENEWED)

    assert (500, "mask_errors.masked") == (failed.status_code, failed.json()["reason"])
    assert "opensesame" not in failed.text
