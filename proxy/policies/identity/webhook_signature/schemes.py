"""How each provider signs, as data. To add one is to add a line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from proxy.algorithms.signatures import Algorithm, Encoding, KeyForm
from proxy.algorithms.timestamps import TimeUnit


@dataclass(frozen=True, slots=True)
class Stamp:
    """Where the time of signing stands: in a header, or in a JSON body."""

    header: str = ""
    prefix: str = ""
    """Before it; in the header of the signatures, it tells its entry from theirs."""
    field: str = ""
    """JSON pointer (RFC 6901) into the body."""
    unit: TimeUnit = "s"


@dataclass(frozen=True, slots=True)
class Scheme:
    """One way to sign a request with a shared secret."""

    header: str
    """Of the signature, or of several."""
    signed: str = "{body}"
    """Template of what is signed; empty where the header holds the secret itself."""
    algorithm: Algorithm = "sha256"
    encoding: Encoding = "hex"
    prefixes: tuple[str, ...] = ("",)
    """Before a signature; one of them must be there."""
    separator: str = ""
    """Between the entries of the header; without one it has a single signature."""
    key: KeyForm = "text"
    stamp: Stamp | None = None
    tolerance: float = 300.0
    """Seconds by which the time of signing may be away from now, either way."""
    message_id: str = ""
    """A header that is signed and that a rehearsal makes up where a test leaves it out."""
    any_port: bool = False
    """The provider signs the URL now with its port, now without."""
    secrets: Literal["all", "whsec", "plain"] = "all"
    """Which secrets are for it, where a provider has two ways: those with `whsec_`, or the others."""


def _standard_webhooks(family: str) -> Scheme:
    """Standard Webhooks, specification 1.0.0; `v1a` is asymmetric, and not verified here."""
    return Scheme(
        f"{family}-signature",
        signed=f"{{header:{family}-id}}.{{timestamp}}.{{body}}",
        encoding="base64",
        prefixes=("v1,",),
        separator=" ",
        key="whsec",
        stamp=Stamp(f"{family}-timestamp"),
        message_id=f"{family}-id",
    )


def _twilio(algorithm: Algorithm) -> Scheme:
    return Scheme(
        "X-Twilio-Signature", signed="{url}{form}", algorithm=algorithm, encoding="base64", any_port=True
    )


STANDARD = _standard_webhooks("webhook")

PRESETS: Mapping[str, tuple[Scheme, ...]] = {
    # github/docs, "Validating webhook deliveries"
    "github": (Scheme("X-Hub-Signature-256", prefixes=("sha256=",)),),
    # stripe-python, stripe/_webhook.py; v0 is that of test events
    "stripe": (
        Scheme(
            "Stripe-Signature",
            signed="{timestamp}.{body}",
            prefixes=("v1=",),
            separator=",",
            stamp=Stamp("Stripe-Signature", "t="),
        ),
    ),
    # python-slack-sdk, slack_sdk/signature
    "slack": (
        Scheme(
            "X-Slack-Signature",
            signed="v0:{timestamp}:{body}",
            prefixes=("v0=",),
            stamp=Stamp("X-Slack-Request-Timestamp"),
        ),
    ),
    # shopify.dev, "Verify webhook deliveries"; the second is that of the newer Events
    "shopify": (
        Scheme("X-Shopify-Hmac-SHA256", encoding="base64"),
        Scheme("Shopify-Hmac-SHA256", encoding="base64"),
    ),
    # developer.zendesk.com, "Verifying the authenticity of a webhook"
    "zendesk": (
        Scheme(
            "X-Zendesk-Webhook-Signature",
            signed="{timestamp}{body}",
            encoding="base64",
            stamp=Stamp("X-Zendesk-Webhook-Signature-Timestamp", unit="iso8601"),
        ),
    ),
    "standard-webhooks": (STANDARD,),
    # svix, python/svix/webhooks.py takes both families of headers
    "svix": (_standard_webhooks("svix"), STANDARD),
    # twilio-python, twilio/request_validator.py; SHA-256 is that of shared keys
    "twilio": (_twilio("sha1"), _twilio("sha256")),
    # square-python-sdk, utils/webhooks_helper.py
    "square": (Scheme("X-Square-HmacSha256-Signature", signed="{url}{body}", encoding="base64"),),
    # gitlab-org/gitlab, merge requests 230944 and 231325: a signing token begins with whsec_
    "gitlab": (
        replace(STANDARD, secrets="whsec"),
        Scheme("X-Gitlab-Token", signed="", secrets="plain"),
    ),
    # The name of GitHub's old SHA-1 header, with SHA-256 in it
    "bitbucket": (Scheme("X-Hub-Signature", prefixes=("sha256=",)),),
    # linear, packages/sdk/src/webhooks/client.ts; the header with the time is not signed, the body is
    "linear": (
        Scheme("Linear-Signature", stamp=Stamp(field="/webhookTimestamp", unit="ms"), tolerance=60.0),
    ),
    # No signature of its own: what an automation rule was told to send
    "freshdesk": (Scheme("X-Freshdesk-Signature", prefixes=("sha256=", "")),),
}
