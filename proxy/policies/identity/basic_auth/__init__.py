"""Ask for a user name and a password, as browsers and webhook senders know how to give them.

```yaml
basic_auth:
  realm: reports
  credentials: [{env: ZENDESK_WEBHOOK_SECRET}, {env: OLD_ZENDESK_WEBHOOK_SECRET}]
```

Each secret is `user:password`, split at the first colon, so that a password may have colons in
it. Several may belong to one user, so that a password can be changed without a gap.

**Users in a file.** `htpasswd` names a file as Apache's `htpasswd -B` writes it: `user:hash` in
each line, and every hash bcrypt (`$2y$` or `$2b$`, cost 4 to 14). Others are refused at load by
their name, since they are too quick to guess. It is read when the policies are loaded, and again
when it changes; one with a mistake in it refuses the load with its own line. It needs the package
`bcrypt` (`seawall[htpasswd]`). bcrypt looks at 72 bytes: longer passwords are wrong.

**What a check costs.** bcrypt is slow on purpose: 80 ms with a cost of 10, twice that with 11. So
two threads do it, which stand back for requests, and 64 checks may wait for them in the whole process;
one more is refused with `503`. What was right is remembered for `remember_for`, up to 10,000
credentials, by a keyed digest in memory, and the same credential is not checked twice at one time.
Wrong passwords are checked each time: a flood of them takes what two processors have to spare, and
keeps those out who are not remembered, but nobody else. Put `rate_limit` in front, which is asked
before any check.

**Without a secret.** A secret that is not there refuses the policy file, as everywhere. For
developers who have none, `on_missing_secret: allow` goes on with those that are there, and without
any, and without `htpasswd`, admits every request. It is refused at load but with `--env dev`. Each load
warns of it, and each such request is `basic_auth.unverified` in shadow: in metrics, log and decisions.

A password travels with every request, and only TLS keeps it from being read: put
`require_https` or a listener with a certificate in front. Whoever guesses is slowed down by
`rate_limit`, not by this. `hide_credentials` takes the password out of what the application gets.

**Who the caller is.** The user name, where no policy before has said it.

**What the client sees.** `401` with `WWW-Authenticate: Basic` and the realm, upon which a browser
asks for both. Whether the user or the password was wrong is said to nobody. `503` with
`Retry-After` where too many checks wait.

**State.** Without `htpasswd` none. With it, what was right lately; it outlives a reload, but not
a change of the user's line in the file.

**Hardened against.** Guessing by time (what is shown is compared by its digest, in constant
time, whoever the user is; a user who is not in the file costs a check as well); base64 in spellings
that another decoder would read otherwise; a second `Authorization` beside the first; passwords in
logs, errors and decisions.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from proxy.algorithms.signatures import decode, encode
from proxy.config.schema import PolicyConfig
from proxy.config.secrets import OnMissingSecret, Secret
from proxy.config.units import Duration, HeaderValue
from proxy.errors import Busy, Rejection
from proxy.exchange import Exchange, Identity
from proxy.policies.authenticator import settle
from proxy.policies.identity.basic_auth.htpasswd import Htpasswd
from proxy.policies.identity.basic_auth.passwords import Passwords, cheaply_hashed
from proxy.policy import Services, Unsigned

MISSING = (401, "basic_auth.missing", "This service wants a user name and a password.")
INVALID = (401, "basic_auth.invalid", "This user name or this password is not accepted.")

UNVERIFIED = (401, "basic_auth.unverified", "Nobody is asked here, since the secret is missing.")
UNAVAILABLE = (503, "basic_auth.unavailable", "The password can't be checked now.")

REASONS = (MISSING, INVALID, UNVERIFIED, UNAVAILABLE)

_HEADER = "Authorization"
_LONGEST = 4096
_RETRY_AFTER = 5.0
_FEW = 8


class BasicAuthConfig(PolicyConfig, frozen=True, kw_only=True):
    """See the module's docstring."""

    credentials: Annotated[
        tuple[Secret, ...] | None,
        Meta(min_length=1, max_length=1000, description="Secrets of the form `user:password`."),
    ] = None
    on_missing_secret: OnMissingSecret = "reject"  # noqa: S105  # no password
    htpasswd: Annotated[
        Htpasswd | None, Meta(description="A file with users and bcrypt hashes, read while loading.")
    ] = None
    remember_for: Annotated[
        Duration,
        Meta(ge=1, le=3600, description="For how long a password of `htpasswd` is not checked again."),
    ] = Duration(60)
    realm: Annotated[
        HeaderValue,
        Meta(min_length=1, max_length=200, description="What the user name is for; a browser shows it."),
    ] = HeaderValue("restricted")
    hide_credentials: Annotated[
        bool, Meta(description="Take the password out of what the application gets.")
    ] = False

    def check(self) -> Iterator[tuple[str, str]]:
        """There are users, and each has a name that can be told, and a password."""
        if self.credentials is None and self.htpasswd is None:
            yield "", "nobody has a password; expected `credentials` or `htpasswd`"
        for index, secret in enumerate(self.credentials or ()):
            user, colon, password = secret.reveal_text().partition(":")
            if not colon:
                yield f"credentials[{index}]", "there is no colon in the secret; expected `user:password`"
            elif not user or not user.isprintable():
                yield f"credentials[{index}]", "the user name is empty or no text; expected `user:password`"
            elif not password:
                yield f"credentials[{index}]", "the password is empty; expected `user:password`"

    def in_words(self) -> tuple[str, ...]:
        """Where nobody is asked."""
        return ("every request is admitted, since no secret is there",) if _is_open(self) else ()


