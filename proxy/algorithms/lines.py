"""Lines of those who wait for something that comes one by one: for each key one, first come first served.

Who joins stands last; the first of a line is told when it becomes the first, and stays until it
leaves. So whoever finds somebody in the line stands behind, and nobody is overtaken. Both all
lines together and each are bounded, and a line that nobody stands in is forgotten.

For one thread, and without a clock: what the first waits for, and how long anybody waits, is the
caller's business.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable


class Turn:
    """Somebody's place in a line. Whoever has one gives it back with `leave`."""

    __slots__ = ("key", "tell")

    def __init__(self, key: str) -> None:
        self.key = key
        self.tell: Callable[[], object] = _nobody
        """Called when it becomes the first, or is to look again."""


def _nobody() -> None:
    return None


class Lines:
    """At most `size` wait in all lines together, and `per_line` in each."""

    def __init__(self, size: int = 0, per_line: int = 0) -> None:
        self.size = size
        self.per_line = per_line
        self.waiting = 0
        self._lines: dict[str, OrderedDict[Turn, None]] = {}

    def ahead(self, key: str) -> int:
        """How many stand in front of somebody who comes now."""
        line = self._lines.get(key)
        return 0 if line is None else len(line)

    def before(self, turn: Turn) -> int:
        """How many stand in front of `turn`, which is in its line."""
        return next(index for index, each in enumerate(self._lines[turn.key]) if each is turn)

    def is_first(self, turn: Turn) -> bool:
        """Nobody in its line came before it and is still there."""
        line = self._lines.get(turn.key)
        return line is not None and next(iter(line)) is turn

    def join(self, key: str) -> Turn | None:
        """The last place of the line; None where there is no room."""
        if self.waiting >= self.size or self.ahead(key) >= self.per_line:
            return None
        turn = Turn(key)
        self._lines.setdefault(key, OrderedDict())[turn] = None
        self.waiting += 1
        return turn

    def leave(self, turn: Turn) -> None:
        """Give it back, wherever it stands; a second time is nothing."""
        line = self._lines.get(turn.key)
        if line is None or turn not in line:
            return
        was_first = next(iter(line)) is turn
        del line[turn]
        self.waiting -= 1
        if not line:
            del self._lines[turn.key]
        elif was_first:
            next(iter(line)).tell()

    def resize(self, size: int, per_line: int) -> None:
        """From now on. Nobody loses a place: what is too much runs out."""
        self.size, self.per_line = size, per_line

    def look_again(self) -> None:
        """Tell the first of each line that what it waits for has changed."""
        for line in list(self._lines.values()):
            next(iter(line)).tell()
