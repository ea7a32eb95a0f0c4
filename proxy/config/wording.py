"""How values of policy files and edits of them read on one line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from proxy.config.instances import NO_ROUTE

_FEW = 3
_LONG = 60


def written(value: Any) -> str:
    """As it would stand in a file, cut short where it is long.

    A mapping is that of a policy's values by path: one value stands for itself.
    """
    if isinstance(value, dict):
        if len(value) == 1:
            return written(*value.values())
        return _shortened(", ".join(f"{path} {_flow(item)}" for path, item in value.items()), 2 * _LONG)
    return _shortened(_flow(value), _LONG)


def edited(before: Any, after: Any) -> str:
    """`100 → 50`; of long lists what was added to them, and what was taken out."""
    if before == after:  # the name of a file
        return f"{written(after)}: other contents"
    if (
        isinstance(before, list)
        and isinstance(after, list)
        and len(_flow(before)) + len(_flow(after)) > _LONG
    ):
        added = [item for item in after if item not in before]
        removed = [item for item in before if item not in after]
        told = [
            f"{word} {_several(items)}" for word, items in (("added", added), ("removed", removed)) if items
        ]
        return ", ".join(told) or "in another order"
    return f"{written(before)} → {written(after)}"


def routes_called(names: Sequence[str]) -> str:
    """`route orders`, `routes orders, refunds`, `12 routes (a, b, c, ...)`."""
    if len(names) == 1:
        return "no route" if names[0] == NO_ROUTE else f"route {names[0]}"
    return f"routes {', '.join(names)}" if len(names) <= _FEW else _many(names)


def on_routes(names: Sequence[str]) -> str:
    """`orders`, `orders, refunds`, `on 12 routes (a, b, c, ...)`: what stands in front of a value's path."""
    if len(names) > _FEW:
        return f"on {_many(names)}"
    return ", ".join("no route" if name == NO_ROUTE else name for name in names)


def _many(names: Sequence[str]) -> str:
    return f"{len(names)} routes ({', '.join(names[:_FEW])}, ...)"


def _several(items: Sequence[Any]) -> str:
    shown = ", ".join(written(item) for item in items[:_FEW])
    return shown if len(items) <= _FEW else f"{shown} and {len(items) - _FEW} more"


def _flow(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "".join(c if c.isprintable() else "�" for c in text) or '""'


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most // 2]}...{text[-most // 3 :]}"