class _Known(NamedTuple):
    digest: bytes
    identity: Identity


class BasicAuth:
    """See the module's docstring."""

    def __init__(self, config: BasicAuthConfig, services: Services) -> None:
        self._known = {known.digest: known for known in map(_known, config.credentials or ())}
        self._open = _is_open(config)
        self._hides = config.hide_credentials
        realm = config.realm.replace("\\", "\\\\").replace('"', '\\"')
        # RFC 7617, section 2.1: only so will a browser send what is not ASCII as UTF-8.
        self.challenge = [("WWW-Authenticate", f'Basic realm="{realm}", charset="UTF-8"')]
        if config.htpasswd is not None and config.htpasswd.users:
            self._passwords = Passwords(config.htpasswd.users, config.remember_for, services)
            self.identify = self._identify_slowly  # type: ignore[method-assign, assignment]
            self.on_request = self._on_request_slowly  # type: ignore[method-assign, assignment]

    def on_request(self, exchange: Exchange) -> None:
        """A coroutine function where a file is asked."""
        if self._open:
            exchange.shadow(Rejection(*UNVERIFIED))
            return
        settle(exchange, self.identify(exchange), MISSING, self.challenge)

    async def _on_request_slowly(self, exchange: Exchange) -> None:
        settle(exchange, await self._identify_slowly(exchange), MISSING, self.challenge)

    def identify(self, exchange: Exchange) -> Identity | None:
        """By `credentials`, without waiting for anything; a coroutine function where a file is asked."""
        credential = self._shown(exchange)
        if credential is None:
            return None
        identity = self._find(credential)
        if identity is None:
            raise self._invalid("user or password are wrong")
        return self._accepted(exchange, identity)

    async def _identify_slowly(self, exchange: Exchange) -> Identity | None:
        """By `credentials`, else by the file."""
        credential = self._shown(exchange)
        if credential is None:
            return None
        identity = self._find(credential) or await self._find_in_file(credential)
        return self._accepted(exchange, identity)

    def _shown(self, exchange: Exchange) -> bytes | None:
        """User and password; None where there are none."""
        shown = exchange.request.headers.get_all(_HEADER)
        if not any(_is_basic(value) for value in shown):
            return None
        if len(shown) > 1:
            raise self._invalid(f"there are {len(shown)} Authorization headers")
        written = shown[0].partition(" ")[2].strip(" ")
        credential = decode(written, "base64") if len(written) <= _LONGEST else None
        if credential is None:
            raise self._invalid("what is shown is not in base64, or too long")
        return credential

    def _find(self, credential: bytes) -> Identity | None:
        digest = sha256(credential).digest()
        known = self._known.get(digest)
        return known.identity if known is not None and hmac.compare_digest(digest, known.digest) else None

    async def _find_in_file(self, credential: bytes) -> Identity:
        name, colon, password = credential.partition(b":")
        user = name.decode("utf-8", "surrogateescape")
        if not colon:
            raise self._invalid("there is no colon in what is shown")
        try:
            right = await self._passwords.accepts(user, password)
        except Busy as error:
            raise Rejection(*UNAVAILABLE, retry_after=_RETRY_AFTER, cause=str(error)) from None
        if not right:
            raise self._invalid("user or password are wrong")
        return Identity(user, "basic_auth")

    def _accepted(self, exchange: Exchange, identity: Identity) -> Identity:
        if self._hides:
            exchange.request.headers.remove(_HEADER)
        return identity

    def _invalid(self, cause: str) -> Rejection:
        return Rejection(*INVALID, headers=self.challenge, cause=cause)


def sign_with_password(config: BasicAuthConfig, unsigned: Unsigned, credentials: Mapping[str, str]) -> None:
    """Show the first of `credentials`, else that of a user in the file; the rehearsal's `sign`."""
    if _is_open(config):
        return  # nobody is asked, so that nothing need be shown
    unsigned.headers[:] = [each for each in unsigned.headers if each[0].lower() != _HEADER.lower()]
    shown = config.credentials[0].reveal() if config.credentials else _of_file(config, credentials)
    unsigned.headers.append((_HEADER, f"Basic {encode(shown, 'base64')}"))


def _is_open(config: BasicAuthConfig) -> bool:
    """A developer's, who has none of the secrets."""
    allowed = config.on_missing_secret == "allow"  # noqa: S105  # no password
    return allowed and not config.credentials and config.htpasswd is None


def rehearsed_with(config: BasicAuthConfig, credentials: Mapping[str, str]) -> BasicAuthConfig:
    """The same users, of whom those in `credentials` have the password that is given there."""
    file = config.htpasswd
    if file is None:
        return config
    given = {user: cheaply_hashed(credentials[user].encode()) for user in file.users if user in credentials}
    return msgspec.structs.replace(config, htpasswd=file.with_hashes(given))


def _of_file(config: BasicAuthConfig, credentials: Mapping[str, str]) -> bytes:
    users = () if config.htpasswd is None else tuple(config.htpasswd.users)
    user = next((each for each in users if each in credentials), None)
    if user is None:
        raise ValueError(
            "no user's password is known; expected one under test_secrets.credentials"
            f" for one of {', '.join(users[:_FEW])}"
        )
    return f"{user}:{credentials[user]}".encode()


def _known(secret: Secret) -> _Known:
    user = secret.reveal_text().partition(":")[0]
    return _Known(sha256(secret.reveal()).digest(), Identity(user, "basic_auth"))


def _is_basic(value: str) -> bool:
    return value.partition(" ")[0].lower() == "basic"  # RFC 9110, section 11.1: in any letters
