"""The line of a problem and a caret under it, without the secrets that stand in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple

from proxy.config.nodes import Source

_HIDDEN = "***"
_WIDTH = 140
_LOOKED_AT = 1000
_LINES_BEFORE = 3
_CLIMBED = 500
_USERINFO = re.compile(r"(?<=//)[^\s/]\S*(?=@)")
_COMMENT = re.compile(r"(?:^|\s)#")
_KEY = re.compile(r"""["']?([\w.-]+)(?:["']\s*:|\s*:(?=\s|$))""")  # JSON has no space behind it


class Mask(NamedTuple):
    """A stretch of a file that may not be shown; lines and columns count from 1."""

    start: tuple[int, int]
    end: tuple[int, int]
    userinfo_only: bool = False


class Masks:
    """Those of one file, by line."""

    def __init__(self) -> None:
        self._by_line: dict[int, set[Mask]] = {}
        self._long: set[Mask] = set()

    def add(self, mask: Mask) -> None:
        """Hide what `mask` says."""
        if mask.start[0] == mask.end[0]:
            self._by_line.setdefault(mask.start[0], set()).add(mask)
        else:
            self._long.add(mask)

    def of(self, line: int) -> list[Mask]:
        """What to hide of `line`."""
        long = [mask for mask in self._long if mask.start[0] <= line <= mask.end[0]]
        return [*self._by_line.get(line, ()), *long]


def mask_userinfo(text: str) -> str:
    """`text` with what stands between `//` and `@` hidden."""
    return _USERINFO.sub(_HIDDEN, text)


def excerpt(source: Source, line: int, column: int, masks: Sequence[Mask]) -> str:
    """Line `line` of `source`, and a caret under `column`; empty where there is no such line."""
    whole = source.line(line)
    if not whole.strip():
        return ""
    # Of a very long line only the surroundings are looked at, and less of them shown.
    first = max(0, column - 1 - _LOOKED_AT)
    text = whole[first : column - 1 + _LOOKED_AT]
    caret = moved = min(column - 1 - first, len(text))
    shown: list[str] = []
    at = 0
    for start, end in _hidden(text, first, line, masks):
        shown += [text[at:start], _HIDDEN]
        if caret >= end:
            moved += len(_HIDDEN) - (end - start)
        elif caret > start:
            moved -= caret - start
        at = end
    return _with_caret("".join([*shown, text[at:]]), moved)


def mask_by_key(source: Source, line: int, is_secret: Callable[[str], bool]) -> list[Mask]:
    """What to hide of a line that YAML could not parse: all behind, or under, a secret's key.

    Nobody knows the structure here, so indentation and brackets stand for it, and too much is
    hidden rather than too little: also what follows on such a line, whatever its indentation.
    """
    text = source.line(line)
    for key in _KEY.finditer(text):
        if is_secret(key[1]):
            space = text[key.end() : key.end() + 1] == " "
            return [Mask((line, key.end() + 1 + space), (line, len(text) + 1))]
    filled = (number for number in range(line - 1, 0, -1) if source.line(number).strip())
    before = list(islice(filled, _LINES_BEFORE))
    around = chain(map(source.line, before), *(_parents(source, number) for number in (line, *before)))
    if any(is_secret(key[1]) for above in around for key in _KEY.finditer(above)):
        return [Mask((line, 1), (line, len(text) + 1))]
    return []


def mask_comment(source: Source, line: int, is_secret: Callable[[str], bool]) -> list[Mask]:
    """What to hide of a comment, which may hold what was in force yesterday."""
    text = source.line(line)
    comment = _COMMENT.search(text)
    if comment and any(is_secret(key[1]) for key in _KEY.finditer(text, comment.end())):
        return [Mask((line, comment.end() + 1), (line, len(text) + 1))]
    return []


def _parents(source: Source, line: int) -> Iterator[str]:
    """The lines above that `line` stands under, judged by indentation and brackets, innermost first."""
    text = source.line(line)
    open_brackets = 0
    adjacent = True
    for number in range(line - 1, max(0, line - _CLIMBED), -1):
        above = source.line(number)
        if not above.strip():
            continue
        open_brackets += sum(above.count(bracket) for bracket in "[{") - sum(above.count(b) for b in "]}")
        # A list may stand at the indentation of its own key, and what is mistyped right below it.
        beside = not _is_item(above) and (_is_item(text) or (adjacent and above.rstrip().endswith(":")))
        if _indent(above) < _indent(text) + beside or open_brackets > 0:
            yield above
            text = above
            open_brackets = 0
        adjacent = False


def _is_item(text: str) -> bool:
    return text.lstrip().startswith("-")


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())


def _hidden(text: str, first: int, line: int, masks: Sequence[Mask]) -> list[tuple[int, int]]:
    """Stretches of `text`, which starts at index `first` of `line`, to hide: sorted, without overlap."""
    found = [match.span() for match in _USERINFO.finditer(text)]
    for (from_line, from_column), (to_line, to_column), userinfo_only in masks:
        start = max(0, from_column - 1 - first) if line == from_line else _indent(text)
        end = min(len(text), to_column - 1 - first) if line == to_line else len(text)
        if userinfo_only:  # a scalar that is a url, or should be one
            end = text.rfind("@", start, max(start, end))
            start = text.find("//", start, max(start, end)) + 2 if "//" in text[start:end] else start
        if start < end:
            found.append((start, end))
    if len(masks) > sum(mask.userinfo_only for mask in masks) and (comment := _COMMENT.search(text)):
        found.append((comment.end(), len(text)))  # perhaps what was in force yesterday
    merged: list[tuple[int, int]] = []
    for start, end in sorted(found):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _with_caret(text: str, caret: int) -> str:
    """Two lines; a long one is cut around the caret, and tabs keep the caret where it belongs."""
    first = 0
    if len(text) > _WIDTH:
        first = max(0, min(caret - _WIDTH // 2, len(text) - _WIDTH))
    window = text[first : first + _WIDTH]
    before = "..." if first else ""
    after = "..." if first + _WIDTH < len(text) else ""
    printable = "".join(c if c.isprintable() or c == "\t" else "�" for c in window)
    pad = " " * len(before) + "".join("\t" if c == "\t" else " " for c in window[: caret - first])
    return f"{before}{printable}{after}\n{pad}^"
