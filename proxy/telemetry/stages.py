"""How far an exchange came on its route: policy by policy, what became of it there.

Worked out when somebody asks for a decision, from what is known at the end of every
exchange: who refused, whether the upstream was called, and what shadow reported. Where that
does not tell, as for the policies behind a `deadline` that ran out before the upstream was
called, the stage says `unknown`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from proxy.errors import Change, Rejection
from proxy.exchange import Exchange, PolicyFacts

Fate = Literal[
    "passed",
    "refused",
    "would have refused",
    "would have answered",
    "answered",
    "skipped",
    "not reached",
    "disabled",
    "unknown",
]

_SHADOW = "?shadow"
"""Ends the name of the state that a policy has for its shadow."""
_SHADOWED: Mapping[str, Fate] = {"skipped": "skipped", "answered": "would have answered"}


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """One policy of the route, and what became of the exchange there."""

    kind: str
    name: str
    """Of its state: `rate_limit/per_client`."""
    mode: str
    place: str
    """`file:line` of what is in force."""
    outcome: Fate
    """`skipped`: in shadow, and it would have needed the body, which nobody had read. `answered`
    is known to `seawall explain` alone, which tries it."""


class Mark(NamedTuple):
    """What is kept of a refusal to tell later whose it was."""

    policy: str
    reason: str
    change: Change | None


class Trace(NamedTuple):
    """What is kept of an exchange to tell its stages later."""

    chain: tuple[PolicyFacts, ...]
    refusal: Mark | None
    """None where nothing was refused, or the client left."""
    shadowed: Sequence[Mark]
    called: bool
    """The upstream was called, so that every policy had let it pass before."""
    late: bool
    """The refusal is of a bound (on time or on the body) that was set earlier than it was crossed."""

    def stages(self) -> list[Stage]:
        """In the order in which a request meets them."""
        refused = None if self.refusal is None else position_of(self.refusal, self.chain)
        shadowed = dict(self._fates_in_shadow())
        return [
            Stage(
                kind=each.kind,
                name=each.name,
                mode=each.mode,
                place=each.place,
                outcome=shadowed.get(index) or self._fate(index, refused),
            )
            for index, each in enumerate(self.chain)
        ]

    def _fate(self, index: int, refused: int | None) -> Fate:
        if self.chain[index].mode == "disabled":
            return "disabled"
        if index == refused:
            return "refused"
        if self.called or (refused is not None and index < refused):
            return "passed"
        return "unknown" if refused is None or self.late else "not reached"

    def _fates_in_shadow(self) -> Iterator[tuple[int, Fate]]:
        for mark in self.shadowed:
            index = position_of(mark, self.chain)
            if index is not None:
                yield index, _SHADOWED.get(mark.reason.partition(".")[2], "would have refused")


def trace_of(exchange: Exchange, most_shadowed: int) -> Trace:
    """What is to be kept of `exchange`, which is over."""
    refusal, shadowed = exchange.refusal, exchange.shadowed
    return Trace(
        exchange.route.chain,
        None if refusal is None else _mark(refusal),
        () if shadowed is None else tuple(map(_mark, shadowed[:most_shadowed])),
        exchange.attempts > 0,
        refusal is not None and (refusal is exchange.deadline_refusal or refusal is exchange.body_refusal),
    )


def position_of(mark: Mark, chain: Sequence[PolicyFacts]) -> int | None:
    """Whose refusal it is: by the name of the policy's state where it gives one, else by its kind.

    Of several of a kind the last counts, as it does for limits that a later one replaces.
    None where it is of no policy of the route, such as a failure of the upstream.
    """
    name = mark.policy.removesuffix(_SHADOW)
    kind = mark.reason.partition(".")[0]
    found = None
    for index, policy in enumerate(chain):
        if policy.mode == "disabled":
            continue
        if name and policy.name == name:
            return index
        if policy.kind == kind:
            found = index
    return found


def _mark(rejection: Rejection) -> Mark:
    return Mark(rejection.policy, rejection.reason, rejection.change)
