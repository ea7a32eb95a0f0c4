"""`authenticate` in the tests of policy files."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from proxy.policies.identity.authenticate import AuthenticateConfig
from proxy.policies.identity.authenticate.ways import KINDS, Way
from proxy.policy import Unsigned


def sign_in_one_way(config: AuthenticateConfig, unsigned: Unsigned, credentials: Mapping[str, str]) -> None:
    """Show what the first way wants that can be shown; the rehearsal's `sign`."""
    reasons = []
    for way in config.any_of:
        kind, inner = way.chosen
        attempt = Unsigned(
            unsigned.method, unsigned.target, list(unsigned.headers), unsigned.body, unsigned.now
        )
        try:
            KINDS[kind].sign(inner, attempt, credentials)
        except ValueError as error:
            reasons.append(f"{kind}: {error}")
        else:
            unsigned.target, unsigned.headers, unsigned.body = attempt.target, attempt.headers, attempt.body
            return
    raise ValueError("; ".join(reasons))


def rehearsed_with_credentials(
    config: AuthenticateConfig, credentials: Mapping[str, str]
) -> AuthenticateConfig:
    """The same, with each way as its own policy would be."""
    return msgspec.structs.replace(
        config, any_of=tuple(_rehearsed(way, credentials) for way in config.any_of)
    )


def _rehearsed(way: Way, credentials: Mapping[str, str]) -> Way:
    kind, inner = way.chosen
    rehearsed = KINDS[kind].rehearsed
    return way if rehearsed is None else msgspec.structs.replace(way, **{kind: rehearsed(inner, credentials)})
