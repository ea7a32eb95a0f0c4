"""The lock files pin everything, for every machine."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = ["requirements.lock", "requirements-dev.lock"]


def pins(lock: str) -> dict[str, str]:
    """Name -> exact version."""
    text = (ROOT / lock).read_text()
    return dict(re.findall(r"^([a-z0-9-]+)==([^ ;]+)", text, re.MULTILINE))


def wanted(lock: str) -> list[Requirement]:
    """What `pyproject.toml` asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    asked = [line for extra, lines in extras.items() for line in lines if extra != "dev" or "dev" in lock]
    return [Requirement(line) for line in [*project["dependencies"], *asked]]


@pytest.mark.parametrize("lock", LOCKS)
def test_every_dependency_is_pinned_to_a_version_that_pyproject_allows(lock: str) -> None:
    pinned = pins(lock)

    unmet = [
        str(requirement)
        for requirement in wanted(lock)
        if not requirement.specifier.contains(pinned.get(canonicalize_name(requirement.name), "0"))
    ]

    assert [] == unmet, "run make lock"


def test_tests_run_with_the_versions_that_the_image_has() -> None:
    assert pins("requirements.lock").items() <= pins("requirements-dev.lock").items()


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_hashes(lock: str) -> None:
    blocks = re.split(r"^(?=[a-z0-9])", (ROOT / lock).read_text(), flags=re.MULTILINE)

    assert [] == [block.split(" ")[0] for block in blocks[1:] if "--hash=sha256:" not in block]


@pytest.mark.parametrize("python", ["3.11.0", "3.12.0", "3.13.0", "3.14.0"])
def test_what_a_locked_package_wants_on_any_python_that_is_supported_is_locked(python: str) -> None:
    pinned = pins("requirements.lock")
    here = {"python_full_version": python, "python_version": python.rpartition(".")[0], "extra": ""}

    wants = {
        f"{requirement.name} for {name}"
        for name in pinned
        for requirement in map(Requirement, requires(name) or ())
        if requirement.marker is None or requirement.marker.evaluate(here)
        if canonicalize_name(requirement.name) not in pinned
    }

    assert set() == wants


@pytest.mark.parametrize("lock", LOCKS)
def test_nothing_in_a_lock_names_an_index_or_a_path_of_the_machine_that_wrote_it(lock: str) -> None:
    found = re.findall(r"https?:|file:|^-.*|/\S*", (ROOT / lock).read_text(), re.MULTILINE)

    assert [] == found
