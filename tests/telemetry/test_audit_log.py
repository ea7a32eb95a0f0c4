"""What an auditor finds in the audit log."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Lock
from typing import Any

import pytest

from proxy.errors import Rejection, UpstreamError
from proxy.exchange import Exchange, Identity, Outcome
from proxy.telemetry.audit_log import AuditLog
from proxy.telemetry.redaction import Redaction
from proxy.testing import FakeClock
from tests.telemetry.test_access_log import an_exchange

JOE = Identity("joe", "basic_auth", {"password": "hunter2"})
REFUSED = Rejection(401, "api_key.invalid", "No.", cause="hunter2", facts={"key": "hunter2"})


class Kept:
    """A log whose file is read after it was closed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.calls: list[Any] = []
        self.log = AuditLog(
            str(path),
            FakeClock(start=1_700_000_000.25),
            lambda seconds, call: self.calls.append((seconds, call)),
            max_size=10**6,
            keep=1,
            on_failure="refuse",
            lock=Lock(),
        )

    def lines(self) -> list[dict[str, Any]]:
        assert self.log.close()
        return [json.loads(line) for line in self.path.read_text().splitlines()]


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "audit.log")


def outcome(status: int = 200, reason: str = "") -> Outcome:
    return Outcome(status, 101.0, reason)


def of(identity: Identity | None = None, refusal: Rejection | None = None) -> Exchange:
    exchange = an_exchange("/api/tickets/7?q=hunter2", "POST")
    exchange.request.headers.add("Authorization", "hunter2")
    exchange.request.content = b"hunter2"
    exchange.identity, exchange.refusal = identity, refusal
    return exchange


def test_who_what_decision_and_reason(kept: Kept) -> None:
    exchange = of(JOE, REFUSED)
    exchange.shadow(Rejection(403, "csrf.origin", "No.", cause="hunter2"))
    kept.log.write(exchange, outcome(401))

    assert [
        {
            "time": "2023-11-14T22:13:20.250Z",
            "kind": "request",
            "request_id": "r-1",
            "decision_id": "d-1",
            "route": "tickets",
            "method": "POST",
            "path": "/api/tickets/7",
            "client_ip": "192.0.2.7",
            "identity": {"id": "joe", "method": "basic_auth"},
            "status": 401,
            "decision": "refused",
            "reason": "api_key.invalid",
            "shadow": ["csrf.origin"],
            "revision": "",
        }
    ] == kept.lines()


@pytest.mark.parametrize(
    ("exchange", "ended", "decision"),
    [
        (of(JOE), outcome(), "allowed"),
        (of(JOE), outcome(499, "client.left"), "failed"),
        (of(JOE, UpstreamError(502, "upstream.refused")), outcome(502), "failed"),
        (of(JOE, Rejection(500, "internal.error")), outcome(500), "failed"),
        (of(None, REFUSED), outcome(401), "refused"),
        (of(JOE, Rejection(503, "circuit_breaker.open")), outcome(503), "refused"),
        (of(), outcome(), None),
        (of(None, UpstreamError(502, "upstream.refused")), outcome(502), None),
        (of(None, Rejection(503, "audit.unavailable")), outcome(503), None),
    ],
    ids=[
        *("let in", "who left", "an upstream that failed", "a bug", "refused", "refused, and known"),
        *("nobody in particular", "nobody, and a failure", "what could not be audited"),
    ],
)
def test_authenticated_and_refused_requests_are_told_of(
    kept: Kept, exchange: Exchange, ended: Outcome, decision: str | None
) -> None:
    kept.log.write(exchange, ended)

    assert ([] if decision is None else [decision]) == [line["decision"] for line in kept.lines()]


def test_no_body_no_query_no_header_and_no_secret_is_in_it(kept: Kept) -> None:
    kept.log.write(of(JOE, REFUSED), outcome(401))
    kept.lines()

    assert "hunter2" not in kept.path.read_text()


def test_what_is_redacted_is_not_in_it(kept: Kept) -> None:
    kept.log.redaction = Redaction(["path.id", "client.ip", "auth.id"])
    kept.log.write(of(JOE), outcome())
    (line,) = kept.lines()

    assert ("/api/tickets/***", "***", {"id": "***", "method": "basic_auth"}) == (
        line["path"],
        line["client_ip"],
        line["identity"],
    )


def test_no_client_can_forge_a_line(kept: Kept) -> None:
    exchange = of(Identity('joe"}\n{"a":"é\udcff' + "x" * 5000, "jwt"))
    kept.log.write(exchange, outcome())
    (line,) = kept.lines()

    assert (True, True) == (line["identity"]["id"].startswith('joe"}\n{'), len(line["identity"]["id"]) < 2100)
    assert kept.path.read_bytes().isascii()


def test_lines_are_handed_over_soon(kept: Kept) -> None:
    kept.log.write(of(JOE), outcome())
    kept.log.write(of(JOE), outcome())
    ((seconds, flush),) = kept.calls
    flush()

    assert 0.2 == seconds
    assert 2 == len(kept.lines())


def test_a_file_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot write the audit log .*: No such file or directory"):
        Kept(tmp_path / "no" / "audit.log")
