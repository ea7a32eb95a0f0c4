"""Sign by certificate in a rehearsal, with an authority that exists only there."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from proxy.algorithms.signatures import encode
from proxy.algorithms.timestamps import write_timestamp
from proxy.policies.identity.webhook_signature import aws_sns, paypal
from proxy.policies.identity.webhook_signature.certified import RehearsedAuthorities, sender_of
from proxy.policies.identity.webhook_signature.content import NotAsAgreed

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    from proxy.policies.identity.webhook_signature import WebhookSignatureConfig
    from proxy.policy import Unsigned


class _Issued(NamedTuple):
    authority: bytes
    certificate: bytes
    key: RSAPrivateKey


def rehearsed_with(
    config: WebhookSignatureConfig,
    credentials: Mapping[str, str],  # noqa: ARG001  # the same for all policies
) -> WebhookSignatureConfig:
    """The same policy, which trusts the rehearsal's authority and nobody else; nothing is fetched."""
    names = _names(config)
    if not names:
        return config
    issued = _issued(names)
    file = RehearsedAuthorities("rehearsal").holding(issued.authority)
    file.certificate = issued.certificate
    return msgspec.structs.replace(config, ca_file=file)


def sign_by_certificate(config: WebhookSignatureConfig, unsigned: Unsigned) -> None:
    """Sign as PayPal or SNS would; what the test gives itself is kept. Raises ValueError."""
    key = _issued(_names(config)).key
    if config.scheme == "paypal":
        _as_paypal(config, unsigned, key)
    else:
        _as_sns(config, unsigned, key)


def _as_paypal(config: WebhookSignatureConfig, unsigned: Unsigned, key: RSAPrivateKey) -> None:
    sender = paypal.PayPal(config)
    given = {name.lower(): value for name, value in unsigned.headers}
    sent = {
        paypal.ID: "rehearsal",
        paypal.TIME: write_timestamp(unsigned.now, "iso8601"),
        paypal.CERTIFICATE: sender.example_url(),
        paypal.ALGORITHM: paypal.RSA_SHA256,
    }
    sent = {name: given.get(name.lower(), value) for name, value in sent.items()}
    signed = sender.signed(sent[paypal.ID], sent[paypal.TIME], zlib.crc32(unsigned.body))
    _put(unsigned, {**sent, paypal.SIGNATURE: _signature(key, signed, "sha256")})


def _as_sns(config: WebhookSignatureConfig, unsigned: Unsigned, key: RSAPrivateKey) -> None:
    document = _given(unsigned.body)
    topic = aws_sns.TopicArn(document.get("TopicArn", config.topic_arns[0]))
    version = max(config.signature_versions or (2,))
    document = {
        "Type": "Notification",
        "MessageId": "rehearsal",
        "TopicArn": str(topic),
        "Message": "",
        "Timestamp": write_timestamp(unsigned.now, "iso8601"),
        "SignatureVersion": str(version),
        "SigningCertURL": aws_sns.example_url(topic),
        **document,
    }
    if document["Type"] not in aws_sns.FIELDS:
        raise ValueError(f"the Type of the message is none of {', '.join(aws_sns.FIELDS)}")
    if document["Type"] != "Notification":
        document = {"Token": "rehearsal", "SubscribeURL": "https://sns.example/", **document}
    try:
        signed = aws_sns.signed(document)
    except NotAsAgreed as error:
        raise ValueError(f"{error}; expected a text, since it is signed") from None
    digest = "sha1" if document["SignatureVersion"] == "1" else "sha256"
    document["Signature"] = _signature(key, signed, digest)
    unsigned.body = json.dumps(document).encode()
    _put(unsigned, {aws_sns.TYPE: document["Type"], aws_sns.TOPIC: document["TopicArn"]})


def _given(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body or b"{}")
    except ValueError:
        document = None
    if not isinstance(document, dict):
        expected = "expected a JSON object, such as {Message: hello}"
        raise ValueError(f"the body is no message of SNS; {expected}")  # noqa: TRY004
    return document


def _put(unsigned: Unsigned, headers: Mapping[str, str]) -> None:
    mine = {name.lower() for name in headers}
    unsigned.headers[:] = [each for each in unsigned.headers if each[0].lower() not in mine]
    unsigned.headers += headers.items()


def _signature(key: RSAPrivateKey, signed: bytes, digest: str) -> str:
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415  # only where a policy needs it
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415  # as above

    made = hashes.SHA256() if digest == "sha256" else hashes.SHA1()  # noqa: S303  # version 1 of SNS
    return encode(key.sign(signed, PKCS1v15(), made), "base64")


def _names(config: WebhookSignatureConfig) -> tuple[str, ...]:
    """To whom certificates are issued that the policy may be shown; nobody where it has secrets."""
    sender = sender_of(config)
    if sender is None:
        return ()
    if config.scheme == "paypal":
        return tuple(sender.names(""))
    urls = {aws_sns.example_url(topic) for topic in config.topic_arns}
    return tuple(sorted({name for url in urls for name in sender.names(url)}))


@cache
def _issued(names: tuple[str, ...]) -> _Issued:
    """An authority, and a certificate of it; once in a process, since that takes a while."""
    from cryptography import x509  # noqa: PLC0415  # as above
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415  # as above
    from cryptography.hazmat.primitives.asymmetric import ec, rsa  # noqa: PLC0415  # as above
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415  # as above
    from cryptography.x509.oid import NameOID  # noqa: PLC0415  # as above

    def builder(subject: str, key: Any) -> x509.CertificateBuilder:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "rehearsal")]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime(1971, 1, 1, tzinfo=UTC))
            .not_valid_after(datetime(2199, 1, 1, tzinfo=UTC))
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(own.public_key()), critical=False
            )
        )

    own, key = ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    authority = (
        builder("rehearsal", own)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
        .sign(own, hashes.SHA256())
    )
    alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    certificate = (
        builder("sender", key).add_extension(alternatives, critical=False).sign(own, hashes.SHA256())
    )
    return _Issued(authority.public_bytes(Encoding.PEM), certificate.public_bytes(Encoding.PEM), key)
