"""What a policy file may say wrong about tokens, beyond what a single field can tell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from proxy.algorithms.signatures import read_key
from proxy.policies.identity.jwt.claims import headers_in
from proxy.policies.identity.jwt.keys import of_secrets, of_set
from proxy.policies.lookalikes import too_many_dashes

if TYPE_CHECKING:
    from proxy.policies.identity.jwt import JwtConfig

Fault = tuple[str, str]
"""Which field, and what is wrong with it; what is expected."""


def faults(config: JwtConfig) -> Iterator[Fault]:
    """Each thing that does not go together."""
    shared = [name.startswith("HS") for name in config.algorithms]
    if any(shared) and not all(shared):
        yield "algorithms", "they need keys of two kinds; expected all with HS, or none of them"
    elif all(shared):
        yield from _secrets(config)
    else:
        yield from _set(config)
    for name in ("issuer", "audience"):
        stated = getattr(config, name)
        if stated in ("", ()) or (isinstance(stated, tuple) and "" in stated):
            yield name, f"`{name}` is empty; expected a text, or to leave it out"
    yield from _claims(config)
    if wrong := too_many_dashes(config.header):
        yield "header", wrong


def _claims(config: JwtConfig) -> Iterator[Fault]:
    for name, wanted in config.claims.items():
        if wanted == ():
            yield f"claims.{name}", "no value is allowed; expected at least one"
        for header in headers_in({name: wanted}):
            if wrong := too_many_dashes(header):
                yield f"claims.{name}", wrong


def _secrets(config: JwtConfig) -> Iterator[Fault]:
    if config.jwks is not None:
        yield "jwks", "HS algorithms have no public keys; expected `secrets` instead"
    if not config.secrets:
        yield "", "`secrets` are missing; expected at least one for HS algorithms"
    for index, secret in enumerate(config.secrets):
        try:
            of_secrets([read_key(secret.reveal(), config.key_encoding)], config.algorithms)
        except ValueError as error:
            yield f"secrets[{index}]", str(error)


def _set(config: JwtConfig) -> Iterator[Fault]:
    if config.secrets:
        yield "secrets", "these algorithms have public keys; expected `jwks` instead"
    if config.jwks is None:
        yield "", "`jwks` is missing; expected where the issuer's public keys are"
        return
    if config.issuer is None:
        yield "", "`issuer` is missing; expected it, since others may be vouched for by the same keys"
    file = config.jwks.file
    if file is not None and file.content is not None:  # on a route that is enabled
        try:
            of_set(file.content, config.algorithms)
        except ValueError as error:
            yield "jwks.file", str(error)
