"""Each line of a system's policies is there for something: without it the test that the page names fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.config.configuration import Configuration
from proxy.config.difference import changes
from tests.systems.apart import fails
from tests.systems.cutting import Step, document, failures, loaded, place, places, without, write
from tests.systems.pages import SYSTEMS, Row, rows

KEPT = [(system, row) for system in SYSTEMS for row in rows(system) if row.paths]


@pytest.mark.parametrize(
    ("system", "row"), [pytest.param(system, row, id=f"{system}-{row.item}") for system, row in KEPT]
)
def test_the_test_that_shows_an_item_fails_without_its_line(tmp_path: Path, system: str, row: Row) -> None:
    stated = document(system)
    failed: dict[str, set[str]] = {}
    for number, path in enumerate(row.paths):
        cut = write(system, without(stated, place(stated, path)), tmp_path / str(number))
        found = failures(cut, row.rehearsed)
        assert found is not None, f"nothing loads without {path}, so that this shows nothing"
        failed[path] = {name for name in row.rehearsed if found[name]}
        for name in row.on_the_wire:
            # Over sockets it is slow: only while it is not known to show anything, or nothing else does.
            if not failed[path] or not any(name in names for names in failed.values()):
                failed[path] |= {name} if fails(system, name, cut) else set()

    assert {} == {path: "no test fails without it" for path, names in failed.items() if not names}
    assert {*row.rehearsed, *row.on_the_wire} == set().union(*failed.values())


def test_over_sockets_nothing_fails_with_all_lines(tmp_path: Path) -> None:
    system, name = next((system, row.on_the_wire[0]) for system, row in KEPT if row.on_the_wire)

    assert not fails(system, name, write(system, document(system), tmp_path / "whole"))


@pytest.mark.parametrize("system", SYSTEMS)
def test_no_line_can_be_deleted_unnoticed(tmp_path: Path, system: str) -> None:
    stated = document(system)
    kept = [(place(stated, path), row) for each, row in KEPT if each == system for path in row.paths]
    over_sockets = {
        steps[:length] for steps, row in kept if row.on_the_wire for length in range(1, len(steps) + 1)
    }
    whole = loaded(write(system, stated, tmp_path / "whole"))
    unnoticed = [
        steps
        for number, steps in enumerate(places(stated))
        if steps not in over_sockets
        and not noticed(
            write(system, without(stated, steps), tmp_path / str(number)), whole, about(steps, kept)
        )
    ]

    assert [] == [spelled(steps) for steps in unnoticed]


def about(steps: tuple[Step, ...], kept: list[tuple[tuple[Step, ...], Row]]) -> set[str]:
    """The tests that the page names for this place, what is in it, or what it is in."""
    return {
        name
        for place, row in kept
        if all(one == other for one, other in zip(steps, place, strict=False))
        for name in row.rehearsed
    }


def noticed(folder: Path, whole: Configuration, likely: set[str]) -> bool:
    """A test fails, or the file is refused; or it comes to the same, since the line says a default aloud."""
    found = failures(folder, first=likely)
    return found is None or any(found.values()) or not changes(whole, loaded(folder))


def spelled(steps: tuple[Step, ...]) -> str:
    return ".".join(map(str, steps))
