"""Files with a schema of their own beside the policy files, and values that are never shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import pytest
from msgspec import Meta

from proxy.config.context import Context
from proxy.config.documents import MAX_BYTES, Document, read_document
from proxy.config.nodes import Node, Source
from proxy.config.report import Report
from proxy.config.schema import Schema
from proxy.config.shapes import secret_names, struct_shape
from proxy.config.typed import to_struct
from proxy.config.yaml12 import parse


class Code(str):
    __slots__ = ()
    hidden: ClassVar[bool] = True
    pattern: ClassVar[str] = "^[0-9]{4}$"
    example: ClassVar[str] = "0000"

    @classmethod
    def parse(cls, value: object) -> Self:
        if not isinstance(value, str) or len(value) != 4:
            raise ValueError(f"{value} is no code")
        return cls(value)


class Codes(Schema, frozen=True, kw_only=True):
    codes: tuple[Code, ...]


class CodesFile(Document):
    schema: ClassVar[type[Schema]] = Codes
    example: ClassVar[str] = "codes.yaml"


class WhateverFile(Document):
    schema: ClassVar[type[Schema] | None] = None
    example: ClassVar[str] = "whatever.json"


class PublicFile(Document):
    schema: ClassVar[type[Schema] | None] = None
    example: ClassVar[str] = "schema.json"
    public: ClassVar[bool] = True


class Plan(Schema, frozen=True, kw_only=True):
    file: PublicFile


class Shelf(Schema, frozen=True, kw_only=True):
    file: WhateverFile


class Door(Schema, frozen=True, kw_only=True):
    file: Annotated[CodesFile | None, Meta(description="More codes.")] = None
    code: Code | None = None


def loaded(folder: Path, text: str, **settings: Any) -> tuple[Door | None, list[str]]:
    """What becomes of `text`, and each problem as the operator sees it."""
    report = Report()
    document = parse(text.encode(), Source("door.yaml", "", folder), report)
    assert isinstance(document, Node)
    door = to_struct(Door, document, replace(Context(report), **settings))
    return door, [str(problem).replace(f"{folder}/", "") for problem in report.problems()]


@pytest.mark.parametrize("content", ["codes: ['1234']\n", '{"codes": ["1234"]}'], ids=["YAML", "JSON"])
def test_what_stands_in_a_document_comes_with_its_path(content: str, tmp_path: Path) -> None:
    (tmp_path / "codes.yaml").write_text(content, encoding="utf-8")

    door, _ = loaded(tmp_path, "file: codes.yaml")

    assert door is not None
    assert door.file is not None
    assert (str(tmp_path / "codes.yaml"), Codes(codes=(Code("1234"),))) == (door.file, door.file.content)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param("", "door.yaml:1:7: file: ", id="nothing"),
        pytest.param("\n \n", "it is empty; expected a YAML or JSON file", id="white space"),
        pytest.param("codes: [\n", "codes.yaml:1:9: ", id="half of it"),
        pytest.param("- 1", "codes.yaml:1:1: got a list; expected a mapping", id="a list"),
        pytest.param("odes: []", "codes.yaml:1:1: odes: unknown key", id="another key"),
        pytest.param("codes: [\n  '123']", "codes.yaml:2:3: codes[0]: got a value; expected", id="no code"),
        pytest.param(
            "codes: ['${CODE}']", "codes.yaml:1:9: codes[0]: got a value; expected", id="a variable"
        ),
    ],
)
def test_a_mistake_in_a_document_is_told_where_it_is(content: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "codes.yaml").write_text(content, encoding="utf-8")

    door, problems = loaded(tmp_path, "file: codes.yaml")

    assert (None, True) == (door, told in problems[0]), problems


@pytest.mark.parametrize(
    "content",
    [
        '{"k":"hunter2"',
        '{"codes": ["hunter2", ',
        "codes: [hunter2",
        'a: "hunter2\n',
        "a: 1\n- hunter2",
        "hunter2: }",
    ],
)
def test_nothing_is_shown_of_a_document_that_cannot_be_read(content: str, tmp_path: Path) -> None:
    (tmp_path / "codes.yaml").write_text(content, encoding="utf-8")

    _, problems = loaded(tmp_path, "file: codes.yaml")

    assert ("this is not YAML" in problems[0], "hunter2" in problems[0]) == (True, False)


def test_nothing_is_shown_of_a_document_with_whatever_keys(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text('[{"k":"hunter2"}]', encoding="utf-8")
    report = Report()
    document = parse(b"file: keys.json", Source("door.yaml", "", tmp_path), report)
    assert isinstance(document, Node)

    to_struct(Shelf, document, Context(report))

    assert [f"{tmp_path}/keys.json:1:1: got a list; expected a mapping"] == list(map(str, report.problems()))


def test_but_of_one_that_has_no_secrets_its_line_is(tmp_path: Path) -> None:
    (tmp_path / "schema.json").write_text('{"type": "object"\n', encoding="utf-8")
    report = Report()
    document = parse(b"file: schema.json", Source("door.yaml", "", tmp_path), report)
    assert isinstance(document, Node)

    to_struct(Plan, document, Context(report))

    assert '\n{"type": "object"\n^' in str(report.problems()[0])


def test_a_document_that_is_not_there_is_told_where_it_is_named(tmp_path: Path) -> None:
    _, problems = loaded(tmp_path, "file: codes.yaml")

    assert 'door.yaml:1:7: file: "codes.yaml" cannot be read: No such file' in problems[0]


def test_nobody_reads_the_document_of_a_route_that_is_not_enabled(tmp_path: Path) -> None:
    door, problems = loaded(tmp_path, "file: codes.yaml", lenient=True)

    assert door is not None
    assert door.file is not None
    assert (None, []) == (door.file.content, problems)


def test_a_rehearsal_has_documents_of_its_own(tmp_path: Path) -> None:
    held = {tmp_path / "codes.yaml": b"codes: ['1234']"}

    door, _ = loaded(tmp_path, "file: codes.yaml", files=held)

    assert door is not None
    assert door.file is not None
    assert Codes(codes=(Code("1234"),)) == door.file.content


def test_a_document_may_be_a_mapping_with_whatever_keys(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"$x": {"y": [1, null, true]}, "7": 0.5}', encoding="utf-8")
    report = Report()
    document = parse(b"file: a.json", Source("shelf.yaml", "", tmp_path), report)
    assert isinstance(document, Node)

    shelf = to_struct(Shelf, document, Context(report))

    assert shelf is not None
    assert {"$x": {"y": [1, None, True]}, "7": 0.5} == shelf.file.content


def test_a_document_can_be_larger_than_a_policy_file_but_not_without_end() -> None:
    assert MAX_BYTES == len(read_document(Path("x"), lambda _, limit: b"x" * limit))
    with pytest.raises(ValueError, match="it is larger than 16 MiB"):
        read_document(Path("x"), lambda _, limit: b"x" * (limit + 1))


def test_a_hidden_value_is_shown_by_nobody(tmp_path: Path) -> None:
    door, problems = loaded(tmp_path, "code: hunter2")

    assert (None, True, False) == (door, "***" in problems[0], "hunter2" in problems[0])


def test_what_stands_under_an_unknown_key_beside_a_hidden_value_may_be_that_value(tmp_path: Path) -> None:
    _, problems = loaded(tmp_path, "word: hunter2")

    assert (True, False) == ("unknown key" in problems[0], "hunter2" in problems[0])


def test_the_key_of_a_hidden_value_is_known_as_that_of_a_secret() -> None:
    assert frozenset({"code"}) == secret_names(struct_shape(Door))
