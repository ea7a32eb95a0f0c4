"""The pages that are checked in are those that `seawall docs` writes, and their examples work."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

import proxy
from proxy.cli.docs import pages
from proxy.config.loader import load
from proxy.policies import PIPELINE_ORDER
from proxy.policy import AnyPolicyType, Hooks
from proxy.testing import fake_services

PAGES = Path(proxy.__file__).parent.parent / "docs" / "policies"

ROUTE = """\
version: 1
upstreams: {app: {url: "http://127.0.0.1:3000"}}
routes:
  - name: example
    match: {path: "/**"}
    policies:
"""


class Anything(dict[str, str]):
    """An environment in which every secret is set."""

    def get(self, name: str, default: object = None) -> str:  # type: ignore[override]
        return f"secret: {name}"


def test_the_pages_are_up_to_date() -> None:
    checked_in = {path.name: path.read_text(encoding="utf-8") for path in PAGES.glob("*.md")}

    written = pages()
    stale = [name for name, text in written.items() if checked_in.get(name) != text]
    assert [] == stale, "run: seawall docs"
    assert set() == checked_in.keys() - written.keys(), "pages of policies that are gone"


@pytest.mark.parametrize("policy", [pytest.param(policy, id=policy.name) for policy in PIPELINE_ORDER])
def test_the_examples_on_a_page_load_and_can_be_built(policy: AnyPolicyType, tmp_path: Path) -> None:
    examples = re.findall(r"^```yaml\n(.*?)^```$", pages()[f"{policy.name}.md"], re.MULTILINE | re.DOTALL)

    assert examples
    for example in examples:
        file = tmp_path / "policies.yaml"
        file.write_text(ROUTE + textwrap.indent(example, " " * 6), encoding="utf-8")
        (instance,) = load(file, PIPELINE_ORDER, env=Anything()).routes[0].policies
        assert policy.name == instance.kind
        assert Hooks() != Hooks.of(policy.build(instance.config, fake_services()))
