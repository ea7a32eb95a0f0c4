"""What a policy costs by itself: every case is let through, and has a figure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import micro


def test_each_case_has_a_figure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(micro, "BATCH", 2)
    written = tmp_path / "figures.json"

    micro.main(["--rounds", "1", "--json", str(written)])

    assert {case.name for case in micro.CASES} == set(json.loads(written.read_text())["policies"])


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in micro.CASES])
async def test_each_request_passes_its_policies(case: micro.Case) -> None:
    answer = await micro._route(case.policies).respond(case.request())

    assert 200 == answer.status


async def test_a_request_without_what_they_ask_for_does_not() -> None:
    [case] = [case for case in micro.CASES if case.name == "api_key, one key"]

    answer = await micro._route(case.policies).respond(micro.plain())

    assert 401 == answer.status
