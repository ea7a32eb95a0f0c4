"""`${VAR}` and `${VAR:-default}` in values, from the environment, after parsing.

Since YAML is parsed before, a variable can never add structure. The result of a scalar
without quotes is typed by YAML's rules again (`${N:-10}` is a number); one in quotes stays
text, and a field that expects a number or true/false reads it from the text, since YAML
between braces needs the quotes (`{enabled: "${X:-true}"}`). As in a shell, `:-` counts for
an empty variable too. `$${` stands for `${`; any other `$` for itself.

`${VAR...}` and `${VAR...:-a, b}`, alone as an entry of a list, stand for as many entries as the
variable has between commas: that many, and never anything else but scalars. Nothing is widened
or emptied without a word: an empty variable is a mistake unless a default is there, an empty
entry is one, and so is a list of which nothing is left.

A number in a variable may get its unit in the file: `${SECONDS:-30}s`. A variable that brings a unit
of its own is then a mistake, since `1m` and `s` would make a millisecond of a minute.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from proxy.config.nodes import Node, Unresolved
from proxy.config.yaml12 import typed_scalar

_REFERENCE = re.compile(r"(\$)?\$\{(?:([A-Za-z_][A-Za-z0-9_]*)(\.\.\.)?(?::-([^{}]*))?\})?")
_MALFORMED = "`${` does not name a variable; expected ${NAME} or ${NAME:-default}, or $${ for the text ${"
_UNSET = "the variable {name} is not set; expected it in the environment, or ${{{form}}}"
_NUMBER_THEN_UNIT = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-[^{}]*)?\}(ms|s|m|h|d|[kKMG]?B|[KMG]iB)")
_HAS_UNIT = re.compile(r"\s*[0-9.]+\s*[A-Za-z].*", re.ASCII | re.DOTALL)
_TWO_UNITS = "the variable {name} has a unit of its own; expected a number, since `{unit}` stands behind it"
_MISPLACED = (
    '`${NAME...}` stands for entries of a list; expected it alone as one of them, such as ["${NAME...}"]'
)


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
            continue
        if isinstance(node.value, list):
            seen.update(map(id, _spread(node.value, env)))
        waiting.extend(node.children())


def _spread(items: list[Node], env: Mapping[str, str]) -> list[Node]:
    """Put entries where `${VAR...}` stands, in place, since aliases share the list. Returns those."""
    entries: list[Node] = []
    spread: list[Node] = []
    empty: list[tuple[str, Node]] = []
    for item in items:
        found = _spread_by(item)
        made = [item] if found is None else _entries(item, *found, env)
        entries += made
        if found is not None:
            spread += made
            empty += [] if made else [(found[0], item)]
    if empty and not entries:
        names = " and ".join(name for name, _ in empty)
        message = f"no entry is left in the list, with nothing in {names}; expected at least one"
        spread = entries = [_wrong(empty[0][1], message)]
    for step, entry in enumerate(entries):
        entry.step = step
    items[:] = entries
    return spread


def _spread_by(item: Node) -> tuple[str, str | None] | None:
    """The variable, and the default; None for other entries, such as those that came of one."""
    if item.interpolated or not isinstance(item.value, str):
        return None
    match = _REFERENCE.fullmatch(item.text)
    return (match[2], match[4]) if match and match[3] and not match[1] else None


def _entries(item: Node, name: str, default: str | None, env: Mapping[str, str]) -> list[Node]:
    text, whence = env.get(name), f"the variable {name}"
    if text is None and default is None:
        return [_wrong(item, _UNSET.format(name=name, form=f"{name}...:-default"))]
    if not (text or "").strip():
        text, whence = default, f"the default of {name}"
    if text is None:
        expected = f"expected entries with commas between them, or ${{{name}...:-default}}"
        return [_wrong(item, f"the variable {name} is empty; {expected}")]
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    made = []
    for number, part in enumerate(parts, 1):
        which = f"entry {number} of {len(parts)} in {whence}"
        if not part:
            return [_wrong(item, f"{which} is empty; expected something on both sides of each comma")]
        entry = _standing_for(item)
        entry.text = part
        entry.value = typed_scalar(part) if item.plain else part
        entry.origin = which
        made.append(entry)
    return made


def _standing_for(item: Node) -> Node:
    entry = item.twin()
    entry.parent = item.parent
    entry.interpolated = True
    return entry


def _wrong(item: Node, message: str) -> Node:
    entry = _standing_for(item)
    entry.value = Unresolved(message)
    return entry


def _resolve(node: Node, env: Mapping[str, str]) -> None:
    unresolved: Unresolved | None = None
    replaced = False

    def replacement(match: re.Match[str]) -> str:
        nonlocal replaced, unresolved
        escaped, name, spread, default = match.groups()
        if escaped:
            return match[0][1:]
        if name is None or spread:
            unresolved = Unresolved(_MISPLACED if spread else _MALFORMED, malformed=True)
            return ""
        replaced = True
        value = env.get(name, "") if default is not None else env.get(name)
        if value is None and unresolved is None:
            unresolved = Unresolved(_UNSET.format(name=name, form=f"{name}:-default"))
        return value or default or ""

    text = _REFERENCE.sub(replacement, node.text)
    unresolved = unresolved or _two_units(node.text, env)
    node.interpolated = replaced or unresolved is not None
    if unresolved is not None:
        node.value = unresolved
        return
    only = _REFERENCE.fullmatch(node.text) if replaced and "," in text else None
    if only is not None and isinstance(node.step, int):
        node.origin = f"${{{only[2]}...}} makes several entries of a variable with commas"
    node.text = text
    # An empty variable is empty text, not YAML's null: null would remove what a default says.
    node.value = typed_scalar(text) if node.plain and text else text


def _two_units(text: str, env: Mapping[str, str]) -> Unresolved | None:
    match = _NUMBER_THEN_UNIT.fullmatch(text)
    if match is None or not _HAS_UNIT.fullmatch(env.get(match[1], "")):
        return None
    return Unresolved(_TWO_UNITS.format(name=match[1], unit=match[2]))
