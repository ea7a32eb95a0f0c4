"""A second upstream in the production proxy, as `seawall test` plays it."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from proxy.cli import main


def test_another_upstream_answers_while_a_breaker_is_open_enforced_and_in_shadow() -> None:
    played = CliRunner().invoke(main, ["test", str(Path(__file__).with_name("fallback.yaml"))])

    assert 0 == played.exit_code, played.output
    assert ", 0 failed" in played.output
