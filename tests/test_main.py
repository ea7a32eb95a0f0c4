"""`python -m proxy`."""

from __future__ import annotations

import runpy

import pytest

import proxy.cli


def test_the_module_runs_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    monkeypatch.setattr(proxy.cli, "main", lambda: calls.append("called"))

    runpy.run_module("proxy.__main__", run_name="__main__")
    runpy.run_module("proxy.__main__", run_name="imported")

    assert ["called"] == calls
