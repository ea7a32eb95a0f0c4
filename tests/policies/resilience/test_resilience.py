"""The policies of this phase in the production proxy, as `seawall test` plays them."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from proxy.cli import main


@pytest.mark.parametrize("file", ["resilience.yaml", "fallback.yaml"])
def test_how_the_upstream_is_called_enforced_and_in_shadow(file: str) -> None:
    played = CliRunner().invoke(main, ["test", str(Path(__file__).with_name(file))])

    assert 0 == played.exit_code, played.output
    assert ", 0 failed" in played.output
