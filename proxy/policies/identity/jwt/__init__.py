"""Admit callers with a token that an issuer has signed, and know by it who they are.

```yaml
jwt:
  issuer: https://id.example.com/
  audience: tickets
  algorithms: [RS256]
  jwks: {url: "https://id.example.com/.well-known/jwks.json"}
  claims: {scope: ["tickets:read", "tickets:write"]}
```

```yaml
jwt: {algorithms: [HS256], secrets: [{env: TICKETS_TOKEN_SIGNING_SECRET}], max_age: 15m}
```

The token stands in `Authorization: Bearer`, or in the `header` that you name, there with or without
`Bearer`. It needs the package `pyjwt`, which comes with `pip install '.[jwt]'` where Seawall's source is,
and with the image.

**What a token must be.** Signed by one of `algorithms`: say those that your issuer uses, and no more.
`RS`, `PS`, `ES` and `EdDSA` are verified by the issuer's public keys, `HS` by `secrets` that you share
with it; the two never stand beside each other, and an unsigned token is none. `iss` is one of `issuer`.
`aud` names one of `audience`; where you name none, a token that is for somebody is refused. It has an
`exp`, unless you say `expiry: optional`, and neither that nor `nbf` and `iat` speak against it, give
or take `leeway`. `max_age` bounds how long ago it was issued, `typ` says what its header must call
itself (`at+jwt` for access tokens, RFC 9068), `required` which other claims it must have.

**Claims.** Each of `claims` must be equal to a fact about the request (`path.NAME`, `header:NAME`,
`query:NAME`), or be one of a list of values: with `org: path.org` on a route for `/orgs/{org}/tickets`,
a token opens those of its own organisation. Where a claim is a list, one entry of it is
enough; `scope` and `scp` are lists of words. A claim further in is named by a JSON pointer:
`/realm_access/roles: [admin]`.

**Keys by url.** They are fetched in the background, from the moment on at which the policy is live,
every `jwks.refresh_every`, and when a token names a key that is not there, at most every
`jwks.unknown_kid_every`. No start and no request ever waits for that: a request that can't be judged
before it is done gets `503` with `Retry-After`. While the issuer is out of reach, the last keys count
for `stale_keys_for` after they should have been replaced; then `503`, and never `401`: what is unknown
is not wrong. RSA keys below 2048 bits, keys for encryption, for other algorithms or of kinds that are not
known are passed over. A `jwks.file` is read when the policies are loaded, and again when it changes.

**Who the caller is.** The claim `sub`, or what `id_claim` says, where no policy before has said it;
all claims of the token are those of the caller.

**What the client sees.** `401` with `WWW-Authenticate: Bearer` (RFC 6750): without a token, with one
that is not accepted, and with one that was and has expired; what was wrong with it is in the log and in
the decision only. `403` where a claim does not allow the request. `503` where keys are out of reach.

**State.** The issuer's keys, by the policy's name and the url: a reload keeps them, and on several
routes a named policy must have the same `jwks`. Up to 1024 tokens whose signature was right, so that
it is not verified again while the keys stay as they are; dates and claims are looked at each time.

**In a rehearsal.** `sign: ROUTE` makes a token that the route accepts. Issuer's keys are replaced by one
that exists only there: nothing is fetched, and a real token is refused. `test_secrets.credentials` may
say who the caller is and what else the token says: `alice: '{"org": "acme"}'`.

**Hardened against.** Another algorithm than yours, `none` among them; a public key used as a secret;
keys that a token brings along or points to (`jwk`, `jku`, `x5u`, `x5c`); extensions that nobody here
knows (`crit`, `b64`); encrypted tokens; claims that stand twice; encodings with two spellings; numbers
that are no dates; ids that are no text; a second token beside the first; other spellings of the header,
and of those that claims are compared with, that CGI can't tell from them (`X_Token`); tokens without a
key's name that would have many keys tried; fetches without end for keys that nobody has; large tokens
(`max_size`), and large sets of keys (1 MiB, 100 keys).
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Annotated, Literal

from msgspec import Meta, field

from proxy.algorithms.signatures import read_key
from proxy.config.keys import Key
from proxy.config.schema import PolicyConfig
from proxy.config.secrets import Secret
from proxy.config.spelling import spelled
from proxy.config.units import Duration, HeaderName, HeaderValue, Size
from proxy.errors import Rejection
from proxy.exchange import Exchange, Identity
from proxy.policies.authenticator import settle
from proxy.policies.authorities import authorities_in
from proxy.policies.identity.jwt.claims import RequestFact, headers_in, rules
from proxy.policies.identity.jwt.config import JwksConfig
from proxy.policies.identity.jwt.faults import faults
from proxy.policies.identity.jwt.keys import AlgorithmName, Ring, of_secrets, of_set
from proxy.policies.identity.jwt.remote import RemoteKeys, Terms
from proxy.policies.identity.jwt.token import Wrong
from proxy.policies.identity.jwt.verifier import Accepted, Expired, UnknownKey, Verifier
from proxy.policies.lookalikes import lookalikes
from proxy.policy import Services

MISSING = (401, "jwt.missing", "This service wants a token.")
INVALID = (401, "jwt.invalid", "This token is not accepted.")
EXPIRED = (401, "jwt.expired", "This token has expired.")
FORBIDDEN = (403, "jwt.forbidden", "This token does not allow this request.")
UNAVAILABLE = (503, "jwt.unavailable", "Tokens cannot be judged at the moment. Try again later.")

REASONS = (MISSING, INVALID, EXPIRED, FORBIDDEN, UNAVAILABLE)

_BEARER = HeaderName("Authorization")
_RETRY_SOON, _RETRY_LATER = 1.0, 5.0


class JwtConfig(PolicyConfig, frozen=True, kw_only=True):
    """See the module's docstring."""

    issuer: Annotated[
        str | tuple[str, ...] | None,
        Meta(description="Who may have issued it, as in `iss`; needed with `jwks`."),
    ] = None
    audience: Annotated[
        str | tuple[str, ...] | None,
        Meta(description="For whom it must be, as in `aud`: one of these; where absent, for nobody."),
    ] = None
    algorithms: Annotated[
        tuple[AlgorithmName, ...], Meta(min_length=1, description="By which it may be signed.")
    ]
    jwks: Annotated[JwksConfig | None, Meta(description="The issuer's public keys.")] = None
    secrets: Annotated[
        tuple[Secret, ...],
        Meta(max_length=16, description="Shared with the issuer, for HS256 to HS512; any may have signed."),
    ] = ()
    key_encoding: Annotated[
        Literal["text", "hex", "base64"], Meta(description="How `secrets` hold the key; `text`: as it is.")
    ] = "text"
    leeway: Annotated[Duration, Meta(le=600, description="How far the clocks may be apart.")] = Duration(30)
    stale_keys_for: Annotated[
        Duration,
        Meta(description="How long the last keys count after they should have been replaced."),
    ] = Duration(3600)
    claims: Annotated[
        dict[str, RequestFact | tuple[str | int | bool, ...]],
        Meta(description="Claim -> the fact about the request that it is equal to, or a list of values."),
    ] = field(default_factory=dict)
    required: Annotated[
        tuple[str, ...], Meta(max_length=32, description="Other claims that must be there.")
    ] = ()
    expiry: Annotated[
        Literal["required", "optional"], Meta(description="Whether a token must say when it ends (`exp`).")
    ] = "required"
    max_age: Annotated[
        Duration | None, Meta(gt=0, description="How long ago it may have been issued (`iat`).")
    ] = None
    typ: Annotated[
        str | None, Meta(min_length=1, max_length=100, description="What its header says that it is.")
    ] = None
    id_claim: Annotated[
        str, Meta(min_length=1, max_length=200, description="The claim that says who the caller is.")
    ] = "sub"
    header: Annotated[HeaderName, Meta(description="Where the token stands.")] = _BEARER
    realm: Annotated[
        HeaderValue, Meta(min_length=1, max_length=200, description="What `WWW-Authenticate` calls this.")
    ] = HeaderValue("restricted")
    hide_credentials: Annotated[
        bool, Meta(description="Take the token out of what the application gets.")
    ] = False
    max_size: Annotated[
        Size, Meta(ge=256, le=65536, description="Of a token; a longer one is not looked at.")
    ] = Size(8192)

    def check(self) -> Iterator[tuple[str, str]]:
        """Keys of the kind that the algorithms want, and somebody who may use them."""
        yield from faults(self)

    def asked(self) -> Iterator[tuple[str, Key]]:
        """The facts about a request that its route must have."""
        for name, wanted in self.claims.items():
            if isinstance(wanted, RequestFact):
                yield f"claims.{name}", wanted

    def in_words(self) -> tuple[str, ...]:
        """How long a token lasts, and its keys."""
        words = []
        if self.max_age is not None:
            words.append(f"a token is good for {spelled(self.max_age)} at most")
        if self.jwks is not None and self.jwks.url is not None:
            every, stale = spelled(self.jwks.refresh_every), spelled(self.stale_keys_for)
            words.append(f"keys are fetched every {every}, and count for {stale} more where that fails")
        return tuple(words)


