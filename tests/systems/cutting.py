"""A policy file with one thing taken out."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Collection, Container, Iterator
from pathlib import Path
from typing import Any

from proxy.config.configuration import Configuration
from proxy.config.loader import load
from proxy.config.nodes import Node, Source
from proxy.config.report import Report
from proxy.config.yaml12 import parse
from proxy.errors import ConfigError
from proxy.policies import PIPELINE_ORDER
from proxy.rehearsal.player import play
from tests.systems.pages import ROOT

Step = str | int
NOT_POLICY = ("version", "tests", "test_secrets", "x-")


def document(system: str) -> dict[str, Any]:
    """The policy file of `system`, without its anchors; nothing in it is interpolated."""
    (file,) = (ROOT / "policies" / system).glob("*.yaml")
    node = parse(file.read_bytes(), Source(file.name, "", file.parent), Report())
    assert node is not None
    plain: dict[str, Any] = _plain(node)
    return plain


def _plain(node: Node) -> Any:
    if isinstance(node.value, dict):
        return {key: _plain(child) for key, child in node.value.items()}
    return [_plain(child) for child in node.value] if isinstance(node.value, list) else node.value


def place(document: dict[str, Any], path: str) -> tuple[Step, ...]:
    """Of `routes.health.policies.deadline`: entries of lists by `name`, or as `[1]`; keys may have dots.

    Raises LookupError where there is no such place.
    """
    steps: list[Step] = []
    here: Any = document
    path = path.replace("[", ".[")
    while path:
        named = _numbers(here) if isinstance(here, list) else here
        fitting = [key for key in named if path == key or path.startswith(f"{key}.")]
        if not fitting:
            raise LookupError(path)
        key = max(fitting, key=len)
        step = named[key] if isinstance(here, list) else key
        steps.append(step)
        here = here[step]
        path = path.removeprefix(key).removeprefix(".")
    return tuple(steps)


def _numbers(entries: list[Any]) -> dict[str, int]:
    return {
        entry["name"] if isinstance(entry, dict) and "name" in entry else f"[{number}]": number
        for number, entry in enumerate(entries)
    }


def places(node: Any, above: tuple[Step, ...] = ()) -> Iterator[tuple[Step, ...]]:
    """Every key and entry that says something about requests, from the top."""
    entries = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for step, child in entries:
        if above or not str(step).startswith(NOT_POLICY):
            yield (*above, step)
            yield from places(child, (*above, step))


def without(document: dict[str, Any], steps: tuple[Step, ...]) -> dict[str, Any]:
    """A copy that has nothing at `steps`."""
    cut = copy.deepcopy(document)
    here: Any = cut
    for step in steps[:-1]:
        here = here[step]
    del here[steps[-1]]
    return cut


def write(system: str, document: dict[str, Any], folder: Path) -> Path:
    """`document` as a configuration, beside the other files of its system."""
    shutil.copytree(ROOT / "policies" / system, folder, dirs_exist_ok=True)
    for file in folder.glob("*.yaml"):
        file.unlink()
    (folder / "cut.yaml").write_text(json.dumps(document), encoding="utf-8")  # YAML is more than JSON
    return folder


def loaded(folder: Path) -> Configuration:
    """As its own tests see it."""
    return load(folder, PIPELINE_ORDER, env={}, rehearsal=True)


def failures(
    folder: Path, named: Collection[str] | None = None, *, first: Container[str] | None = None
) -> dict[str, bool] | None:
    """Name of each rehearsed test -> whether it fails; None where nothing can be loaded.

    With `named`, of these alone. With `first`, no further than to the first that fails, and
    these before the others.
    """
    try:
        configuration = loaded(folder)
        failed = {}
        for stated in sorted(configuration.tests, key=lambda each: each.test.name not in (first or ())):
            name = stated.test.name
            if named is None or name in named:
                failed[name] = play(configuration, stated).failure is not None
                if first is not None and failed[name]:
                    break
    except ConfigError:
        return None
    return failed
