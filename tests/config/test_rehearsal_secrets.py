"""What `test_secrets` says, read before anything is typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.config.nodes import Node, Source
from proxy.config.rehearsal_secrets import held_files, unsealed, variables
from proxy.config.report import Report
from proxy.config.yaml12 import parse


def document(text: str) -> Node:
    node = parse(text.encode(), Source("a.yaml", "", Path("/etc/seawall")), Report())
    assert node is not None
    return node


def test_what_stands_for_sealed_values_is_known_however_they_are_folded() -> None:
    assert {"AQab": "c"} == unsealed([document("test_secrets: {sealed: {'AQ a b': c}}")])


def test_variables_and_files_of_all_documents_are_known() -> None:
    documents = [document("version: 1"), document('test_secrets: {env: {A: "1"}, files: {a: b, /c: d}}')]

    assert {"A": "1"} == variables(documents)
    assert {Path("/etc/seawall/a"): b"b", Path("/c"): b"d"} == held_files(documents)


@pytest.mark.parametrize(
    "text", ["[]", "test_secrets:", "test_secrets: []", "test_secrets: {env: [], files: 1}",
             "test_secrets: {env: {A: 1}, files: {a: [b]}}"],
)  # fmt: skip
def test_what_is_not_as_it_should_be_is_left_to_typing(text: str) -> None:
    assert ({}, {}) == (variables([document(text)]), held_files([document(text)]))
