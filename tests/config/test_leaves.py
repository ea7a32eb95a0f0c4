"""Which values of a schema differ."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta, field

from proxy.config.documents import Document
from proxy.config.leaves import Changed, compare, under
from proxy.config.schema import Schema
from proxy.config.secrets import Secret
from proxy.config.typed import to_struct
from tests.config.kinds import RetryConfig, SecurityHeadersConfig, SignatureConfig, in_context


class Entry(Schema, frozen=True, kw_only=True):
    id: str
    size: int = 1


class Thing(Schema, frozen=True, kw_only=True):
    entries: list[Entry] = field(default_factory=list)
    secret: Secret | None = None
    label: str | None = None
    anything: Any = None


class KeysFile(Schema, frozen=True, kw_only=True):
    keys: Annotated[list[str], Meta(description="Some.")]


class Keys(Document):
    schema = KeysFile


class WithFile(Schema, frozen=True, kw_only=True):
    keys_file: Keys | None = None
    more: dict[str, list[Keys]] = field(default_factory=dict)


def changed(struct: type[msgspec.Struct], before: str, after: str) -> list[tuple[str, str, Any, Any]]:
    standing = []
    for text in (before, after):
        node, context = in_context(text)
        config = to_struct(struct, node, context)
        assert config is not None
        standing.append((config, node))
    return [tuple(each[:4]) for each in compare(*standing)]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("{}", "{label: x}", [("label", "added", None, "x")]),
        ("{label: x}", "{}", [("label", "removed", "x", None)]),
        ("{label: x}", "{label: y}", [("label", "changed", "x", "y")]),
        ("{entries: [{id: a}, {id: b}]}", "{entries: [{id: b}, {id: a}]}", []),
        ("{entries: [{id: a}]}", "{entries: [{id: b}, {id: a, size: 2}]}",
         [("entries[a].size", "changed", 1, 2), ("entries[b].id", "added", None, "b")]),
        ("{entries: [{id: a}, {id: a}]}", "{entries: [{id: a}, {id: a, size: 3}]}",
         [("entries[1].size", "changed", 1, 3)]),
        ("{anything: 1}", "{anything: true}", [("anything", "changed", 1, True)]),
        ("{anything: {a: [1]}}", "{anything: {a: [true]}}",
         [("anything", "changed", {"a": [1]}, {"a": [True]})]),
        ("{anything: {a: 1, b: 2}}", "{anything: {b: 2, a: 1}}", []),
    ],
)  # fmt: skip
def test_values_are_compared_by_what_they_mean(before: str, after: str, expected: list[object]) -> None:
    assert expected == changed(Thing, before, after)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("{backoff: {base: 60s}}", "{backoff: {base: 1m}}", []),
        ("{open_for: 5s}", "{open_for: {base: 5s}}",
         [("open_for", "removed", "5s", None), ("open_for.base", "added", None, "5s")]),
        ("{classes: {a: {}}}", "{classes: {b: {}}}",
         [("classes.a", "removed", None, None), ("classes.b", "added", None, None)]),
        ("{again: []}", "{again: [{body: 1KiB}]}", [("again", "removed", [], None),
                                                   ("again[0].body", "added", None, "1KiB")]),
    ],
)  # fmt: skip
def test_nested_values_have_paths(before: str, after: str, expected: list[object]) -> None:
    assert expected == changed(RetryConfig, before, after)


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ("[{env: SECRET}]", "[{env: SECRET}]", None),
        ("[{env: SECRET}, {env: PORT}]", "[{env: PORT}, {env: SECRET}]", "changed"),
        ("[{env: SECRET}]", "[{env: PORT}, {env: SECRET}]", "added"),
        ("[{env: PORT}, {env: SECRET}]", "[{env: SECRET}]", "removed"),
        ("[{env: PORT}]", "[{env: SECRET}]", "changed"),
    ],
)
def test_a_list_of_secrets_is_told_without_them(before: str, after: str, kind: str | None) -> None:
    expected = [] if kind is None else [("secrets", kind, "***", "***")]

    assert expected == changed(SignatureConfig, f"secrets: {before}", f"secrets: {after}")


def test_a_secret_that_is_new_or_gone_is_told_without_it() -> None:
    assert [("secret", "added", None, "***")] == changed(Thing, "{}", "{secret: {env: SECRET}}")
    assert [("secret", "removed", "***", None)] == changed(Thing, "{secret: {env: SECRET}}", "{}")


def test_a_header_out_of_the_environment_is_not_shown() -> None:
    before, after = ('set: {X-A: "${SECRET}"}', 'set: {X-A: "${TENANT}"}')

    assert [("set.X-A", "changed", "***", "***")] == changed(SecurityHeadersConfig, before, after)


@pytest.mark.parametrize("text", ["keys_file: keys.yaml", "more: {any: [keys.yaml]}"])
def test_what_stands_in_a_file_beside_counts_and_its_folder_does_not(tmp_path: Path, text: str) -> None:
    standing = []
    for folder, keys in (("a", "[one]"), ("b", "[one]"), ("c", "[two]")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "keys.yaml").write_text(f"keys: {keys}")
        node, context = in_context(text)
        node.source.directory = tmp_path / folder
        config = to_struct(WithFile, node, context)
        assert config is not None
        standing.append((config, node))
    first, same, other = standing

    assert [] == [*compare(first, same)]
    (found,) = compare(first, other)
    assert "changed" == found.kind
    assert found.before == found.after


def test_a_path_is_put_in_front() -> None:
    assert ["a.b", "a[0]"] == [each.path for each in under("a", [_at("b"), _at("[0]")])]


def _at(path: str) -> Changed:
    return Changed(path, "changed", 1, 2)
