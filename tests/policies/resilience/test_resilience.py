"""The policies of this phase in the production proxy, as `seawall test` plays them."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from proxy.cli import main


def test_how_the_upstream_is_called_enforced_and_in_shadow() -> None:
    played = CliRunner().invoke(main, ["test", str(Path(__file__).with_name("resilience.yaml"))])

    assert 0 == played.exit_code, played.output
    assert ", 0 failed" in played.output
