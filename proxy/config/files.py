"""Which files make up a configuration, and what is in them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from proxy.config.interpolate import interpolate
from proxy.config.nodes import Node, Source
from proxy.config.regular_file import read_any, read_regular
from proxy.config.rehearsal_secrets import variables
from proxy.config.report import Report
from proxy.config.yaml12 import MAX_BYTES, parse


@dataclass(frozen=True, slots=True)
class Files:
    """The documents of one configuration, in name order, and a digest of them all."""

    documents: tuple[Node, ...]
    revision: str
    complete: bool
    """Every file could be read and parsed."""


def read(path: Path, env: Mapping[str, str], report: Report, *, rehearsal: bool = False) -> Files:
    """The file at `path`, or the `*.yaml` of the folder there; variables of `env` are put in.

    In a rehearsal, those of `test_secrets` stand above `env`.
    """
    digest = hashlib.sha256()
    documents = []
    paths = _paths(path, report)
    for file in paths:
        report.begin(str(file))
        data = _content(file, report, in_folder=file is not path)
        if data is None:
            continue
        # A file by itself is known by what stands in it: a copy elsewhere is the same revision.
        name = b"" if file is path else file.name.encode("utf-8", "surrogateescape")
        digest.update(b"%d %b\0%d\0" % (len(name), name, len(data)))
        digest.update(data)
        document = parse(data, Source(str(file), "", file.parent), report)
        if document is not None:
            documents.append(document)
    if rehearsal:
        env = {**env, **variables(documents)}
    for document in documents:
        interpolate(document, env)
    return Files(tuple(documents), digest.hexdigest(), complete=len(documents) == len(paths) > 0)


def _paths(path: Path, report: Report) -> list[Path]:
    if not path.is_dir():
        return [path]
    try:
        entries = sorted(path.iterdir(), key=lambda entry: entry.name)
    except OSError as error:
        report.add_file(str(path), f"the folder cannot be read: {error.strerror}; expected a readable folder")
        return []
    # Hidden: the kubelet keeps what it mounts in folders such as ..data, and editors their backups.
    shown = [entry for entry in entries if not entry.name.startswith(".") and not entry.is_dir()]
    for entry in shown:
        if entry.suffix == ".yml":
            report.warn_file(str(entry), "this file is not read; expected a name that ends in .yaml")
    found = [entry for entry in shown if entry.suffix == ".yaml"]
    if not found:
        report.add_file(str(path), "no policy file is in this folder; expected at least one *.yaml")
    return found


def _content(file: Path, report: Report, *, in_folder: bool) -> bytes | None:
    try:
        # One that is named outright may be a pipe.
        data = (read_regular if in_folder else read_any)(file, MAX_BYTES)
    except ValueError as error:
        report.add_file(str(file), f"the file cannot be read: {error}; expected a readable file")
        return None
    if len(data) > MAX_BYTES:
        report.add_file(str(file), f"the file is too large; expected at most {MAX_BYTES // 1024} KiB")
        return None
    return data
