"""What a policy file says about tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, ClassVar, Self
from urllib.parse import urlsplit

from msgspec import Meta

from proxy.config.documents import Document
from proxy.config.schema import Schema
from proxy.config.units import Duration
from proxy.policies.authorities import AuthoritiesFile


class JwksUrl(str):
    """Where an issuer publishes its keys."""

    __slots__ = ()
    pattern: ClassVar[str] = r"^https://[^\s/?#@\\]+(/[^\s#@\\]*)?$"
    example: ClassVar[str] = "https://id.example.com/.well-known/jwks.json"

    @classmethod
    def parse(cls, value: object) -> Self:
        if isinstance(value, str) and "@" in value:
            # Not quoted: it may hold a password.
            raise ValueError("the url has credentials in it; expected one without")
        if isinstance(value, str) and value.isascii() and re.fullmatch(cls.pattern, value):
            try:
                urlsplit(value).port  # noqa: B018  # it raises
            except ValueError:
                pass
            else:
                return cls(value)
        raise ValueError(f"{value!r} is no https url; expected one such as {cls.example}")


class JwksFile(Document):
    """A JSON file with a JWK set."""

    schema: ClassVar[type[Schema] | None] = None
    example: ClassVar[str] = "/run/keys/jwks.json"


class JwksConfig(Schema, frozen=True, kw_only=True):
    """Where the issuer's keys are."""

    url: Annotated[JwksUrl | None, Meta(description="Where the issuer publishes them.")] = None
    file: Annotated[
        JwksFile | None,
        Meta(description="A file with them, instead; read while loading, and when it changes."),
    ] = None
    ca_file: Annotated[
        AuthoritiesFile | None,
        Meta(description="Authorities in PEM that may vouch for the url's host, instead of the system's."),
    ] = None
    refresh_every: Annotated[
        Duration, Meta(ge=10, le=86400, description="How often they are fetched from the url.")
    ] = Duration(600)
    unknown_kid_every: Annotated[
        Duration,
        Meta(ge=1, le=3600, description="How often at most they are fetched for tokens with an unknown key."),
    ] = Duration(30)

    def check(self) -> Iterator[tuple[str, str]]:
        """The keys are in one place."""
        if (self.url is None) == (self.file is None):
            yield "", "the keys are in one place; expected `url` or `file`"
        if self.ca_file is not None and self.url is None:
            yield "ca_file", "nothing is fetched; expected none beside `file`"
