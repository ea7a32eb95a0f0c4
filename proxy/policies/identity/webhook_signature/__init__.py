"""Admit only requests that are signed with a secret which the sender shares with us.

```yaml
webhook_signature: {scheme: github, secrets: [{env: GITHUB_WEBHOOK_SECRET}, {env: OLD_GITHUB_WEBHOOK_SECRET}]}
```

`scheme` names the sender; what it signs is known here:

| scheme | header | what is signed | time |
|---|---|---|---|
| github | X-Hub-Signature-256 | body | |
| stripe | Stripe-Signature | time, body | 5 min |
| slack | X-Slack-Signature | time, body | 5 min |
| shopify | X-Shopify-Hmac-SHA256, Shopify-Hmac-SHA256 | body | |
| zendesk | X-Zendesk-Webhook-Signature | time, body | 5 min |
| standard-webhooks | webhook-signature | id, time, body | 5 min |
| svix | svix-signature, webhook-signature | id, time, body | 5 min |
| twilio | X-Twilio-Signature | URL and form, or URL with the digest of the body | |
| square | X-Square-HmacSha256-Signature | URL, body | |
| gitlab, secrets with `whsec_` | webhook-signature | id, time, body | 5 min |
| gitlab, other secrets | X-Gitlab-Token | nothing: the header holds the secret itself | |
| bitbucket | X-Hub-Signature | body | |
| linear | Linear-Signature | body, with the time in it | 1 min |
| freshdesk | X-Freshdesk-Signature, or what `header` says | body | |
| token | what `header` says | nothing: the header holds the secret itself | |
| hmac | what `header` says | what `signed` says | |

Any other sender is told of by the scheme `hmac`:

```yaml
webhook_signature:
  scheme: hmac
  header: X-Acme-Signature
  prefix: "sha256="
  signed: "{timestamp}.{header:X-Acme-Id}.{body}"
  timestamp: {header: X-Acme-Time, unit: ms}
  tolerance: 5m
  secrets: [{env: ACME_WEBHOOK_SECRET}]
```

**Secrets.** Any of them may have signed, so that a secret can be changed without a gap: put
the new one beside the old one, then tell the sender, then take the old one out. Where a header
has several signatures, one that is right is enough.

**URLs.** Twilio and Square sign the URL that they call, which a proxy in between may have
rewritten: `public_url` says how it begins, up to where the path that arrives here follows.

**Time.** Where a time is signed, it may be off by `tolerance` either way. The schemes without
a time accept an old request for ever: nothing here keeps it from being sent twice.

**Checked against.** The senders' own packages for stripe, slack, svix, standard-webhooks, twilio
and square, and a published example for github. The others publish neither for Python nor as an
example: they are made from the senders' documentation.

**What the client sees.** `401` with `WWW-Authenticate`. The reason tells a request without a
signature from a wrong one; what was wrong with it is in the log and in the decision only.

**Who the caller is.** The name of the policy or the route, where nothing before has said it.

**State.** None, and nothing that could fail. The body is read once what stands in the header
can be a signature at all, up to `size_limit` or `--max-body`.

**Hardened against.** Guessing by time (digests are compared in constant time); signatures and
times in spellings that other parsers would read otherwise; a second header beside the first;
bodies that are parsed before they are verified (the bytes that arrived are); bodies that no
signature covers; large bodies that hold up others while they are hashed. Twilio's signature of
a form covers names and values joined without a mark between them, so that it can't tell
`a=bc` from `ab=c`.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Sequence
from hashlib import sha256
from math import ceil
from typing import Annotated, Any, Literal

from msgspec import Meta

from proxy.algorithms.signatures import Algorithm, Encoding, any_equal
from proxy.algorithms.timestamps import TimeUnit, read_timestamp
from proxy.config.schema import PolicyConfig
from proxy.config.secrets import Secret
from proxy.config.spelling import spelled
from proxy.config.units import Duration, HeaderName
from proxy.errors import Change, Rejection
from proxy.exchange import Exchange, Identity
from proxy.policies.hashing import AT_ONCE, feed
from proxy.policies.identity.webhook_signature.content import (
    FORM,
    Message,
    NotAsAgreed,
    field_of,
    is_hashed,
    signed_content,
)
from proxy.policies.identity.webhook_signature.faults import faults
from proxy.policies.identity.webhook_signature.signature_header import signatures_in, time_in
from proxy.policies.identity.webhook_signature.verification import (
    PublicUrl,
    TimestampConfig,
    Verification,
    verifications,
)
from proxy.policies.keys import SIGNATURE
from proxy.policy import Services

_NOT_SIGNED = "The request is not signed in the way that this service expects."
MISSING = (401, "webhook_signature.missing", "The request carries no signature.")
MALFORMED = (401, "webhook_signature.malformed", _NOT_SIGNED)
INVALID = (401, "webhook_signature.invalid", _NOT_SIGNED)
EXPIRED = (401, "webhook_signature.expired", _NOT_SIGNED)

REASONS = (MISSING, MALFORMED, INVALID, EXPIRED)


class WebhookSignatureConfig(PolicyConfig, frozen=True, kw_only=True):
    """See the module's docstring."""

    scheme: Annotated[
        Literal[
            "github", "stripe", "slack", "shopify", "zendesk", "standard-webhooks", "svix", "twilio",
            "square", "gitlab", "bitbucket", "linear", "freshdesk", "token", "hmac",
        ],
        Meta(description="Who signs, or `hmac` for any other sender."),
    ]  # fmt: skip
    secrets: Annotated[
        tuple[Secret, ...],
        Meta(min_length=1, max_length=16, description="Shared with the sender; any of them may have signed."),
    ]
    tolerance: Annotated[
        Duration | None,
        Meta(gt=0, description="How far the time of signing may be off; `5m` where absent, `1m` for linear."),
    ] = None
    public_url: Annotated[
        PublicUrl | None,
        Meta(description="How the URL begins that the sender calls, where it signs that."),
    ] = None
    header: Annotated[
        HeaderName | None, Meta(description="Of the signature, for hmac, token and freshdesk.")
    ] = None
    signed: Annotated[
        str | None,
        Meta(
            min_length=1,
            max_length=1024,
            description="For hmac: what is signed, from `{body}`, `{timestamp}`, `{method}`, `{url}` and"
            " `{header:NAME}`; `{body}` where absent.",
        ),
    ] = None
    timestamp: Annotated[
        TimestampConfig | None, Meta(description="For hmac: where the time of signing stands.")
    ] = None
    algorithm: Annotated[Algorithm | None, Meta(description="For hmac; `sha256` where absent.")] = None
    encoding: Annotated[
        Encoding | None, Meta(description="For hmac: of the signature; `hex` where absent.")
    ] = None
    prefix: Annotated[
        str | None, Meta(max_length=64, description="For hmac: what stands before a signature.")
    ] = None
    separator: Annotated[
        Literal[",", ";", " "] | None,
        Meta(description="For hmac: between several entries of the header; other entries are ignored."),
    ] = None
    key_encoding: Annotated[
        Literal["text", "hex", "base64"] | None,
        Meta(description="For hmac: how the secrets hold the key; `text` where absent: as it is."),
    ] = None

    def check(self) -> Iterator[tuple[str, str]]:
        """What belongs to one scheme does not stand beside another."""
        yield from faults(self)

    def in_words(self) -> tuple[str, ...]:
        """For how long a signature is good."""
        for way in verifications(self):
            if way.scheme.stamp is not None:
                length = spelled(Duration(way.tolerance))
                return (f"a signature is good for {length} before and after its time",)
        return ("a signature is good for ever, since it has no time",)


