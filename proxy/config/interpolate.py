"""`${VAR}` and `${VAR:-default}` in values, from the environment, after parsing.

Since YAML is parsed before, a variable can never add structure. The result of a scalar
without quotes is typed by YAML's rules again (`${N:-10}` is a number); one in quotes stays
text, and a field that expects a number or true/false reads it from the text, since YAML
between braces needs the quotes (`{enabled: "${X:-true}"}`). As in a shell, `:-` counts for
an empty variable too. `$${` stands for `${`; any other `$` for itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from proxy.config.nodes import Node, Unresolved
from proxy.config.yaml12 import typed_scalar

_REFERENCE = re.compile(r"(\$)?\$\{(?:([A-Za-z_][A-Za-z0-9_]*)(?::-([^{}]*))?\})?")
_MALFORMED = "`${` does not name a variable; expected ${NAME} or ${NAME:-default}, or $${ for the text ${"


def interpolate(document: Node, env: Mapping[str, str]) -> None:
    """Put the variables of `env` into every value of `document`, in place.

    A variable that is not there leaves an `Unresolved`, which whoever needs it reports.
    """
    seen: set[int] = set()  # aliases share nodes, and a text must not be read twice
    waiting = [document]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node.value, str):
            if "${" in node.value:
                _resolve(node, env)
        else:
            waiting.extend(node.children())


def _resolve(node: Node, env: Mapping[str, str]) -> None:
    unresolved: Unresolved | None = None
    replaced = False

    def replacement(match: re.Match[str]) -> str:
        nonlocal replaced, unresolved
        escaped, name, default = match.groups()
        if escaped:
            return match[0][1:]
        if name is None:
            unresolved = Unresolved(_MALFORMED, malformed=True)
            return ""
        replaced = True
        value = env.get(name, "") if default is not None else env.get(name)
        if value is None and unresolved is None:
            message = (
                f"the variable {name} is not set; expected it in the environment, or ${{{name}:-default}}"
            )
            unresolved = Unresolved(message)
        return value or default or ""

    text = _REFERENCE.sub(replacement, node.text)
    node.interpolated = replaced or unresolved is not None
    if unresolved is not None:
        node.value = unresolved
        return
    node.text = text
    # An empty variable is empty text, not YAML's null: null would remove what a default says.
    node.value = typed_scalar(text) if node.plain and text else text
