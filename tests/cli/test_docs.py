"""`seawall docs`: what it writes of a policy."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import CliRunner

from proxy.cli.docs import docs, pages
from proxy.policies import PIPELINE_ORDER, edge
from proxy.policy import AnyPolicyType, PolicyType

GUARD = '''\
"""Guard the gate.

And the bridge.
"""

from typing import Annotated, Literal

from msgspec import Meta, field

from proxy.config.schema import PolicyConfig, Schema
from proxy.config.units import Duration, HeaderName, Share, Size

REASONS = ((403, "guard.shut", "The gate is shut."),)


class Trip(Schema, frozen=True, kw_only=True):
    ratio: Annotated[Share, Meta(description="How many.")] = Share(0.5)
    after: Annotated[int | None, Meta(ge=2, description="At least so many.")] = None


class Named(Schema, frozen=True, kw_only=True):
    status: Annotated[int, Meta(description="A status.")]


class GuardConfig(PolicyConfig, frozen=True, kw_only=True):
    wait: Annotated[Duration, Meta(description="A | in a table.")]
    pause: Annotated[Duration, Meta(description="Half.")] = Duration(1.5)
    never: Annotated[Duration, Meta(description="None.")] = Duration(0)
    size: Annotated[Size, Meta(description="Large.")] = Size(3 * 2**20)
    odd: Annotated[Size, Meta(description="Odd.")] = Size(1025)
    on: Annotated[bool, Meta(description="Whether.")] = True
    kinds: Annotated[tuple[Literal["a", "b"], ...], Meta(description="Which.")] = ("a", "b")
    also: Annotated[int | HeaderName, Meta(description="Either.")] = 3
    trip: Annotated[Trip, Meta(description="When.")] = Trip()
    trips: Annotated[tuple[Trip, ...], Meta(description="Many.")] = ()
    groups: Annotated[dict[HeaderName, Named], Meta(description="By name.")] = field(default_factory=dict)
    weights: Annotated[dict[str, int], Meta(description="Each.")] = field(default_factory=lambda: {"high": 2})


class Guard:
    def __init__(self, config, services):
        pass
'''


@pytest.fixture
def guard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AnyPolicyType]:
    """A policy in the phase `edge`, with all that a schema can hold."""
    (tmp_path / "guard.py").write_text(GUARD, encoding="utf-8")
    monkeypatch.setattr(edge, "__path__", [*edge.__path__, str(tmp_path)])
    module = import_module("proxy.policies.edge.guard")
    yield PolicyType("guard", module.GuardConfig, module.Guard, scalar="wait", no_shadow="it is a gate")
    del sys.modules[module.__name__]


def test_a_page_says_all_that_there_is_to_know(guard: AnyPolicyType) -> None:
    policies = (PIPELINE_ORDER[0], guard)

    assert PAGE == pages(policies)["guard.md"]


PAGE = """\
<!-- Written by `seawall docs` from proxy/policies/edge/guard.py: change that, not this. -->

# guard

Guard the gate.

Phase [edge](README.md#edge). `guard: …` is short for `guard: {wait: …}`. \
`mode: shadow` and shares are refused at load: it is a gate.

And the bridge.

## Keys

| Key | Type | Default | What it says |
| --- | --- | --- | --- |
| `wait` | duration such as `30s` | required | A \\| in a table. |
| `pause` | duration such as `30s` | `1500ms` | Half. |
| `never` | duration such as `30s` | `0ms` | None. |
| `size` | size such as `10MiB` | `3MiB` | Large. |
| `odd` | size such as `10MiB` | `1025B` | Odd. |
| `on` | true or false | `true` | Whether. |
| `kinds` | list: `a` or `b` | `[a, b]` | Which. |
| `also` | a whole number or header name such as `X-Request-ID` | `3` | Either. |
| `trip` | a mapping |  | When. |
| `trip.ratio` | share such as `20%` | `50%` | How many. |
| `trip.after` | a whole number of at least 2 |  | At least so many. |
| `trips` | list: a mapping |  | Many. |
| `trips.ratio` | share such as `20%` | `50%` | How many. |
| `trips.after` | a whole number of at least 2 |  | At least so many. |
| `groups` | mapping: header name such as `X-Request-ID`, to a mapping |  | By name. |
| `groups.status` | a whole number | required | A status. |
| `weights` | mapping: text, to a whole number | `{high: 2}` | Each. |
| `mode` | mode such as `shadow` | `enforce` | `enforce`; `shadow`: decide and report, change nothing; \
`disabled`; or a share such as `10%`: enforced for that share of callers, shadow for the rest. |

## Refusals

| Reason | Status | What the client reads |
| --- | --- | --- |
| `guard.shut` | 403 | The gate is shut. |
"""


def test_a_policy_that_refuses_nothing_has_no_table_of_refusals() -> None:
    assert "## Refusals" not in pages()["forwarded.md"]


def test_the_index_lists_every_policy_in_its_phase(guard: AnyPolicyType) -> None:
    index = pages((guard,))["README.md"]

    assert "## edge\n\nFirst: what holds for every exchange" in index
    assert index.endswith("| [`guard`](guard.md) | Guard the gate. | 403 |\n")


def test_the_command_writes_a_page_for_each_policy_and_an_index(tmp_path: Path) -> None:
    out = tmp_path / "new" / "pages"

    result = CliRunner().invoke(docs, ["--out", str(out)])

    assert (0, f"{len(pages())} pages in {out}\n") == (result.exit_code, result.output)
    assert pages() == {path.name: path.read_text(encoding="utf-8") for path in out.iterdir()}


def test_a_place_that_cannot_be_written_to_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    result = CliRunner().invoke(docs, ["--out", str(tmp_path / "file" / "pages")])

    assert 2 == result.exit_code
    assert "can't write there: Not a directory" in result.output
