"""What several ways to authenticate say about one request, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from proxy.errors import Change, Rejection
from proxy.exchange import Identity

_WRONG, _FORBIDDEN, _UNJUDGED = 401, 403, 503
_OF_CREDENTIALS = (_WRONG, _FORBIDDEN, _UNJUDGED)


class Verdict:
    """Collects what each way says, in the order in which they are asked."""

    __slots__ = ("_accepted", "_rejections", "identity")

    def __init__(self) -> None:
        self.identity: Identity | None = None
        """Of the first way that accepts."""
        self._accepted: list[str] = []
        self._rejections: list[tuple[str, Rejection, str]] | None = None

    def heard(self, kind: str, identity: Identity | None) -> None:
        """A way of `kind` accepts the caller, or sees nothing to judge."""
        if identity is not None:
            self._accepted.append(kind)
            if self.identity is None:
                self.identity = identity

    def refused(self, kind: str, rejection: Rejection, place: str = "") -> None:
        """A way of `kind`, which stands at `place` in the policy, does not.

        Raises what has nothing to do with a credential, such as a 413.
        """
        if rejection.status not in _OF_CREDENTIALS or not rejection.reason.startswith(f"{kind}."):
            raise rejection
        if self._rejections is None:
            self._rejections = []
        self._rejections.append((kind, rejection.with_traceback(None), place))

    @property
    def wrong(self) -> bool:
        """Something was shown that no way of its kind accepts."""
        return self._rejections is not None and bool(self._standing())

    @property
    def unjudged(self) -> bool:
        """Some of that may be right: nobody could tell."""
        return any(rejection.status == _UNJUDGED for _, rejection, _ in self._standing())

    @property
    def forbidden(self) -> Rejection | None:
        """Of the first way that says that what was shown is right and allows too little; None where
        something else is wrong."""
        standing = self._standing()
        found = [(kind, each) for kind, each, _ in standing if each.status == _FORBIDDEN]
        kinds = {kind for kind, _ in found}
        return found[0][1] if found and all(kind in kinds for kind, _, _ in standing) else None

    @property
    def retry_after(self) -> float | None:
        """Seconds after which all of it may be judged."""
        waits = [each.retry_after for _, each, _ in self._standing() if each.retry_after is not None]
        return max(waits, default=None)

    @property
    def cause(self) -> str:
        """For the log and the decision: what was wrong with what."""
        return "; ".join(
            f"{each.reason}: {each.cause}" if each.cause else each.reason for _, each, _ in self._standing()
        )

    @property
    def facts(self) -> Mapping[str, object]:
        """The numbers behind it."""
        return {name: value for _, each, _ in self._standing() for name, value in each.facts.items()}

    @property
    def change(self) -> Change | None:
        """The edit that would have been enough, where one thing alone was wrong and has one."""
        standing = self._standing()
        change = standing[0][1].change if len(standing) == 1 else None
        return None if change is None else replace(change, key=f"{standing[0][2]}.{change.key}")

    def _standing(self) -> list[tuple[str, Rejection, str]]:
        return [each for each in self._rejections or () if each[0] not in self._accepted]
