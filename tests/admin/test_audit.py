"""What the log tells of changes through the admin port."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.admin.access import Caller
from proxy.admin.audit import MOST_REFUSALS, Audit
from proxy.errors import Rejection
from proxy.testing import FakeClock

RELOAD = Caller("POST", "/api/reload", "10.0.0.5", ("10.0.0.2", 9901), ["10.0.0.2:9901"])


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def audit(clock: FakeClock, caplog: pytest.LogCaptureFixture) -> Audit:
    caplog.set_level("INFO", "seawall.audit")
    return Audit(clock.monotonic, has_token=True)


def told(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [json.loads(record.message.removeprefix("admin ")) for record in caplog.records]


@pytest.mark.parametrize(
    ("status", "reason", "level", "outcome", "by"),
    [
        pytest.param(200, "", "INFO", "done", "token", id="done"),
        pytest.param(422, "config.refused", "WARNING", "refused", "token", id="files with problems"),
        pytest.param(500, "internal.error", "WARNING", "failed", "token", id="a bug"),
        pytest.param(401, "admin.token", "WARNING", "refused", None, id="not let in"),
    ],
)
def test_a_line_says_who_did_what_and_how_it_ended(
    audit: Audit,
    caplog: pytest.LogCaptureFixture,
    status: int,
    reason: str,
    level: str,
    outcome: str,
    by: str | None,
) -> None:
    audit.tell(RELOAD, status, reason)

    line = {"peer": "10.0.0.5", "origin": None, "by": by, "what": "POST /api/reload"}
    line |= {"outcome": outcome, "status": status} | ({"reason": reason} if reason else {})
    assert ([line], [level]) == (told(caplog), [record.levelname for record in caplog.records])


def test_without_a_token_it_was_somebody_on_this_machine(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "seawall.audit")

    Audit(clock.monotonic, has_token=False).tell(RELOAD, 200)

    assert ["this machine"] == [line["by"] for line in told(caplog)]


def test_no_request_can_forge_a_line_or_fill_the_log(audit: Audit, caplog: pytest.LogCaptureFixture) -> None:
    long = "x" * 100_000
    audit.tell(
        Caller("POST", f"/\r\n\x1b[2J{long}", "10.0.0.5", ("", 0), [], origin=f"é\n{long}"), 404, "admin.x"
    )

    (record,) = caplog.records
    assert (True, True) == (
        record.message.isascii() and record.message.isprintable(),
        len(record.message) < 800,
    )


async def test_of_those_who_are_not_let_in_some_lines_say_as_much_as_all(
    audit: Audit, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(MOST_REFUSALS + 25):
        audit.tell(RELOAD, 401, "admin.token")
    audit.tell(RELOAD, 200)
    await clock.advance(60)
    audit.tell(RELOAD, 401, "admin.token")

    lines = told(caplog)
    assert [401] * MOST_REFUSALS + [200, 401] == [line["status"] for line in lines]
    assert [25] == [line["unlogged_before"] for line in lines if "unlogged_before" in line]


class Recorded:
    """An audit log that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, object]]] = []
        self.unavailable = False

    def add(self, kind: str, line: dict[str, object]) -> None:
        self.lines.append((kind, line))


def test_a_change_is_in_the_audit_log_too(clock: FakeClock) -> None:
    log = Recorded()
    audit = Audit(clock.monotonic, has_token=True, log=log)  # type: ignore[arg-type]
    for status, reason in ((200, ""), (422, "config.refused"), (500, "internal.error")):
        audit.tell(RELOAD, status, reason)

    assert [("admin", "allowed"), ("admin", "refused"), ("admin", "failed")] == [
        (kind, line["decision"]) for kind, line in log.lines
    ]


def test_what_could_not_be_told_of_is_refused(clock: FakeClock) -> None:
    log = Recorded()
    audit = Audit(clock.monotonic, has_token=True, log=log)  # type: ignore[arg-type]
    audit.check()
    log.unavailable = True

    with pytest.raises(Rejection, match=r"audit\.unavailable"):
        audit.check()
