"""What is said of reloads: in the log, and to whoever asks for the health of the process."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from proxy.admin.running import LastReload
from proxy.config.configuration import Configuration
from proxy.config.difference import changes, in_words
from proxy.errors import ConfigError, Problem

_log = logging.getLogger("seawall")


class ReloadLog:
    """Remembers how the last reload ended, so that the same problem is not logged at every look."""

    def __init__(self, at: float) -> None:
        self.last = LastReload(ok=True, at=at)
        self.last_change: Sequence[str] = ()
        """What the last change of what is live came to, a line for each thing; of many, the first ones."""
        self._warnings: frozenset[str] = frozenset()

    def warned(self, warnings: Sequence[Problem]) -> None:
        """Of what goes live; what was said of the revision before is not said again."""
        said = [str(warning) for warning in warnings]
        for warning in said:
            if warning not in self._warnings:
                _log.warning("%s", warning)
        self._warnings = frozenset(said)

    def refused(self, error: ConfigError, at: float, *, bug: BaseException | None, watched: bool) -> None:
        """The files have problems, or met a `bug`. `watched`: nobody asked, a change was seen."""
        problems = tuple(map(str, error.problems))
        if bug is not None:
            _log.error("bug while loading the policy files; the old policies stay", exc_info=bug)
        elif not watched or problems != self.last.problems:
            _log.error("the policy files have problems; the old policies stay\n%s", error)
        self.last = LastReload(ok=False, at=at, problems=problems)

    def accepted(self, before: Configuration, after: Configuration, at: float, *, watched: bool) -> None:
        """`after` is live. Comparing takes a while where there are many routes."""
        mended, self.last = not self.last.ok, LastReload(ok=True, at=at)
        same = after.revision == before.revision
        said = _in_words(before, after)
        if said:
            self.last_change = tuple(said)
        elif same and watched and not mended:
            return
        _log.info(
            "revision %s is live%s%s%s",
            after.short_revision,
            ", as before" if same and not said else "",
            "; its files are fine again" if mended else "",
            _told(said, same=same),
        )


def _told(said: Sequence[str] | None, *, same: bool) -> str:
    if said:
        return ": " + "; ".join(said)
    return "" if same or said is None else "; no value in it is different"


def _in_words(before: Configuration, after: Configuration) -> list[str] | None:
    """None where that is not known."""
    try:
        return in_words(changes(before, after))
    except Exception:  # noqa: BLE001  # nothing to refuse any more
        _log.exception("bug while comparing two revisions; the new one is live all the same")
        return None
