"""Which files make up a configuration."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from proxy.config.files import Files, read
from proxy.config.nodes import plain
from proxy.config.report import Report
from proxy.config.yaml12 import MAX_BYTES


def outcome(path: Path, **env: str) -> tuple[Files, list[str], list[str]]:
    report = Report()
    files = read(path, env, report)
    return files, shown(report.problems(), path), shown(report.warnings(), path)


def shown(problems, path: Path) -> list[str]:
    return [str(problem).replace(str(path), "HERE").partition("\n")[0] for problem in problems]


def test_a_file_is_a_configuration(tmp_path: Path) -> None:
    file = tmp_path / "any.name"
    file.write_text("a: ${B}")
    files, problems, _ = outcome(file, B="c")

    assert ([{"a": "c"}], [], True) == ([plain(doc) for doc in files.documents], problems, files.complete)
    assert (str(file), tmp_path) == (files.documents[0].source.name, files.documents[0].source.directory)


def test_a_folder_is_its_yaml_files_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.yaml", "10.yaml", "9.yaml", "notes.txt", ".hidden.yaml"):
        (tmp_path / name).write_text(f"name: {name}")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "folder.yaml" / "inside.yaml").write_text("name: inside")
    files, problems, warnings = outcome(tmp_path)

    assert ["10.yaml", "9.yaml", "a.yaml", "b.yaml"] == [plain(doc)["name"] for doc in files.documents]
    assert ([], []) == (problems, warnings)


def test_the_way_that_a_kubelet_mounts_a_config_map_is_followed(tmp_path: Path) -> None:
    (tmp_path / "..2026_01_01").mkdir()
    (tmp_path / "..2026_01_01" / "a.yaml").write_text("a: 1")
    (tmp_path / "..data").symlink_to("..2026_01_01")
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    files, problems, _ = outcome(tmp_path)

    assert ([{"a": 1}], []) == ([plain(doc) for doc in files.documents], problems)


def test_a_file_that_ends_in_yml_is_not_read_and_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: 1")
    (tmp_path / "b.yml").write_text("b: 1")
    files, problems, warnings = outcome(tmp_path)

    assert (1, []) == (len(files.documents), problems)
    assert ["HERE/b.yml: this file is not read; expected a name that ends in .yaml"] == warnings


def test_a_folder_without_policy_files_is_a_problem(tmp_path: Path) -> None:
    files, problems, _ = outcome(tmp_path)

    assert ["HERE: no policy file is in this folder; expected at least one *.yaml"] == problems
    assert not files.complete


def test_what_does_not_exist_is_a_problem(tmp_path: Path) -> None:
    files, problems, _ = outcome(tmp_path / "none")

    assert ["HERE: the file cannot be read: No such file or directory; expected a readable file"] == problems
    assert not files.complete


def test_a_folder_that_cannot_be_listed_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)

    assert ["HERE: the folder cannot be read: Permission denied; expected a readable folder"] == outcome(
        tmp_path
    )[1]


def test_in_a_folder_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "broken.yaml").symlink_to("nowhere")
    (tmp_path / "good.yaml").write_text("a: 1")
    files, problems, _ = outcome(tmp_path)

    assert [
        "HERE/broken.yaml: the file cannot be read: No such file or directory; expected a readable file",
        "HERE/pipe.yaml: the file cannot be read: it is not a regular file; expected a readable file",
    ] == problems
    assert (1, False) == (len(files.documents), files.complete)


def test_a_pipe_that_is_named_outright_is_read() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"a: 1")
    os.close(writing)
    files, problems, _ = outcome(Path(f"/dev/fd/{reading}"))
    os.close(reading)

    assert ([{"a": 1}], []) == ([plain(doc) for doc in files.documents], problems)


def test_a_file_of_ten_megabytes_is_refused_unread(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(b"a" * 10_000_000)

    assert ["HERE: the file is too large; expected at most 1024 KiB"] == outcome(file)[1]


def test_a_file_may_be_as_large_as_the_limit(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(b"#" * (MAX_BYTES - 5) + b"\na: 1")

    assert [] == outcome(file)[1]


@pytest.mark.parametrize(
    ("name", "content", "same"),
    [("a.yaml", "a: 1", True), ("a.yaml", "a: 2", False), ("b.yaml", "a: 1", False)],
    ids=["the same", "other content", "another name"],
)
def test_the_revision_is_that_of_names_and_contents(
    tmp_path: Path, name: str, content: str, same: bool
) -> None:
    for folder, file, text in (("one", "a.yaml", "a: 1"), ("two", name, content)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / file).write_text(text)
    one, two = (outcome(tmp_path / folder)[0].revision for folder in ("one", "two"))

    assert (same, 64) == (one == two, len(one))


def test_the_revision_is_not_fooled_by_moving_text_between_files(tmp_path: Path) -> None:
    for folder, first, second in (("one", "a: 1\n", "b: 1\n"), ("two", "a: 1\nb: 1\n", "")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.yaml").write_text(first)
        (tmp_path / folder / "b.yaml").write_text(second)

    assert outcome(tmp_path / "one")[0].revision != outcome(tmp_path / "two")[0].revision
