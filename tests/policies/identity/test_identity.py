"""The policies of this phase in the production proxy, as `seawall test` plays them."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from proxy.cli import main


def test_who_may_come_in_enforced_and_in_shadow() -> None:
    played = CliRunner().invoke(main, ["test", str(Path(__file__).with_name("identity.yaml"))])

    assert (0, True) == (played.exit_code, "4 tests: 4 passed, 0 failed" in played.output), played.output
