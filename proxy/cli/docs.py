"""`seawall docs`: a page for each policy, from its docstring and its schema.

The docstring says what a reader should know, the schema what can be written, and the
module's `REASONS` with what it refuses; nothing is said twice, so that nothing can differ.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from proxy.config.schema import Schema
from proxy.config.shapes import (
    ListShape,
    LiteralShape,
    MapShape,
    Shape,
    StructShape,
    UnionShape,
    UnitShape,
    struct_shape,
)
from proxy.config.spelling import spelled
from proxy.config.units import Duration, Share, Size, StatusSet
from proxy.policies import PIPELINE_ORDER
from proxy.policy import AnyPolicyType

_INDEX = """\
# Policies, in the order a request meets them

The order is the same for every route and can't be changed; `seawall effective` prints what
is in force on one. Responses pass the policies the other way round. Every policy takes
`mode`: `enforce`, `shadow` (decide and report, change nothing), `disabled`, or a share such
as `10%`, which is enforced for that share of callers and in shadow for the rest. A policy
that refuses nothing has no shadow, and its page says so.
"""

_MILLISECONDS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_BYTES = {"GiB": 2**30, "MiB": 2**20, "KiB": 2**10, "B": 1}


@click.command(name="docs")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("docs/policies"),
    show_default=True,
    help="Directory to write to; made where it is missing.",
)
def docs(out: Path) -> None:
    """Write the reference of the policies as Markdown, a page for each and an index."""
    written = pages()
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in written.items():
            (out / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.BadParameter(f"can't write there: {error.strerror}", param_hint="--out") from error
    click.echo(f"{len(written)} pages in {out}")


def pages(policies: Sequence[AnyPolicyType] = PIPELINE_ORDER) -> dict[str, str]:
    """File name -> text of every page. The same for the same sources."""
    written = {f"{policy.name}.md": _page(policy) for policy in policies}
    return {"README.md": _index(policies), **written}


def _index(policies: Sequence[AnyPolicyType]) -> str:
    parts = [_written_from("proxy/policies/"), _INDEX]
    for phase in dict.fromkeys(map(_phase, policies)):
        package = import_module(f"proxy.policies.{phase}")
        rows = [
            (f"[`{policy.name}`]({policy.name}.md)", _docstring(policy)[0], _statuses(policy))
            for policy in policies
            if _phase(policy) == phase
        ]
        table = _table(("Policy", "What it does", "Refuses with"), rows)
        parts.append(f"## {phase}\n\n{package.__doc__}\n\n{table}")
    return "\n".join(parts)


def _page(policy: AnyPolicyType) -> str:
    summary, body = _docstring(policy)
    schema: type[Schema] = policy.config
    keys = _table(("Key", "Type", "Default", "What it says"), _rows(struct_shape(schema)))
    place = " ".join(_place(policy))
    parts = [_written_from(_source(policy)), f"# {policy.name}\n", f"{summary}\n", f"{place}\n", f"{body}\n"]
    parts.append(f"## Keys\n\n{keys}")
    if reasons := _reasons(policy):
        rows = [(f"`{reason}`", str(status), detail) for status, reason, detail in reasons]
        refusals = _table(("Reason", "Status", "What the client reads"), rows)
        parts.append(f"## Refusals\n\n{refusals}")
    return "\n".join(parts)


def _place(policy: AnyPolicyType) -> Iterator[str]:
    phase = _phase(policy)
    yield f"Phase [{phase}](README.md#{phase})."
    if policy.scalar:
        yield f"`{policy.name}: …` is short for `{policy.name}: {{{policy.scalar}: …}}`."
    if policy.no_shadow:
        yield f"`mode: shadow` and shares are refused at load: {policy.no_shadow}."


def _written_from(source: str) -> str:
    return f"<!-- Written by `seawall docs` from {source}: change that, not this. -->\n"


def _source(policy: AnyPolicyType) -> str:
    path = policy.config.__module__.replace(".", "/")
    is_package = hasattr(sys.modules[policy.config.__module__], "__path__")
    return f"{path}/__init__.py" if is_package else f"{path}.py"


def _phase(policy: AnyPolicyType) -> str:
    return policy.config.__module__.split(".")[2]


def _docstring(policy: AnyPolicyType) -> tuple[str, str]:
    """What the module says: its first line, and the rest."""
    text = sys.modules[policy.config.__module__].__doc__ or ""
    summary, _, body = text.strip().partition("\n\n")
    return " ".join(summary.split()), body


def _reasons(policy: AnyPolicyType) -> tuple[tuple[int, str, str], ...]:
    reasons: tuple[tuple[int, str, str], ...] = sys.modules[policy.config.__module__].REASONS
    return reasons


def _statuses(policy: AnyPolicyType) -> str:
    return ", ".join(dict.fromkeys(str(status) for status, _, _ in _reasons(policy)))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    cells = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def _rows(schema: StructShape, prefix: str = "") -> list[tuple[str, str, str, str]]:
    """A row for each key; those of a nested mapping follow it, with its name and a dot."""
    rows = []
    # What all policies share stands at the end, below what this one is about.
    for name, field in sorted(schema.fields.items(), key=lambda item: item[0] == "mode"):
        key = f"{prefix}{name}"
        default = "required" if field.required else _default_in_words(field.default)
        rows.append((f"`{key}`", _in_words(field.shape), default, field.description))
        for nested in _structs_in(field.shape):
            rows += _rows(nested, f"{key}.")
    return rows


def _structs_in(shape: Shape) -> Iterator[StructShape]:
    """The schemas that `shape` nests, at any depth but within one another; policies have their own page."""
    if isinstance(shape, StructShape):
        if _policy_of(shape) is None:
            yield shape
    elif isinstance(shape, ListShape):
        yield from _structs_in(shape.item)
    elif isinstance(shape, MapShape):
        yield from _structs_in(shape.value)
    elif isinstance(shape, UnionShape):
        for option in shape.options:
            yield from _structs_in(option)


def _policy_of(shape: StructShape) -> str | None:
    """The name of the policy whose keys these are."""
    return next((policy.name for policy in PIPELINE_ORDER if policy.config is shape.type), None)


def _in_words(shape: Shape) -> str:
    if isinstance(shape, UnitShape):
        noun = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", shape.unit.__name__).lower()
        return f"{noun} such as `{shape.unit.example}`"
    if isinstance(shape, LiteralShape):
        return " or ".join(f"`{_as_written(value)}`" for value in shape.values)
    if isinstance(shape, ListShape):
        return f"list: {_in_words(shape.item)}"
    if isinstance(shape, StructShape):
        return _mapping_in_words(shape)
    if isinstance(shape, MapShape):
        return f"mapping: {_in_words(shape.key)}, to {_in_words(shape.value)}"
    return " or ".join(map(_in_words, shape.options)) if isinstance(shape, UnionShape) else shape.words


def _mapping_in_words(shape: StructShape) -> str:
    policy = _policy_of(shape)
    return f"the keys of [`{policy}`]({policy}.md), but `mode`" if policy else shape.words


def _default_in_words(value: Any) -> str:
    absent = value is None or value in ((), {}) or isinstance(value, Schema)
    return "" if absent else f"`{_as_written(value)}`"


def _as_written(value: Any) -> str:
    """As it would stand in a policy file."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_as_written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, StatusSet):
        value = spelled(value)
    if isinstance(value, (tuple, list, frozenset)):
        return f"[{', '.join(map(_as_written, value))}]"
    return _WRITTEN.get(type(value), str)(value)


def _in_largest(amount: int, units: dict[str, int]) -> str:
    """In the largest unit that divides it without a rest; nothing at all in the smallest."""
    for unit, size in units.items():
        if amount >= size and amount % size == 0:
            return f"{amount // size}{unit}"
    return f"0{unit}"


_WRITTEN: dict[type, Callable[[Any], str]] = {
    bool: lambda value: str(value).lower(),
    Duration: lambda value: _in_largest(round(value * 1000), _MILLISECONDS),
    Size: lambda value: _in_largest(value, _BYTES),
    Share: lambda value: f"{value * 100:g}%",
}