class WebhookSignature:
    """See the module's docstring."""

    def __init__(self, config: WebhookSignatureConfig, services: Services) -> None:
        self._ways = verifications(config)
        self._clock = services.clock
        self._identity = Identity(
            services.name.partition("/")[2] or services.name, "webhook_signature", {"scheme": config.scheme}
        )
        names = dict.fromkeys(way.scheme.header for way in self._ways)
        self._challenge = [("WWW-Authenticate", f'WebhookSignature header="{name}"') for name in names]

    async def on_request(self, exchange: Exchange) -> None:
        headers = exchange.request.headers
        ways = [way for way in self._ways if way.scheme.header in headers]
        if not ways:
            raise Rejection(*MISSING, headers=self._challenge)
        cause = ""
        for way in ways:
            try:
                await self._verify(exchange, way)
            except NotAsAgreed as error:
                cause = cause or str(error)  # perhaps it is signed in the provider's other way
            else:
                break
        else:
            raise Rejection(*MALFORMED, headers=self._challenge, cause=cause)
        if exchange.identity is None:
            exchange.identity = self._identity

    async def _verify(self, exchange: Exchange, way: Verification) -> None:
        request, scheme = exchange.request, way.scheme
        message = Message(request.method, request.target, request.headers.get_all)
        value = message.only(scheme.header)
        if not scheme.signed:
            self._verify_token(value, way.keys)
            return
        signatures, stamp = signatures_in(value, scheme), scheme.stamp
        time = "" if stamp is None or stamp.field else time_in(message, scheme, stamp)
        message.body = await exchange.body()
        exchange.remember(SIGNATURE, (await self._verified(message, way, time, signatures)).hex())
        if stamp is not None:
            if stamp.field:
                time = field_of(message.body, stamp.field) or ""
            self._verify_time(time, stamp.unit, way.tolerance)

    def _verify_token(self, value: str, keys: Sequence[bytes]) -> None:
        shown = sha256(value.encode("utf-8", "surrogateescape")).digest()
        if not any_equal(keys, [shown]):
            raise self._invalid("it is none of the secrets")

    async def _verified(
        self, message: Message, way: Verification, time: str, signatures: Sequence[bytes]
    ) -> bytes:
        """The digest that one of `signatures` is."""
        if FORM in way.template.places and not is_hashed(message, await self._sha256(message.body)):
            raise self._invalid("the URL does not vouch for the body")
        for base in way.bases:
            pieces = signed_content(way.template, message, time, base)
            for key in way.keys:
                digest = await self._digest(key, way.scheme.algorithm, pieces)
                if any_equal([digest], signatures):
                    return digest
        raise self._invalid("no secret makes this signature")

    def _verify_time(self, time: str, unit: TimeUnit, tolerance: float) -> None:
        at, now = read_timestamp(time, unit), self._clock.now()
        if at is None:
            raise NotAsAgreed("the time of signing cannot be read")
        off = abs(now - at)
        if off > tolerance:
            facts = {"signed_at": at, "now": now, "off_by": off, "tolerance": tolerance}
            change = Change("tolerance", Duration(ceil(off)))
            raise Rejection(*EXPIRED, headers=self._challenge, facts=facts, change=change)

    async def _digest(self, key: bytes, algorithm: Algorithm, pieces: Sequence[bytes]) -> bytes:
        if sum(map(len, pieces)) <= AT_ONCE:
            return hmac.digest(key, b"".join(pieces), algorithm)
        mac = hmac.new(key, digestmod=algorithm)
        await self._feed(mac, pieces)
        return mac.digest()

    async def _sha256(self, body: bytes) -> bytes:
        digest = sha256()
        await self._feed(digest, [body])
        return digest.digest()

    async def _feed(self, state: Any, pieces: Sequence[bytes]) -> None:
        """Hash `pieces`, giving way to other requests now and then."""
        await feed(state, pieces, self._clock)

    def _invalid(self, cause: str) -> Rejection:
        return Rejection(*INVALID, headers=self._challenge, cause=cause)