class Jwt:
    """See the module's docstring."""

    def __init__(self, config: JwtConfig, services: Services) -> None:
        self._name = services.name
        self._verifier = Verifier(config, services.clock.now)
        self._rules = rules(config.claims)
        self._header = config.header
        self._stale_keys_for = config.stale_keys_for
        self._lookalikes = lookalikes(config.header).union(*map(lookalikes, headers_in(config.claims)))
        self._hides = config.hide_credentials
        realm = config.realm.replace("\\", "\\\\").replace('"', '\\"')
        bearer = f'Bearer realm="{realm}"'  # RFC 6750, section 3
        self.challenge = [("WWW-Authenticate", bearer)]
        self._wrong = [("WWW-Authenticate", f'{bearer}, error="invalid_token"')]
        self._too_little = [("WWW-Authenticate", f'{bearer}, error="insufficient_scope"')]
        self._missing = (*MISSING[:2], f"This service wants a token in the header {config.header}.")
        self._ring: Ring | None = None
        self._remote: RemoteKeys | None = None
        jwks = config.jwks
        if jwks is None:
            keys = [read_key(secret.reveal(), config.key_encoding) for secret in config.secrets]
            self._ring = of_secrets(keys, config.algorithms)
        elif jwks.url is None:
            self._ring = of_set(jwks.file and jwks.file.content, config.algorithms)
        else:
            self._terms = Terms(jwks.url, authorities_in(jwks.ca_file), jwks.refresh_every)
            self._unknown_every = jwks.unknown_kid_every
            key = f"keys {jwks.url} {sha256(self._terms.authorities).hexdigest()}"
            self._remote = services.shared(key, lambda: RemoteKeys(self._terms, services))
            self._edition = self._remote.edition()

    def on_request(self, exchange: Exchange) -> None:
        settle(exchange, self.identify(exchange), self._missing, self.challenge)

    def identify(self, exchange: Exchange) -> Identity | None:
        """Who the caller is by its token; None where it shows none. Raises Rejection."""
        exchange.request.headers.drop(self._lookalikes)
        shown = self._shown(exchange)
        if shown is None:
            return None
        accepted = self._accepted(shown)
        for rule in self._rules:
            if not rule.holds(accepted.claims, exchange):
                cause = f"the claim {rule.name} is another, or not there"
                raise Rejection(*FORBIDDEN, headers=self._too_little, cause=cause, policy=self._name)
        if self._hides:
            exchange.request.headers.remove(self._header)
        return accepted.identity

    def _accepted(self, shown: str) -> Accepted:
        ring = self._keys()
        try:
            return self._verifier.accepted(shown, ring)
        except UnknownKey as unknown:
            if self._remote is not None and self._remote.look_again(self._unknown_every):
                raise self._unavailable(_RETRY_SOON, str(unknown)) from None
            raise self._invalid(str(unknown)) from None
        except Expired as expired:
            raise Rejection(
                *EXPIRED, headers=self._wrong, facts=expired.facts, change=expired.change, policy=self._name
            ) from None
        except Wrong as wrong:
            raise self._invalid(str(wrong)) from None

    def _shown(self, exchange: Exchange) -> str | None:
        values = exchange.request.headers.get_all(self._header)
        if self._header.lower() == _BEARER.lower():
            if not any(_is_bearer(value) for value in values):
                return None
        elif not values:
            return None
        if len(values) > 1:
            raise self._invalid(f"{len(values)} {self._header} headers")
        value = values[0]
        return value.partition(" ")[2].strip(" ") if _is_bearer(value) else value

    def _keys(self) -> Ring:
        ring, cause = self._ring, ""
        if self._remote is not None:
            self._remote.adopt(self._edition, self._terms)
            ring, cause = self._remote.ring(self._stale_keys_for), self._remote.cause
        if ring is None:
            raise self._unavailable(_RETRY_LATER, cause)
        return ring

    def _unavailable(self, retry_after: float, cause: str) -> Rejection:
        return Rejection(*UNAVAILABLE, retry_after=retry_after, cause=cause, policy=self._name)

    def _invalid(self, cause: str) -> Rejection:
        return Rejection(*INVALID, headers=self._wrong, cause=cause, policy=self._name)


def _is_bearer(value: str) -> bool:
    return value.partition(" ")[0].lower() == "bearer"  # RFC 9110, section 11.1: in any letters
