"""Several policies of one kind on a route that decide as one, each in its mode.

The enforced ones are joined by what the kind offers (`PolicyType.together`). Those in shadow
follow, each by itself: they see what the enforced ones let pass. One with a share is among
the first for some callers and among the others for the rest.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import Any

from proxy.exchange import Exchange, Response
from proxy.policy import Hooks, Policy

Chosen = Callable[[Exchange], bool]


@dataclass(frozen=True, slots=True)
class Member:
    """One of them, as its mode has it."""

    policy: Policy | None = None
    """What is enforced: for all, or for those who are `chosen`."""
    shadowed: Hooks | None = None
    """In shadow: for all, or for those who are not `chosen`."""
    chosen: Chosen | None = None


def joined(together: Callable[[Sequence[Any]], Policy], members: Sequence[Member]) -> list[Hooks]:
    """The hooks of all `members`, in the order in which a request meets them."""
    hooks = []
    enforced = [(member.policy, member.chosen) for member in members if member.policy is not None]
    if enforced:
        hooks.append(_enforced(together, enforced))
    shadows = [(member.shadowed, member.chosen) for member in members if member.shadowed is not None]
    return hooks + [_unless(chosen, shadow) if chosen else shadow for shadow, chosen in shadows]


def _enforced(
    together: Callable[[Sequence[Any]], Policy], members: Sequence[tuple[Policy, Chosen | None]]
) -> Hooks:
    def of(policies: Sequence[Policy]) -> Hooks:
        return Hooks.of(together(policies) if len(policies) > 1 else policies[0]) if policies else Hooks()

    if all(chosen is None for _, chosen in members):
        return of([policy for policy, _ in members])
    made: dict[tuple[bool, ...], Hooks] = {}

    def pick(exchange: Exchange) -> Hooks:
        sides = tuple([chosen is None or chosen(exchange) for _, chosen in members])
        hooks = made.get(sides)
        if hooks is None:
            hooks = made[sides] = of(
                [policy for (policy, _), side in zip(members, sides, strict=True) if side]
            )
        return hooks

    def on_response(exchange: Exchange, response: Response) -> None:
        hook = pick(exchange).on_response
        if hook:
            hook(exchange, response)

    waits = any(iscoroutinefunction(Hooks.of(policy).on_request) for policy, _ in members)
    return Hooks(on_request=_asking(pick, waits=waits), on_response=on_response)


def _asking(pick: Callable[[Exchange], Hooks], *, waits: bool) -> Callable[[Exchange], Any]:
    def on_request(exchange: Exchange) -> Any:
        hook = pick(exchange).on_request
        return hook(exchange) if hook else None

    async def waiting_on_request(exchange: Exchange) -> Any:
        hook = pick(exchange).on_request
        answer = hook(exchange) if hook else None
        return await answer if isinstance(answer, Awaitable) else answer

    return waiting_on_request if waits else on_request


def _unless(chosen: Chosen, hooks: Hooks) -> Hooks:
    """`hooks`, but nothing where `chosen` says so. A shadow has nothing to do with responses."""
    on_request, on_finish = hooks.on_request, hooks.on_finish

    async def waiting(exchange: Exchange) -> None:
        if on_request and not chosen(exchange):
            await on_request(exchange)

    def plain(exchange: Exchange) -> None:
        if on_request and not chosen(exchange):
            on_request(exchange)

    return Hooks(
        on_request=on_request and (waiting if iscoroutinefunction(on_request) else plain),
        on_finish=on_finish
        and (lambda exchange, outcome: None if chosen(exchange) else on_finish(exchange, outcome)),
    )
