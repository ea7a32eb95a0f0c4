"""The policies of this phase in the production proxy, as `seawall test` plays them."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from proxy.cli import main


def test_one_of_several_ways() -> None:
    played = CliRunner().invoke(main, ["test", str(Path(__file__).with_name("authenticate.yaml"))])

    assert (0, True) == (played.exit_code, "5 tests: 5 passed, 0 failed" in played.output), played.output


def test_a_developer_without_a_secret() -> None:
    file = str(Path(__file__).with_name("dev.yaml"))
    played, refused = (CliRunner().invoke(main, ["test", *env, file]) for env in (["--env", "dev"], []))

    assert (0, True) == (played.exit_code, "2 tests: 2 passed, 0 failed" in played.output), played.output
    assert (1, 4) == (refused.exit_code, refused.output.count("routes[")), refused.output


def test_who_may_come_in_enforced_and_in_shadow() -> None:
    played = CliRunner().invoke(main, ["test", str(Path(__file__).with_name("identity.yaml"))])

    assert (0, True) == (played.exit_code, "5 tests: 5 passed, 0 failed" in played.output), played.output
