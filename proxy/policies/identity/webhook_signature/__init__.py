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
| paypal | PayPal-Transmission-Sig, by certificate | id, time, CRC-32 of the body | 5 min |
| aws-sns | x-amz-sns-message-type, by certificate | fields of the body, with the time | 1 h |
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

**By certificate.** PayPal and Amazon SNS share no secret; they sign by a key, and name the URL of its
certificate:

```yaml
webhook_signature: {scheme: aws-sns, topic_arns: ["arn:aws:sns:eu-west-1:123456789012:orders"]}
```

```yaml
webhook_signature: {scheme: paypal, webhook_id: 1JE4291016473214C}
```

A certificate is fetched only from hosts of the sender (`sns.REGION.amazonaws.com` of the topic's own region;
`api.paypal.com` and `api-m.paypal.com`, or with `sandbox: true` those of the sandbox), by https; it must be
issued to the sender's name by one of the system's authorities, or of `ca_file`, and be good now. Authorities
between those two that the sender leaves out are fetched from where its certificate says, from hosts of
amazontrust.com and digicert.com only. Where there is no way out to them, put them into `ca_file`. A key is
kept until its certificate ends; a URL that led nowhere is not asked again for 5 min, or 5 s where nobody
answered, and all requests together have at most 30 certificates fetched in a minute. A request waits for up
to 5 s for each; then it is refused with `503`, and the sender tries again.

SNS signs with SHA-1 until a topic's attribute `SignatureVersion` is 2; `signature_versions: [1, 2]` takes
both. A `SubscriptionConfirmation` goes on to the application, as every message does. PayPal signs no more
of a body than a checksum, for which anybody who has seen a signed request can make another body: keep
each from being worked on twice with `replay_guard: {key: [signature]}`.

**Secrets.** Any of them may have signed, so that a secret can be changed without a gap: put
the new one beside the old one, then tell the sender, then take the old one out. Where a header
has several signatures, one that is right is enough.

**Without a secret.** A secret that is not there refuses the policy file, as everywhere. For
developers who have none, `on_missing_secret: allow` goes on with those that are there, and without
any admits every request unverified. It is refused at load but with `--env dev`. Each load warns of
it, and each such request is `webhook_signature.unverified` in shadow: in metrics, log and decisions.

**URLs.** Twilio and Square sign the URL that they call, which a proxy in between may have
rewritten: `public_url` says how it begins, up to where the path that arrives here follows.

**Time.** Where a time is signed, it may be off by `tolerance` either way. The schemes without
a time accept an old request for ever: nothing here keeps it from being sent twice.

**Checked against.** The senders' own packages for github, stripe, slack, svix, standard-webhooks, twilio
and square, and a published example for github, too. The others publish neither for Python nor as an
example: they are made from the senders' documentation. Nobody but PayPal and SNS can sign as they do,
and none of their packages does: the two are checked with certificates of our own.

**What the client sees.** `401` with `WWW-Authenticate`. The reason tells none from one in another
form and from a wrong one, and a right one that its time is off; log and decision tell the rest. `503`
with `Retry-After` where a certificate is out of reach.

**Who the caller is.** The name of the policy or the route, where nothing before has said it.

**State.** None, and nothing that could fail; by certificate, up to 64 keys, which a reload keeps.
The body is read once what stands in the header can be a signature at all, up to `size_limit` or `--max-body`.

**Hardened against.** URLs of certificates that lead elsewhere; fetches without end for forged
ones; topics and webhooks of others. Guessing by time (digests are compared in constant time); signatures and
times in spellings that other parsers would read otherwise; a second header beside the first;
bodies that are parsed before they are verified (the bytes that arrived are); bodies that no
signature covers; large bodies that hold up others while they are hashed. Twilio's signature of
a form covers names and values joined without a mark between them, so that it can't tell
`a=bc` from `ab=c`.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import Annotated, Literal

from msgspec import Meta

from proxy.algorithms.signatures import Algorithm, Encoding
from proxy.config.schema import PolicyConfig
from proxy.config.secrets import OnMissingSecret, Secret
from proxy.config.spelling import spelled
from proxy.config.units import Duration, HeaderName
from proxy.errors import Change, Rejection
from proxy.exchange import Exchange, Identity
from proxy.policies.authenticator import settle
from proxy.policies.authorities import AuthoritiesFile
from proxy.policies.identity.webhook_signature.aws_sns import TopicArn
from proxy.policies.identity.webhook_signature.certificates import OutOfReach
from proxy.policies.identity.webhook_signature.certified import Certified, sender_of
from proxy.policies.identity.webhook_signature.content import NotAsAgreed
from proxy.policies.identity.webhook_signature.faults import faults
from proxy.policies.identity.webhook_signature.keyed import Keyed
from proxy.policies.identity.webhook_signature.letter import Forged
from proxy.policies.identity.webhook_signature.time_of_signing import Expired
from proxy.policies.identity.webhook_signature.verification import TimestampConfig, verifications
from proxy.policies.public_url import PublicUrl
from proxy.policy import Services

