"""A configuration as `run` would load it, for commands that only look at it."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.app.compile import Plan
from proxy.cli.loading import planned
from proxy.errors import ConfigError
from tests.cli.files import BAD, GOOD, WITHOUT_UPSTREAM, a_file

NAMED = GOOD.replace("30s", '"${TOTAL}"') + "test_secrets: {env: {TOTAL: 40s}}\n"


def total(plan: Plan) -> float:
    (deadline, *_) = plan.configuration.routes[0].policies
    return float(deadline.config.total)


def test_every_policy_is_built(tmp_path: Path) -> None:
    plan = planned(Path(a_file(tmp_path, GOOD)), None, allow_literal_secrets=False)

    assert ["tickets"] == [route.facts.name for route in plan.routes]


def test_problems_are_raised(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="30 is no duration"):
        planned(Path(a_file(tmp_path, BAD)), None, allow_literal_secrets=False)


def test_the_upstream_may_come_from_outside(tmp_path: Path) -> None:
    plan = planned(
        Path(a_file(tmp_path, WITHOUT_UPSTREAM)), "http://127.0.0.1:9", allow_literal_secrets=False
    )

    assert "127.0.0.1:9" == plan.addresses["app"].authority


def test_test_secrets_stand_above_the_environment_where_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOTAL", "20s")
    file = Path(a_file(tmp_path, NAMED))
    real = planned(file, None, allow_literal_secrets=False)
    test = planned(file, None, allow_literal_secrets=False, test_secrets=True)

    assert (20.0, 40.0) == (total(real), total(test))
