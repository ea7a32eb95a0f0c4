"""Headers in which applications are told who a caller is: no client may use them, on any route."""

from __future__ import annotations

from collections.abc import Iterator

from proxy.config.configuration import Configuration, PolicyInstance
from proxy.policies.identity.authenticate import AuthenticateConfig
from proxy.wire.parser import AS_CGI


def identity_headers(configuration: Configuration) -> frozenset[bytes]:
    """Their names, of routes that are enforced for some caller."""
    return frozenset(
        name.lower().encode("latin-1")
        for policy, name in _forwarding(configuration)
        if policy.mode != "shadow"
    )


def wrong_headers(configuration: Configuration) -> Iterator[tuple[PolicyInstance, str, str]]:
    """Whose header can't be taken from clients, the place in that policy, and why."""
    id_of_request = _as_cgi(configuration.request_id.header)
    for policy, name in _forwarding(configuration):
        if _as_cgi(name) == id_of_request:
            message = "this header has the id of the request; expected one of your own"
            yield policy, f"forward.{name}", message


def _forwarding(configuration: Configuration) -> Iterator[tuple[PolicyInstance, str]]:
    for policy in configuration.instances():
        if isinstance(policy.config, AuthenticateConfig):
            yield from ((policy, name) for name in policy.config.forward)


def _as_cgi(name: str) -> bytes:
    return name.lower().encode("latin-1").translate(AS_CGI)
