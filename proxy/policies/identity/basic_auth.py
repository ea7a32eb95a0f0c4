"""Ask for a user name and a password, as browsers and webhook senders know how to give them.

```yaml
basic_auth:
  realm: reports
  credentials: [{env: ZENDESK_WEBHOOK_SECRET}, {env: OLD_ZENDESK_WEBHOOK_SECRET}]
```

Each secret is `user:password`, split at the first colon, so that a password may have colons in
it. Several may belong to one user, so that a password can be changed without a gap.

A password travels with every request, and only TLS keeps it from being read: put
`require_https` or a listener with a certificate in front. Whoever guesses is slowed down by
`rate_limit`, not by this. `hide_credentials` takes the password out of what the application gets.

**Who the caller is.** The user name, where no policy before has said it.

**What the client sees.** `401` with `WWW-Authenticate: Basic` and the realm, upon which a browser
asks for both. Whether the user or the password was wrong is said to nobody.

**State.** None, and nothing that could fail.

**Hardened against.** Guessing by time (what is shown is compared by its digest, in constant
time, whoever the user is); base64 in spellings that another decoder would read otherwise; a
second `Authorization` beside the first; passwords in logs, errors and decisions.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Annotated, NamedTuple

from msgspec import Meta

from proxy.algorithms.signatures import decode, encode
from proxy.config.schema import PolicyConfig
from proxy.config.secrets import Secret
from proxy.config.units import HeaderValue
from proxy.errors import Rejection
from proxy.exchange import Exchange, Identity
from proxy.policy import Services, Unsigned

MISSING = (401, "basic_auth.missing", "This service wants a user name and a password.")
INVALID = (401, "basic_auth.invalid", "This user name or this password is not accepted.")

REASONS = (MISSING, INVALID)

_HEADER = "Authorization"
_LONGEST = 4096


class BasicAuthConfig(PolicyConfig, frozen=True, kw_only=True):
    """See the module's docstring."""

    credentials: Annotated[
        tuple[Secret, ...],
        Meta(min_length=1, max_length=1000, description="Secrets of the form `user:password`."),
    ]
    realm: Annotated[
        HeaderValue,
        Meta(min_length=1, max_length=200, description="What the user name is for; a browser shows it."),
    ] = HeaderValue("restricted")
    hide_credentials: Annotated[
        bool, Meta(description="Take the password out of what the application gets.")
    ] = False

    def check(self) -> Iterator[tuple[str, str]]:
        """Each has a name that can be told, and a password."""
        for index, secret in enumerate(self.credentials):
            user, colon, password = secret.reveal_text().partition(":")
            if not colon:
                yield f"credentials[{index}]", "there is no colon in the secret; expected `user:password`"
            elif not user or not user.isprintable():
                yield f"credentials[{index}]", "the user name is empty or no text; expected `user:password`"
            elif not password:
                yield f"credentials[{index}]", "the password is empty; expected `user:password`"


class _Known(NamedTuple):
    digest: bytes
    identity: Identity


class BasicAuth:
    """See the module's docstring."""

    def __init__(self, config: BasicAuthConfig, services: Services) -> None:  # noqa: ARG002  # same for all
        self._known = {known.digest: known for known in map(_known, config.credentials)}
        self._hides = config.hide_credentials
        realm = config.realm.replace("\\", "\\\\").replace('"', '\\"')
        # RFC 7617, section 2.1: only so will a browser send what is not ASCII as UTF-8.
        self._challenge = [("WWW-Authenticate", f'Basic realm="{realm}", charset="UTF-8"')]

    def on_request(self, exchange: Exchange) -> None:
        headers = exchange.request.headers
        shown = headers.get_all(_HEADER)
        if not any(_is_basic(value) for value in shown):
            raise Rejection(*MISSING, headers=self._challenge)
        if len(shown) > 1:
            raise self._invalid(f"{len(shown)} Authorization headers")
        identity = self._find(shown[0].partition(" ")[2].strip(" "))
        if exchange.identity is None:
            exchange.identity = identity
        if self._hides:
            headers.remove(_HEADER)

    def _find(self, written: str) -> Identity:
        credential = decode(written, "base64") if len(written) <= _LONGEST else None
        if credential is None:
            raise self._invalid("not in base64, or too long")
        digest = sha256(credential).digest()
        known = self._known.get(digest)
        if known is None or not hmac.compare_digest(digest, known.digest):
            raise self._invalid("unknown")
        return known.identity

    def _invalid(self, cause: str) -> Rejection:
        return Rejection(*INVALID, headers=self._challenge, cause=cause)


def sign_with_password(
    config: BasicAuthConfig,
    unsigned: Unsigned,
    credentials: Mapping[str, str],  # noqa: ARG001  # the same for all policies
) -> None:
    """Show the first credential; the rehearsal's `sign`."""
    unsigned.headers[:] = [each for each in unsigned.headers if each[0].lower() != _HEADER.lower()]
    unsigned.headers.append((_HEADER, f"Basic {encode(config.credentials[0].reveal(), 'base64')}"))


def _known(secret: Secret) -> _Known:
    user = secret.reveal_text().partition(":")[0]
    return _Known(sha256(secret.reveal()).digest(), Identity(user, "basic_auth"))


def _is_basic(value: str) -> bool:
    return value.partition(" ")[0].lower() == "basic"  # RFC 9110, section 11.1: in any letters
