"""Policy files for the commands."""

from __future__ import annotations

from pathlib import Path

GOOD = """\
version: 1
upstreams: {app: {url: "http://127.0.0.1:3000"}}
defaults: {deadline: 30s}
routes:
  - name: tickets
    match: {path: "/tickets/{id}"}
    policies: {size_limit: {body: 1MiB}}
"""
BAD = GOOD.replace("30s", "30").replace("/{id}", "")
WITHOUT_UPSTREAM = GOOD.replace('upstreams: {app: {url: "http://127.0.0.1:3000"}}\n', "")


def a_file(folder: Path, text: str, name: str = "a.yaml") -> str:
    """The path of a file with `text`."""
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return str(file)
