"""What a policy file may say wrong about signatures, beyond what a single field can tell."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from proxy.algorithms.signatures import read_key
from proxy.algorithms.signed_template import BODY, HEADER, Template
from proxy.config.secrets import Secret
from proxy.config.units import HeaderName
from proxy.policies.identity.webhook_signature.certified import CERTIFIED
from proxy.policies.identity.webhook_signature.content import PLACES, TIMESTAMP, URL
from proxy.policies.identity.webhook_signature.schemes import Scheme
from proxy.policies.identity.webhook_signature.verification import HMAC, TOKEN, is_for, own_scheme, schemes

if TYPE_CHECKING:
    from proxy.policies.identity.webhook_signature import WebhookSignatureConfig

Fault = tuple[str, str]
"""Which field, and what is wrong with it; what is expected."""

_NAMED_BY_OPERATOR = (HMAC, TOKEN, "freshdesk")
_BY_CERTIFICATE = {
    "webhook_id": ("paypal",),
    "sandbox": ("paypal",),
    "topic_arns": ("aws-sns",),
    "signature_versions": ("aws-sns",),
    "ca_file": CERTIFIED,
}
"""Field -> the schemes that it is for."""
_NEEDED = ("webhook_id", "topic_arns")
_OF_TEMPLATES = ("algorithm", "encoding", "prefix", "separator", "signed", "key_encoding", "timestamp")


def faults(config: WebhookSignatureConfig) -> Iterator[Fault]:
    """Each thing that does not go together."""
    found = [*_of_other_schemes(config), *_fields(config)]
    if config.scheme in CERTIFIED:
        yield from found
        return
    if config.scheme == HMAC and not found:
        found = list(_template(own_scheme(config)))
    if not found:
        chosen = schemes(config)
        found = [*_surroundings(config, chosen), *_secrets(config.secrets or (), chosen)]
    yield from found


def _fields(config: WebhookSignatureConfig) -> Iterator[Fault]:
    """Fields that the scheme needs, or that are those of others."""
    scheme = config.scheme
    if scheme in (HMAC, TOKEN) and config.header is None:
        yield "", f"`header` is missing; expected it, since {scheme} is for any sender"
    if scheme not in _NAMED_BY_OPERATOR and config.header is not None:
        yield "header", f"{scheme} has a header of its own; expected none"
    if scheme != HMAC:
        for name in _OF_TEMPLATES:
            if getattr(config, name) is not None:
                yield name, f"`{name}` is for the scheme hmac; expected none, since {scheme} says it"


def _of_other_schemes(config: WebhookSignatureConfig) -> Iterator[Fault]:
    """By secret or by certificate, and whose."""
    scheme = config.scheme
    for name, mine in _BY_CERTIFICATE.items():
        if getattr(config, name) not in (None, ()) and scheme not in mine:
            yield name, f"`{name}` is for {' and '.join(mine)}; expected none"
        elif name in _NEEDED and scheme in mine and getattr(config, name) in (None, ()):
            yield "", f"`{name}` is missing; expected it, since anybody can have {scheme} sign for others"
    if scheme in CERTIFIED and config.secrets:
        yield "secrets", f"{scheme} signs by certificate; expected none"
    elif scheme in CERTIFIED and config.public_url is not None:
        yield "public_url", "the sender does not sign the URL; expected none"
    elif scheme not in CERTIFIED and config.secrets is None:
        yield "", "`secrets` is missing; expected a list"


def _template(own: Scheme) -> Iterator[Fault]:
    try:
        places = Template.parse(own.signed).places
    except ValueError as error:
        yield "signed", str(error)
        return
    headers = [place.removeprefix(HEADER) for place in places if place.startswith(HEADER)]
    for place in places:
        if not place.startswith(HEADER) and place not in PLACES:
            known = ", ".join(f"{{{each}}}" for each in PLACES)
            yield (
                "signed",
                f"{{{place}}} is nothing that could be signed; expected {known} or {{header:NAME}}",
            )
    for header in headers:
        if not re.fullmatch(HeaderName.pattern, header):
            yield "signed", f"{header!r} is no header name; expected one such as {{header:X-Request-Id}}"
    if BODY not in places:
        why = "anybody could send another body with an old signature"
        yield "signed", f"`signed` leaves the body out; expected {{body}} in it, or {why}"
    yield from _time(own, TIMESTAMP in places, headers)


def _time(own: Scheme, named: bool, headers: Sequence[str]) -> Iterator[Fault]:
    stamp = own.stamp
    if named and (stamp is None or stamp.field):
        yield "signed", "{timestamp} is the time in a header; expected that header under `timestamp`"
    signed = named or (stamp is not None and stamp.header.lower() in [each.lower() for each in headers])
    if stamp is not None and not stamp.field and not signed:
        yield (
            "signed",
            "`signed` leaves the time out; expected {timestamp} in it, or anybody could write another",
        )


def _surroundings(config: WebhookSignatureConfig, chosen: Sequence[Scheme]) -> Iterator[Fault]:
    if config.tolerance is not None and all(scheme.stamp is None for scheme in chosen):
        yield "tolerance", "no time is signed that could be off; expected none"
    signs_url = any(f"{{{URL}}}" in scheme.signed for scheme in chosen)
    if signs_url and config.public_url is None:
        yield "", "`public_url` is missing; expected it, since the sender signs the URL that it calls"
    if not signs_url and config.public_url is not None:
        yield "public_url", "the sender does not sign the URL; expected none"


def _secrets(secrets: Sequence[Secret], chosen: Sequence[Scheme]) -> Iterator[Fault]:
    for index, secret in enumerate(secrets):
        for scheme in chosen:
            if is_for(scheme, secret):
                try:
                    read_key(secret.reveal(), scheme.key)
                except ValueError as error:
                    yield f"secrets[{index}]", str(error)
                    break
