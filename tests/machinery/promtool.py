"""Prometheus's own tool, which plays rules against series that a test makes up."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")


def promtool(*arguments: str) -> str:
    done = subprocess.run([PROMTOOL or "", *arguments], text=True, capture_output=True, check=False)
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


def assert_fires(
    folder: Path,
    rules: Path,
    alert: str,
    series: Mapping[str, str],
    when: str,
    *,
    fires: bool,
    where: str = "",
) -> None:
    """Play `rules`, with a file in `folder`.

    `series` have their labels, and values by the minute: `0+4x20` is 0, and 4 more in each of
    the next 20. `where`: labels that the alert has.
    """
    told = {
        "expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"{where}}}) > bool 0',
        "eval_time": when,
        "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
    }
    played = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [told],
    }
    file = folder / "test.yaml"
    file.write_text(
        yaml.safe_dump({"rule_files": [str(rules)], "evaluation_interval": "1m", "tests": [played]})
    )

    promtool("test", "rules", str(file))
