"""The page that tells the order of policies tells the one that is in force."""

from __future__ import annotations

import re
from pathlib import Path

from proxy.policies import PIPELINE_ORDER

PAGE = Path(__file__).parents[2] / "docs" / "life-of-a-request.md"


def test_the_phases_and_their_policies_are_those_of_the_table_in_its_order() -> None:
    page = PAGE.read_text()
    sections = re.findall(r"^### (\w+)\n(.*?)(?=^##)", page, re.MULTILINE | re.DOTALL)

    told = [
        (phase, policy)
        for phase, text in sections
        for policy in re.findall(r"^\d+\. `(\w+)`$", text, re.MULTILINE)
    ]

    in_force = [(policy.config.__module__.split(".")[2], policy.name) for policy in PIPELINE_ORDER]
    assert in_force == told


def test_every_phase_has_its_paragraph_in_the_order_of_the_way_in() -> None:
    phases = ["edge", "admission", "identity", "checks", "answers", "resilience"]

    assert phases == re.findall(r"^### (\w+)", PAGE.read_text(), re.MULTILINE)
