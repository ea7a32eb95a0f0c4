"""Problems as annotations in a GitHub workflow: lines on standard output that its runner understands.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#setting-an-error-message;
what has to be escaped, and how, stands in `escapeData` and `escapeProperty` of
https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from proxy.errors import Problem


def annotation(level: Literal["error", "warning", "notice"], problem: Problem) -> str:
    """One line. A file below the working directory is named from there, as GitHub wants it."""
    properties = {"file": _relative(problem.file)} if problem.file else {}
    if problem.line:
        properties |= {"line": str(problem.line), "col": str(problem.column)}
    listed = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    message = f"{problem.path}: {problem.message}" if problem.path else problem.message
    return f"::{level}{' ' if listed else ''}{listed}::{_data(message)}"


def _relative(file: str) -> str:
    path, here = Path(file), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else file


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