_NOT_SIGNED = "The request is not signed in the way that this service expects."
MISSING = (401, "webhook_signature.missing", "The request carries no signature.")
MALFORMED = (401, "webhook_signature.malformed", _NOT_SIGNED)
INVALID = (401, "webhook_signature.invalid", _NOT_SIGNED)
EXPIRED = (401, "webhook_signature.expired", _NOT_SIGNED)

UNVERIFIED = (401, "webhook_signature.unverified", "Nothing is verified here, since the secret is missing.")
UNAVAILABLE = (503, "webhook_signature.unavailable", "Signatures cannot be verified now. Try again later.")

REASONS = (MISSING, MALFORMED, INVALID, EXPIRED, UNVERIFIED, UNAVAILABLE)

_RETRY_AFTER = 5.0


class WebhookSignatureConfig(PolicyConfig, frozen=True, kw_only=True):
    """See the module's docstring."""

    scheme: Annotated[
        Literal[
            "github", "stripe", "slack", "shopify", "zendesk", "standard-webhooks", "svix", "twilio",
            "square", "gitlab", "bitbucket", "linear", "freshdesk", "token", "hmac", "paypal", "aws-sns",
        ],
        Meta(description="Who signs, or `hmac` for any other sender."),
    ]  # fmt: skip
    secrets: Annotated[
        tuple[Secret, ...] | None,
        Meta(
            min_length=1,
            max_length=16,
            description="Shared with the sender; any of them may have signed. None for paypal and aws-sns.",
        ),
    ] = None
    on_missing_secret: OnMissingSecret = "reject"  # noqa: S105  # no password
    tolerance: Annotated[
        Duration | None,
        Meta(
            gt=0,
            description="How far the time of signing may be off; where absent `5m`, `1m` for linear, `1h` for"
            " aws-sns.",
        ),
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

    webhook_id: Annotated[
        str | None,
        Meta(
            pattern="^[A-Za-z0-9_-]{1,64}$",
            description="For paypal: the id of the webhook, as PayPal has it.",
        ),
    ] = None
    sandbox: Annotated[
        bool | None, Meta(description="For paypal: it is that of the sandbox, and not of production.")
    ] = None
    topic_arns: Annotated[
        tuple[TopicArn, ...], Meta(max_length=100, description="For aws-sns: the topics that may send.")
    ] = ()
    signature_versions: Annotated[
        tuple[Literal[1, 2], ...],
        Meta(max_length=2, description="For aws-sns: which it may sign with; 2 (SHA-256) where absent."),
    ] = ()
    ca_file: Annotated[
        AuthoritiesFile | None,
        Meta(
            description="For paypal and aws-sns: authorities in PEM that may vouch for their certificates,"
            " instead of the system's."
        ),
    ] = None

    def check(self) -> Iterator[tuple[str, str]]:
        """What belongs to one scheme does not stand beside another."""
        yield from faults(self)

    def in_words(self) -> tuple[str, ...]:
        """For how long a signature is good."""
        sender = sender_of(self)
        if sender is not None:
            length = spelled(self.tolerance or Duration(sender.tolerance))
            return (f"a signature is good for {length} before and after its time",)
        if not self.secrets:
            return ("every request is admitted unverified, since no secret is there",)
        for way in verifications(self):
            if way.scheme.stamp is not None:
                length = spelled(Duration(way.tolerance))
                return (f"a signature is good for {length} before and after its time",)
        return ("a signature is good for ever, since it has no time",)


class WebhookSignature:
    """See the module's docstring."""

    def __init__(self, config: WebhookSignatureConfig, services: Services) -> None:
        sender = sender_of(config)
        self._proof = (
            Keyed(verifications(config), services.clock)
            if sender is None
            else Certified(sender, config, services)
        )
        self._unverified = sender is None and not config.secrets
        self._identity = Identity(
            services.name.partition("/")[2] or services.name, "webhook_signature", {"scheme": config.scheme}
        )
        names = self._proof.headers
        self.challenge = [("WWW-Authenticate", f'WebhookSignature header="{name}"') for name in names]
        self._missing = (*MISSING[:2], f"The request carries no signature in {' or '.join(names)}.")

    async def on_request(self, exchange: Exchange) -> None:
        if self._unverified:
            exchange.shadow(Rejection(*UNVERIFIED))
            return
        settle(exchange, await self.identify(exchange), self._missing, self.challenge)

    async def identify(self, exchange: Exchange) -> Identity | None:
        try:
            claims = await self._proof.claims(exchange)
        except NotAsAgreed as error:
            raise Rejection(*MALFORMED, headers=self.challenge, cause=str(error)) from None
        except Forged as error:
            raise Rejection(*INVALID, headers=self.challenge, cause=str(error)) from None
        except Expired as error:
            change = Change("tolerance", Duration(ceil(error.off_by)))
            raise Rejection(*EXPIRED, headers=self.challenge, facts=error.facts, change=change) from None
        except OutOfReach as error:
            raise Rejection(*UNAVAILABLE, cause=str(error), retry_after=_RETRY_AFTER) from None
        who = self._identity
        if claims is None:
            return None
        return Identity(who.id, who.method, {**who.claims, **claims}) if claims else who
