"""Collects every problem of a configuration, and renders them once all secrets are known."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches

from proxy.config.excerpt import Mask, Masks, excerpt, mask_by_key, mask_comment, mask_userinfo
from proxy.config.nodes import Node, Source
from proxy.errors import Problem

_SENSITIVE = re.compile(
    r"secret|token|passw|credential|private[_-]?key|api[_-]?key|authorization", re.IGNORECASE
)


MAX_PROBLEMS = 1000
_MAX_NAMES = 100
_NEIGHBOURS = 20
_LONGEST = 800


@dataclass(frozen=True, slots=True)
class _Finding:
    source: Source
    line: int
    column: int
    message: str
    node: Node | None = None
    """None where nothing could be parsed there."""


class Report:
    """Problems and warnings so far, and which pieces of text may not be shown.

    `secret_names` are the keys under which the schemas expect secrets: where a value could
    not be typed, its key decides whether it is shown.
    """

    def __init__(self, secret_names: Iterable[str] = ()) -> None:
        self._secret_names = frozenset(secret_names)
        self._problems: dict[tuple[str, int, int, str], _Finding] = {}
        self._warnings: dict[tuple[str, int, int, str], _Finding] = {}
        self._masks: dict[Source, Masks] = {}
        self._unparsed: set[Source] = set()
        self._concealed: set[Source] = set()
        self._files: dict[str, int] = {}
        self._left_out = False

    def __bool__(self) -> bool:
        """There are problems."""
        return bool(self._problems)

    def begin(self, name: str) -> None:
        """Problems of the file `name` come after those of the files begun before it."""
        self._files.setdefault(name, len(self._files))

    def add(self, node: Node, message: str, *, at_key: bool = False) -> None:
        """`node` is wrong; `at_key` points at its key rather than at its value."""
        self._note(self._problems, node, message, at_key=at_key)

    def warn(self, node: Node, message: str, *, at_key: bool = False) -> None:
        """`node` is allowed, and probably not what was meant."""
        self._note(self._warnings, node, message, at_key=at_key)

    def add_at(self, source: Source, line: int, column: int, message: str) -> None:
        """Something is wrong at a place of the text that no node stands for."""
        self._keep(self._problems, _Finding(source, line, column, message))

    def add_file(self, name: str, message: str) -> None:
        """A whole file is wrong."""
        self.add_at(Source(name, ""), 0, 0, message)

    def warn_file(self, name: str, message: str) -> None:
        """A whole file is probably not what was meant."""
        self._keep(self._warnings, _Finding(Source(name, ""), 0, 0, message))

    def unparsed(self, source: Source) -> None:
        """No document came of `source`, so nobody knows which of it is secret."""
        self._unparsed.add(source)

    def conceal(self, source: Source) -> None:
        """Show no line of `source`."""
        self._concealed.add(source)

    def mask(self, node: Node) -> None:
        """Show nothing of `node`."""
        self._hide(node, userinfo_only=False)

    def mask_entry(self, node: Node) -> None:
        """Show nothing of `node` and of its key, which may be a secret that lost its own."""
        node.key_hidden = True
        self._masks.setdefault(node.source, Masks()).add(Mask(node.key or (node.line, node.column), node.end))

    def mask_word(self, node: Node) -> None:
        """Show nothing of the word with which `node` begins: a tag, which may be a secret."""
        word = node.source.line(node.line)[node.column - 1 :].partition(" ")[0]
        mask = Mask((node.line, node.column), (node.line, node.column + len(word)))
        self._masks.setdefault(node.source, Masks()).add(mask)

    def mask_userinfo(self, node: Node) -> None:
        """Show nothing between `://` and `@` of the scalar `node`."""
        self._hide(node, userinfo_only=True)

    def mask_untyped(self, node: Node) -> None:
        """Nobody knows what `node` means: hide what stands under keys that look secret."""
        if isinstance(node.step, str) and self.is_secret(node.step):
            self.mask(node)
        for child in node.children():
            self.mask_untyped(child)

    def is_secret(self, key: str) -> bool:
        """`key` is one under which a secret would stand."""
        return key in self._secret_names or looks_secret(key)

    def problems(self) -> tuple[Problem, ...]:
        """Every problem in file order, once; of very many, the first that were found."""
        shown = self._render(self._problems)
        if self._left_out:
            shown += (Problem("", 0, 0, "", f"there are more problems than these {MAX_PROBLEMS}"),)
        return shown

    def warnings(self) -> tuple[Problem, ...]:
        """Every warning in file order, once."""
        return self._render(self._warnings)

    def hint(self, word: str, known: Iterable[str]) -> str:
        """As `did_you_mean`, while there is room for problems: a hint takes longer than all else."""
        return "" if len(self._problems) >= MAX_PROBLEMS else did_you_mean(word, known)

    def problem(self, node: Node, message: str, *, at_key: bool = False) -> Problem:
        """A problem that is not kept here, with what is known of secrets by now."""
        return self._problem(_finding(node, message, at_key=at_key))

    def _note(
        self, kept: dict[tuple[str, int, int, str], _Finding], node: Node, message: str, *, at_key: bool
    ) -> None:
        self._keep(kept, _finding(node, message, at_key=at_key))

    def _keep(self, kept: dict[tuple[str, int, int, str], _Finding], finding: _Finding) -> None:
        if len(kept) >= MAX_PROBLEMS:
            self._left_out = True
            return
        self.begin(finding.source.name)
        finding = replace(finding, message=_shortened(finding.message))
        kept.setdefault((finding.source.name, finding.line, finding.column, finding.message), finding)

    def _hide(self, leaf: Node, *, userinfo_only: bool) -> None:
        mask = Mask((leaf.line, leaf.column), leaf.end, userinfo_only)
        self._masks.setdefault(leaf.source, Masks()).add(mask)

    def _render(self, kept: dict[tuple[str, int, int, str], _Finding]) -> tuple[Problem, ...]:
        ordered = sorted(kept.values(), key=lambda f: (self._files[f.source.name], f.line, f.column))
        return tuple(self._problem(finding) for finding in ordered)

    def _problem(self, finding: _Finding) -> Problem:
        source = finding.source
        masks = self._masks[source].of(finding.line) if source in self._masks else []
        masks += mask_comment(source, finding.line, self.is_secret)
        if source in self._unparsed:
            masks += mask_by_key(source, finding.line, self.is_secret)
        seen = source not in self._concealed
        shown = excerpt(source, finding.line, finding.column, masks) if seen else ""
        # Asked for only now, since a node learns where it stands after it was read.
        path = mask_userinfo(finding.node.path) if finding.node else ""
        message = mask_userinfo(finding.message)
        return Problem(source.name, finding.line, finding.column, path, message, shown)


def _finding(node: Node, message: str, *, at_key: bool) -> _Finding:
    line, column = node.key if at_key and node.key else (node.line, node.column)
    told = f"{message} ({node.origin})" if node.origin and node.origin not in message else message
    return _Finding(node.source, line, column, told, node)


def looks_secret(key: str) -> bool:
    """`key` reads like one whose value should not be shown; what to do without a secret is none."""
    return key != "on_missing_secret" and _SENSITIVE.search(key) is not None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean ...?` where something known is close, else `; expected one of ...`."""
    names = sorted(known)
    # Comparing is slow, and typing errors rarely begin a word: of very many, its neighbours will do.
    at = bisect_left(names, word)
    near = names if len(names) <= _MAX_NAMES else names[max(0, at - _NEIGHBOURS) : at + _NEIGHBOURS]
    close = get_close_matches(word, near, n=1, cutoff=0.6)
    if close:
        return f"; did you mean `{close[0]}`?"
    if not names:
        return ""
    listed = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    return f"; expected one of {listed}" if len(names) > 1 else f"; expected {listed}"


def _shortened(message: str) -> str:
    """A message repeats what stands in the file, which may be long."""
    return (
        message if len(message) <= _LONGEST else f"{message[: _LONGEST // 2]}...{message[-_LONGEST // 2 :]}"
    )
