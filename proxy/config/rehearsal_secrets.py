"""What `test_secrets` says, before anything is typed: variables and files must be known first.

Whatever is not as it should be is left out here, and reported when the section is typed.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from proxy.algorithms.sealed import bare
from proxy.config.nodes import Node


def variables(documents: Iterable[Node]) -> dict[str, str]:
    """Name -> value of the variables of a rehearsal."""
    return {name: text for _, name, text in _entries(documents, "env")}


def held_files(documents: Iterable[Node]) -> dict[Path, bytes]:
    """Path, as a reference in the same file would be resolved -> what it holds in a rehearsal."""
    return {
        node.source.directory / path: text.encode("utf-8", "surrogateescape")
        for node, path, text in _entries(documents, "files")
    }


def unsealed(documents: Iterable[Node]) -> dict[str, str]:
    """Sealed value -> what stands for it in a rehearsal."""
    return {bare(sealed): text for _, sealed, text in _entries(documents, "sealed")}


def _entries(documents: Iterable[Node], key: str) -> Iterable[tuple[Node, str, str]]:
    for document in documents:
        section = document.value.get("test_secrets") if isinstance(document.value, dict) else None
        entries = section.value.get(key) if section is not None and isinstance(section.value, dict) else None
        if entries is not None and isinstance(entries.value, dict):
            for name, child in entries.value.items():
                if isinstance(child.value, str):
                    yield child, name, child.value
