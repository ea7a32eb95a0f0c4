"""From what a policy file says to what has to be checked of a request."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, NamedTuple
from urllib.parse import urlsplit

from msgspec import Meta

from proxy.algorithms.signatures import WHSEC, read_key
from proxy.algorithms.signed_template import Template
from proxy.algorithms.timestamps import TimeUnit
from proxy.config.schema import Schema
from proxy.config.secrets import Secret
from proxy.config.units import HeaderName, Text
from proxy.policies.identity.webhook_signature.schemes import PRESETS, Scheme, Stamp
from proxy.policies.public_url import PublicUrl

if TYPE_CHECKING:
    from proxy.policies.identity.webhook_signature import WebhookSignatureConfig

HMAC = "hmac"
TOKEN = "token"  # noqa: S105  # the name of a scheme
_PORTS = {"http": 80, "https": 443}


class JsonPointer(Text):
    """A place in a JSON document (RFC 6901), through objects only."""

    __slots__ = ()
    pattern = r"^(/([^/~]|~[01])+)+$"
    example = "/data/timestamp"
    otherwise = "no JSON pointer; expected one such as /data/timestamp"


class TimestampConfig(Schema, frozen=True, kw_only=True):
    """Where the time of signing stands."""

    header: Annotated[HeaderName | None, Meta(description="In this header.")] = None
    field: Annotated[JsonPointer | None, Meta(description="In this field of a JSON body.")] = None
    prefix: Annotated[str | None, Meta(max_length=64, description="Before it in the header.")] = None
    unit: Annotated[
        TimeUnit, Meta(description="Seconds or milliseconds since 1970, or a date and time with its offset.")
    ] = "s"

    def check(self) -> Iterator[tuple[str, str]]:
        """It stands in one place."""
        if (self.header is None) == (self.field is None):
            yield "", "the time stands in one place; expected `header` or `field`"
        if self.field is not None and self.prefix:
            yield "prefix", "`prefix` is for a header; expected none beside `field`"


class Verification(NamedTuple):
    """One way in which a request may be signed."""

    scheme: Scheme
    template: Template
    keys: tuple[bytes, ...]
    """For a token: the digests of those that are accepted."""
    bases: tuple[str, ...]
    """How the URL may begin, where it is signed; else one empty text."""
    tolerance: float


def verifications(config: WebhookSignatureConfig) -> tuple[Verification, ...]:
    """All ways, in the order in which a request is asked for them. `faults` finds none in it."""
    found = []
    for scheme in schemes(config):
        secrets = [secret for secret in config.secrets or () if is_for(scheme, secret)]
        if secrets:
            found.append(
                Verification(
                    scheme,
                    Template.parse(scheme.signed),
                    tuple(_key(secret, scheme) for secret in secrets),
                    _bases(config.public_url, scheme),
                    scheme.tolerance if config.tolerance is None else config.tolerance,
                )
            )
    return tuple(found)


def schemes(config: WebhookSignatureConfig) -> tuple[Scheme, ...]:
    """What `scheme` stands for, with the header that the operator names."""
    if config.scheme == TOKEN:
        return (Scheme(config.header or "", signed=""),)
    if config.scheme == HMAC:
        return (own_scheme(config),)
    presets = PRESETS[config.scheme]
    if config.header is None:
        return presets
    (preset,) = presets
    return (Scheme(config.header, prefixes=preset.prefixes),)


def is_for(scheme: Scheme, secret: Secret) -> bool:
    """Of a provider with two ways: whether this way is the secret's."""
    return scheme.secrets == "all" or (scheme.secrets == "whsec") == secret.reveal().startswith(WHSEC)


def own_scheme(config: WebhookSignatureConfig) -> Scheme:
    """The scheme `hmac`, as the operator tells of it."""
    time = config.timestamp
    return Scheme(
        config.header or "",
        signed="{body}" if config.signed is None else config.signed,
        algorithm=config.algorithm or "sha256",
        encoding=config.encoding or "hex",
        prefixes=(config.prefix or "",),
        separator=config.separator or "",
        key=config.key_encoding or "text",
        stamp=None
        if time is None
        else Stamp(time.header or "", time.prefix or "", time.field or "", time.unit),
    )


def _key(secret: Secret, scheme: Scheme) -> bytes:
    # Digests have one length, so that the length of a token takes no time to tell, either.
    return read_key(secret.reveal(), scheme.key) if scheme.signed else sha256(secret.reveal()).digest()


def _bases(url: PublicUrl | None, scheme: Scheme) -> tuple[str, ...]:
    if url is None:
        return ("",)
    if not scheme.any_port:
        return (url,)
    parts = urlsplit(url)
    host = parts.netloc if parts.port is None else parts.netloc.rpartition(":")[0]
    port = parts.port or _PORTS[parts.scheme]
    return (f"{parts.scheme}://{host}{parts.path}", f"{parts.scheme}://{host}:{port}{parts.path}")
