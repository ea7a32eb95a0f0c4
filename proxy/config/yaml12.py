"""YAML text -> nodes, by the core schema of YAML 1.2 and no more of YAML than that.

`on`, `off`, `yes`, `no`, `12:30` and `0777` are text. Duplicate keys, tags and several
documents are errors; anchors, aliases and the merge key `<<` work within a file, bounded
so that a small file cannot become a large tree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from proxy.config.nodes import Node, Scalar, Source
from proxy.config.report import Report

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 64
MAX_COPIES = 50_000
"""How many nodes all aliases of a file may stand for together."""

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_CONSTANTS: dict[str, Scalar] = {"": None, "~": None}
_CONSTANTS |= dict.fromkeys(("null", "Null", "NULL"))
_CONSTANTS |= dict.fromkeys(("true", "True", "TRUE"), True)
_CONSTANTS |= dict.fromkeys(("false", "False", "FALSE"), False)
# A leading zero meant octal in YAML 1.1 and means nothing in 1.2: such a number stays text,
# and a field that wants a number refuses it. More digits than any counter has stay text too.
_INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})|0x[0-9a-fA-F]{1,15}|0o[0-7]{1,20}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]{1,30}|[0-9]{1,30}(\.[0-9]{0,30})?)([eE][-+]?[0-9]{1,3})?")
_SPECIAL_FLOAT = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_DIGITS = re.compile(r"[-+]?[0-9]+")

# What YAML 1.2 calls printable, less the line ends of YAML 1.1 that 1.2 does not know.
_UNPRINTABLE = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_LINE_END = re.compile(r"\r\n|\r|\n")

_HINTS = (
    ("expected ',' or", "close the bracket, and quote a value that has braces in it"),
    ("mapping values are not allowed", "check the indentation, and quote a value that has `: ` in it"),
    ("cannot start any token", "indent with spaces, not tabs, and quote a value that starts with @, ` or %"),
    ("expected node content", "close the bracket, or write a value"),
    ("could not find expected ':'", "a key is followed by a colon and a space"),
    ("unexpected end of stream", "close the quote"),
    ("unknown escape", "in double quotes a backslash is written twice; in single quotes once"),
)
_UNQUOTED_BRACES = re.compile(r"[^\s\"'{,\[:][^\s\"']*\{|\$\{")


def typed_scalar(text: str) -> Scalar:
    """What a scalar without quotes is, by its looks (YAML 1.2.2, section 10.3.2)."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] not in "+-.0123456789":
        return text
    if _INT.fullmatch(text):
        return int(text, 0)
    if _SPECIAL_FLOAT.fullmatch(text):
        return float(text.replace(".", "", 1))
    return float(text) if _FLOAT.fullmatch(text) and not _DIGITS.fullmatch(text) else text


def parse(data: bytes, source: Source, report: Report) -> Node | None:
    """The document in `data`, with `source.text` set; None where it is no usable YAML.

    Every problem goes to `report`, and nothing is raised whatever the bytes are.
    """
    document = _parsed(data, source, report)
    if document is None:
        report.unparsed(source)
    return document


def _parsed(data: bytes, source: Source, report: Report) -> Node | None:
    try:
        source.text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        source.text = data.decode("utf-8-sig", "replace")
        before = data[: error.start].decode("utf-8-sig")
        report.add_at(source, *_position(before), "the file is not UTF-8; expected UTF-8 text")
        return None
    if odd := _UNPRINTABLE.search(source.text):
        place = _position(source.text[: odd.start()])
        character = f"U+{ord(odd[0]):04X}"
        report.add_at(
            source, *place, f"the control character {character} cannot stand in YAML; expected text"
        )
        return None
    try:
        return _Composer(source, report).document()
    except yaml.MarkedYAMLError as error:
        _report_syntax(error, source, report)
    except yaml.YAMLError:
        # Not reached with the bytes checked above; PyYAML's reader has errors without a mark.
        report.add_at(source, 1, 1, "this is not YAML; expected YAML 1.2")
    except _Unusable as unusable:
        report.add_at(source, unusable.line, unusable.column, unusable.message)
    return None


class _Unusable(Exception):
    """The document cannot be read on from here."""

    def __init__(self, mark: Any, message: str) -> None:
        super().__init__(message)
        self.line = mark.line + 1
        self.column = mark.column + 1
        self.message = message


