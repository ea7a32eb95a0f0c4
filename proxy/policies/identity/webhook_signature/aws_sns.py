"""What Amazon SNS signs (SNS developer guide, "Verifying the signatures of Amazon SNS messages").

Names and values of some fields of the JSON body, a line each, by RSA with SHA-256 (signature
version 2) or SHA-1 (version 1).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from proxy.algorithms.signatures import decode
from proxy.algorithms.strict_json import NotStrict, Structure
from proxy.config.units import Text
from proxy.policies.identity.webhook_signature.content import Message, NotAsAgreed
from proxy.policies.identity.webhook_signature.letter import Forged, Letter
from proxy.policies.json_body import json_in

if TYPE_CHECKING:
    from proxy.clock import Clock
    from proxy.exchange import Exchange
    from proxy.policies.identity.webhook_signature import WebhookSignatureConfig

TYPE, TOPIC = "x-amz-sns-message-type", "x-amz-sns-topic-arn"
_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
FIELDS: Mapping[str, tuple[str, ...]] = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": _CONFIRMATION,
    "UnsubscribeConfirmation": _CONFIRMATION,
}
"""Type -> what is signed, in this order."""
_OPTIONAL = "Subject"
_LARGEST = 2 * 1024 * 1024
"""Of a body: a message of 256 KiB, in JSON within JSON."""
_DEEPEST, _MOST_KEYS = 8, 2000
_URL = re.compile(
    r"https://sns\.([a-z0-9-]{3,40})\.(amazonaws\.com(?:\.cn)?)/SimpleNotificationService-[A-Za-z0-9_-]{1,100}\.pem"
)
_DIGESTS = {1: "sha1", 2: "sha256"}


class TopicArn(Text):
    """The name of a topic of SNS."""

    __slots__ = ()
    pattern = r"^arn:aws(-cn|-us-gov)?:sns:[a-z0-9-]{3,40}:[0-9]{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?$"
    example = "arn:aws:sns:eu-west-1:123456789012:orders"
    otherwise = f"no topic; expected one such as {example}"

    @property
    def region(self) -> str:
        """Such as `eu-west-1`."""
        return self.split(":")[3]

    @property
    def domain(self) -> str:
        """Under which the region's hosts are."""
        return "amazonaws.com.cn" if self.startswith("arn:aws-cn:") else "amazonaws.com"


class AwsSns:
    """See the module's docstring. Each region vouches for its own topics."""

    header = TYPE
    tolerance = 3600.0
    issuers = re.compile(r"http://crt\.[a-z0-9]{1,20}\.amazontrust\.com/[A-Za-z0-9._-]+\.(crt|cer)")

    def __init__(self, config: WebhookSignatureConfig) -> None:
        self._topics = {str(topic): topic for topic in config.topic_arns}
        self._versions = {str(version): version for version in config.signature_versions or (2,)}

    def names(self, url: str) -> Iterable[str]:
        """As the AWS SDK for Java has them; those of a region count for its own host alone."""
        found = _URL.fullmatch(url)
        return names_of(found[1], found[2]) if found else ()

    async def letter(self, exchange: Exchange, clock: Clock) -> Letter:
        """What stands in the request. Raises NotAsAgreed and Forged."""
        request = exchange.request
        message = Message(request.method, request.target, request.headers.get_all)
        if message.only(TYPE) not in FIELDS:
            raise NotAsAgreed(f"{TYPE} is none that is known")
        if message.only(TOPIC) not in self._topics:
            raise Forged(f"{TOPIC} is none of `topic_arns`")
        document = await _document(await exchange.body(), clock)
        kind, topic, url = (_text(document, name) for name in ("Type", "TopicArn", "SigningCertURL"))
        if (kind, topic) != (message.only(TYPE), message.only(TOPIC)):
            raise Forged("its type or its topic is another than the headers say")
        version = self._versions.get(_text(document, "SignatureVersion"))
        if version is None:
            raise Forged("its SignatureVersion is none of `signature_versions`")
        signature = decode(_text(document, "Signature"), "base64")
        if signature is None:
            raise NotAsAgreed("the signature is not in base64")
        mine = self._topics[topic]
        found = _URL.fullmatch(url)
        if found is None or found.groups() != (mine.region, mine.domain):
            raise Forged("SigningCertURL is none of the topic's region")
        digest: Any = _DIGESTS[version]
        time = _text(document, "Timestamp")
        return Letter(url, signed(document), signature, digest, time, {"topic": topic})


def signed(document: Mapping[str, Any]) -> bytes:
    """What is signed of a message. Raises NotAsAgreed."""
    lines = []
    for name in FIELDS[document["Type"]]:
        if name != _OPTIONAL or document.get(name) is not None:
            lines += [name, _text(document, name)]
    return "".join(f"{line}\n" for line in lines).encode()


def names_of(region: str, domain: str) -> list[str]:
    """To whom a certificate of a region may be issued."""
    at_home = "us-gov-west-1" if region.startswith("us-gov-") else region
    names = [f"sns.{region}.{domain}", f"sns-signing.{region}.{domain}", f"sns-{at_home}.{domain}"]
    return names if domain.endswith(".cn") else [*names, f"sns.{domain}"]


def example_url(topic: TopicArn) -> str:
    """Where a certificate of its region may stand."""
    return f"https://sns.{topic.region}.{topic.domain}/SimpleNotificationService-rehearsal.pem"


async def _document(body: bytes, clock: Clock) -> Mapping[str, Any]:
    if len(body) > _LARGEST:
        raise NotAsAgreed("the body is larger than a message can be")
    try:
        document = await json_in(body, clock, Structure(_DEEPEST, _MOST_KEYS))
    except NotStrict as error:
        raise NotAsAgreed(f"the body is not JSON that can be read in one way: {error}") from None
    if not isinstance(document, dict):
        raise NotAsAgreed("the body is no JSON object")
    return document


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str):
        raise NotAsAgreed(f"{name} is no text, or not there")
    return value
