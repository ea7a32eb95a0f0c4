"""The peers' configurations: files in `peers/<variant>/` with `@PORT@` and the like in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

PEERS = Path(__file__).parent / "peers"

_PLACE = re.compile(r"@([A-Z]+)@")


def fill(template: str, values: Mapping[str, object]) -> str:
    """`template` with its `@NAME@` replaced. Raises KeyError for a name that `values` does not have."""
    return _PLACE.sub(lambda match: str(values[match[1]]), template)


def templates_of(proxy: str, variant: str) -> list[Path]:
    """The files that configure `proxy`: their names begin with its. None where it takes no part."""
    return sorted(path for path in (PEERS / variant).iterdir() if re.match(rf"{proxy}[.-]", path.name))


def render(proxy: str, variant: str, values: Mapping[str, object], folder: Path) -> None:
    """Write what configures `proxy` into `folder`, which the files may call `@FOLDER@`."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in templates_of(proxy, variant):
        text = fill(path.read_text(), {**values, "FOLDER": folder})
        (folder / path.name).write_text(text)