class _Composer:
    """Events of the YAML parser -> nodes."""

    def __init__(self, source: Source, report: Report) -> None:
        self._source = source
        self._report = report
        self._events: Iterator[Any] = iter(yaml.parse(source.text, Loader=_Loader))
        self._anchors: dict[str, tuple[Node, int, int]] = {}
        """Name -> node, number of nodes in it, levels below it."""
        self._count = 0
        self._copies = 0
        self._deepest = 0

    def document(self) -> Node | None:
        """The one document of the file."""
        next(self._events)  # the stream's start
        if isinstance(next(self._events), yaml.StreamEndEvent):
            self._report.add_at(self._source, 1, 1, "the file is empty; expected `version: 1` and routes")
            return None
        root = self._node(next(self._events), 0)
        next(self._events)  # the document's end
        after = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise _Unusable(
                after.start_mark, "a second document starts here; expected one document in a file"
            )
        return root

    def _node(self, event: Any, depth: int) -> Node:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, depth)
        mark, end = event.start_mark, event.end_mark
        if depth > MAX_DEPTH:
            raise _Unusable(mark, f"this is nested too deep; expected at most {MAX_DEPTH} levels")
        node = Node(None, self._source, mark.line + 1, mark.column + 1)
        self._count += 1
        first, deepest = self._count, self._deepest
        self._deepest = depth
        if event.tag is not None:
            self._report.mask_word(node)
            self._report.add(node, "a tag is not allowed; expected a value without one")
        if isinstance(event, yaml.ScalarEvent):
            node.text = event.value
            node.plain = event.implicit[0]
            node.value = typed_scalar(event.value) if node.plain else event.value
        elif isinstance(event, yaml.MappingStartEvent):
            end = self._mapping(node, depth + 1)
        else:
            end = self._sequence(node, depth + 1)
        node.end = (end.line + 1, end.column + 1)
        if event.anchor is not None:
            self._anchors[event.anchor] = (node, self._count - first + 1, self._deepest - depth)
        self._deepest = max(self._deepest, deepest)
        return node

    def _alias(self, event: Any, depth: int) -> Node:
        if event.anchor not in self._anchors:
            # Without its name: it may be a secret that begins with a star.
            message = "this alias stands for nothing; expected an anchor (&) of its name above it"
            raise _Unusable(event.start_mark, message)
        node, size, height = self._anchors[event.anchor]
        self._count += size
        self._copies += size
        self._deepest = max(self._deepest, depth + height)
        if self._copies > MAX_COPIES or self._deepest > MAX_DEPTH:
            message = f"the aliases of this file stand for too much; expected at most {MAX_COPIES} values"
            raise _Unusable(event.start_mark, f"{message}, {MAX_DEPTH} levels deep")
        return node.twin()

    def _sequence(self, parent: Node, depth: int) -> Any:
        items: list[Node] = []
        parent.value = items
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            item = self._node(event, depth)
            parent.adopt(len(items), item)
            items.append(item)
        return event.end_mark

    def _mapping(self, parent: Node, depth: int) -> Any:
        entries: dict[str, Node] = {}
        parent.value = entries
        merged: list[Node] = []
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event)
            place = (event.start_mark.line + 1, event.start_mark.column + 1)
            child = self._node(next(self._events), depth)
            child.key = place
            parent.adopt(key, child)
            if key == "<<" and event.implicit[0]:
                merged.append(child)
            elif key in entries:
                self._duplicate(child, entries[key])
            else:
                entries[key] = child
        if merged:
            self._merge(entries, merged)
        return event.end_mark

    def _key(self, event: Any) -> str:
        mark = event.start_mark
        if not isinstance(event, yaml.ScalarEvent):
            raise _Unusable(mark, "this cannot be a key; expected text, and a value with braces in quotes")
        if event.tag is not None or event.anchor is not None:
            raise _Unusable(mark, "a key has a tag or an anchor; expected text alone")
        if "${" in event.value:
            message = "variables are not put into keys; expected them in values only"
            self._report.add_at(self._source, mark.line + 1, mark.column + 1, message)
        return str(event.value)

    def _duplicate(self, second: Node, first: Node) -> None:
        line = first.key[0] if first.key else first.line
        message = f"`{second.step}` stands twice; expected once, and it stands in line {line} already"
        self._report.mask_untyped(second)
        self._report.add(second, message, at_key=True)

    def _merge(self, entries: dict[str, Node], merged: list[Node]) -> None:
        """The merge key: what is written in the mapping counts, then the earliest that is merged."""
        for again in merged[1:]:
            self._duplicate(again, merged[0])
        node = merged[0]
        for source in node.value if isinstance(node.value, list) else [node]:
            if not isinstance(source.value, dict):
                self._report.add(source, "`<<` merges mappings; expected an alias of one, or a list of such")
                return
            for key, child in source.value.items():
                entries.setdefault(key, child)


def _position(before: str) -> tuple[int, int]:
    """Line and column just behind `before`."""
    lines = _LINE_END.split(before)
    return len(lines), len(lines[-1]) + 1


def _report_syntax(error: yaml.MarkedYAMLError, source: Source, report: Report) -> None:
    mark, opened = error.problem_mark or error.context_mark, error.context_mark
    # What was never closed is noticed at the end of the file, where there is nothing to see.
    if opened is not None and mark is not None and not source.line(mark.line + 1)[mark.column :].strip():
        mark = opened
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    if not source.line(line).strip():
        line, column = _position(source.text.rstrip())
    said = (error.problem or "it cannot be parsed").strip()
    since = ""
    if opened is not None and opened.line + 1 != line:
        since = f" (within what starts in line {opened.line + 1})"
    hint = next((hint for part, hint in _HINTS if part in said), "check the indentation and the quotes")
    if "expected ',' or" in said and _UNQUOTED_BRACES.search(source.line(line)):
        hint = 'between braces, quote a value that has braces in it: "/x/{id}", "${NAME}"'
    report.add_at(source, line, column, f"this is not YAML: {said}{since}; {hint}")
