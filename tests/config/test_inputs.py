"""What was read is noted, and whatever happens to it afterwards is seen."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.config.inputs import Inputs
from proxy.config.regular_file import read_any, read_regular


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """`a.yaml`, and beside it a folder `other` with one of its own."""
    (tmp_path / "a.yaml").write_text("one")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.yaml").write_text("two")
    return tmp_path


def rewrite(path: Path) -> None:
    path.write_text("six")


def rename_over(path: Path) -> None:
    (path.parent / "draft").write_text("one")
    (path.parent / "draft").replace(path)


def restore_an_old_time(path: Path) -> None:
    found = path.stat()
    path.write_text("six")
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def replace_by_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def link_to_itself(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


each_change = pytest.mark.parametrize(
    "change",
    [
        pytest.param(rewrite, id="other content of the same length"),
        pytest.param(rename_over, id="another file with the same content"),
        pytest.param(restore_an_old_time, id="other content with the old time"),
        pytest.param(Path.unlink, id="gone"),
        pytest.param(lambda path: path.chmod(0o600), id="other permissions"),
        pytest.param(replace_by_a_folder, id="a folder"),
        pytest.param(link_to_itself, id="a loop of links"),
    ],
)


@each_change
def test_a_file_that_changes_is_seen(folder: Path, change: Callable[[Path], None]) -> None:
    inputs = Inputs(folder / "a.yaml")

    change(folder / "a.yaml")

    assert (folder / "a.yaml",) == inputs.changed()


@each_change
def test_a_folder_changes_with_its_policy_files(folder: Path, change: Callable[[Path], None]) -> None:
    inputs = Inputs(folder)

    change(folder / "a.yaml")

    assert (folder,) == inputs.changed()


def test_a_link_that_leads_elsewhere_is_seen(folder: Path) -> None:
    (folder / "..data").symlink_to(".")
    (folder / "secret").symlink_to("..data/a.yaml")
    inputs = Inputs(folder / "secret")

    (folder / "..new").symlink_to("other")
    (folder / "..new").replace(folder / "..data")

    assert (folder / "secret",) == inputs.changed()


def test_a_file_that_was_missing_and_comes_is_seen(folder: Path) -> None:
    inputs = Inputs(folder / "secret")

    (folder / "secret").write_text("s")

    assert (folder / "secret",) == inputs.changed()


@pytest.mark.parametrize("name", [".a.yaml.swp", "a.yaml~", ".b.yaml", "notes.txt"])
def test_what_editors_leave_behind_is_no_change(folder: Path, name: str) -> None:
    inputs = Inputs(folder, folder / "a.yaml")

    (folder / name).write_text("backup")

    assert () == inputs.changed()


def test_what_is_read_again_and_again_is_no_change(folder: Path) -> None:
    inputs = Inputs(folder, folder / "a.yaml", folder / "missing")

    (folder / "a.yaml").read_bytes()

    assert () == inputs.changed()


def test_a_pipe_is_read_once_and_not_watched(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    inputs = Inputs(folder / "pipe", folder / "a.yaml")

    os.utime(folder / "pipe")

    assert (((folder / "a.yaml"),), ()) == (inputs.paths, inputs.changed())


def test_what_is_written_while_it_is_read_is_seen(folder: Path) -> None:
    inputs = Inputs(folder / "a.yaml")
    (folder / "a.yaml").write_text("other")

    inputs.note(folder / "a.yaml")  # read again within one load

    assert (folder / "a.yaml",) == inputs.changed()


@pytest.mark.parametrize("read", [read_any, read_regular])
def test_all_that_is_read_is_noted(folder: Path, read: Callable[[Path, int], bytes]) -> None:
    inputs = Inputs()
    with inputs.reading():
        read(folder / "a.yaml", 10)
        with pytest.raises(ValueError):
            read(folder / "missing", 10)
    read(folder / "other" / "a.yaml", 10)

    assert (folder / "a.yaml", folder / "missing") == inputs.paths


def test_of_what_has_changed_the_files_can_be_asked_for(folder: Path) -> None:
    inputs = Inputs(folder / "a.yaml", folder / "other", folder / "gone.yaml", folder)
    (folder / "other" / "b.yaml").write_text("three")
    (folder / "other" / "notes.txt").write_text("four")
    (folder / "other" / "c.yaml").mkdir()
    before = {folder / "other" / "a.yaml", folder / "other" / "b.yaml"}
    assert before == set(inputs.changed_files())

    rewrite(folder / "a.yaml")

    assert {*before, folder / "a.yaml"} == set(inputs.changed_files())
