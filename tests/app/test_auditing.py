"""The audit log as the command line asks for it."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Lock
from typing import Any

import pytest

from proxy.app.auditing import audit_log
from proxy.app.settings import Settings
from proxy.testing import FakeClock


def made(**settings: Any) -> Any:
    return audit_log(Settings(Path("p"), **settings), FakeClock(), lambda *_: None, Lock())


def test_there_is_none_unless_somebody_asks() -> None:
    assert made() is None


def test_it_begins_with_the_start_of_the_process(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    assert made(audit_log=str(path)).close()
    (line,) = map(json.loads, path.read_text().splitlines())

    assert ("process", "start") == (line["kind"], line["what"])


@pytest.mark.parametrize(("on_failure", "refuses"), [("refuse", True), ("drop", False)])
def test_what_happens_where_it_cannot_be_written_is_as_asked(on_failure: str, refuses: bool) -> None:
    log = made(audit_log="/dev/full", audit_on_failure=on_failure)
    log.close()

    assert (refuses, "No space left on device") == (log.unavailable, log.error)
