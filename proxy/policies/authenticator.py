"""What every way to prove who one is has in common, so that `authenticate` can ask several of them.

A policy of the phase `identity` is an `Authenticator`: it judges one kind of credential.
Its `on_request` is built on `identify` and `settle`, and `authenticate` asks `identify` alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Protocol, runtime_checkable

from proxy.errors import Rejection
from proxy.exchange import Exchange, Identity

Challenge = Sequence[tuple[str, str]]
"""Headers of a 401: `WWW-Authenticate`, once for each place where a credential may stand."""

Refusal = tuple[int, str, str]
"""Status, reason, and what the client reads."""


@runtime_checkable
class Authenticator(Protocol):
    """One kind of credential, and who is accepted with it."""

    @property
    def challenge(self) -> Challenge:
        """What a client is told that shows no credential, or a wrong one (RFC 9110, section 11.6.1)."""
        ...

    def identify(self, exchange: Exchange) -> Identity | Awaitable[Identity | None] | None:
        """Who the caller is, by a credential of this kind; a plain function or a coroutine function.

        None where the request shows none: it is not for this one to judge. Raises Rejection,
        with a reason that begins with the policy's name, where what it shows is wrong (401), or
        nobody can tell now (503). Says nothing of that to the exchange; takes out of the request
        what the application shall not see of a credential that is accepted.
        """
        ...


def settle(exchange: Exchange, identity: Identity | None, missing: Refusal, challenge: Challenge) -> None:
    """The rest of `on_request`, for an authenticator that stands on a route by itself.

    Raises Rejection where nothing was shown; else the caller is who `identity` says, unless a
    policy before has said it.
    """
    if identity is None:
        raise Rejection(*missing, headers=challenge)
    if exchange.identity is None:
        exchange.identity = identity
