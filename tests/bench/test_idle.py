"""What the sidecar takes where nobody asks: a real one, for a moment."""

from __future__ import annotations

import re

import pytest

from bench import idle
from tests.machinery.charts import APP, ROOT


def test_it_says_what_the_sidecar_holds_which_is_less_than_60_mib(capsys: pytest.CaptureFixture[str]) -> None:
    idle.main(["--seconds", "1"])

    told = re.findall(r"^ +([\d.]+) MiB +([\d.]+)% of a core  (\w+)", capsys.readouterr().out, re.MULTILINE)
    assert ["where", "with"] == [what for *_, what in told]
    assert all(20 < float(resident) < 60 for resident, *_ in told)


def test_it_is_started_as_the_chart_and_the_image_do() -> None:
    image = (ROOT / "Dockerfile").read_text()
    chart = (APP.parent / "seawall-sidecar" / "templates" / "_container.tpl").read_text()

    assert [] == [f"{name}={value}" for name, value in idle.MALLOC.items() if f"{name}={value}" not in image]
    assert 4 == len(idle.MALLOC)
    assert {"/livez", "/readyz"} == set(re.findall(r"path: (/\w+)", chart))
    assert {"/livez", "/readyz", "/metrics"} == set(idle.ASKERS)
