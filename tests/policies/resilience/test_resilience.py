"""The policies of this phase in the production proxy, as `seawall test` plays them."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from proxy.cli import main

FILES = [
    pytest.param("resilience", id="what becomes of failures"),
    pytest.param("concurrency", id="how many are let in"),
]


@pytest.mark.parametrize("name", FILES)
def test_the_tests_of_a_policy_file_pass_enforced_and_in_shadow(name: str) -> None:
    played = CliRunner().invoke(main, ["test", str(Path(__file__).with_name(f"{name}.yaml"))])

    assert 0 == played.exit_code, played.output
    assert ", 0 failed" in played.output


def test_at_which_pace_calls_are_made_enforced_and_in_shadow() -> None:
    played = CliRunner().invoke(main, ["test", str(Path(__file__).with_name("pace.yaml"))])

    assert 0 == played.exit_code, played.output
    assert ", 0 failed" in played.output
