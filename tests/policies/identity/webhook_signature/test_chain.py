"""Whose certificate it is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from proxy.policies.identity.webhook_signature.chain import (
    Distrusted,
    certificates_in,
    issuer_url,
    store_of,
    vouched,
)
from tests.policies.identity.authority import NOW, Authority, pem, rsa_key

ROOT = Authority()
BETWEEN = Authority("between", ROOT)
STRANGER = Authority()
NAME = "sns.amazonaws.com"
EC = ec.generate_private_key(ec.SECP256R1())


def judged(*chain: Any, names: tuple[str, ...] = (NAME, "other"), now: float | None = None) -> str:
    """Why it is not believed; empty where it is."""
    try:
        vouched(chain, names, store_of(ROOT.pem), NOW.timestamp() if now is None else now)
    except Distrusted as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    "chain",
    [
        pytest.param((ROOT.issue(NAME),), id="by an authority"),
        pytest.param((ROOT.issue("more.example", NAME),), id="with more names"),
        pytest.param((ROOT.issue(NAME.upper()),), id="in other letters"),
        pytest.param((BETWEEN.issue(NAME), BETWEEN.certificate), id="by one that an authority vouches for"),
    ],
)
def test_a_certificate_of_the_sender_is_believed(chain: Any) -> None:
    assert "" == judged(*chain)


@pytest.mark.parametrize(
    ("chain", "told"),
    [
        pytest.param((STRANGER.issue(NAME),), "nobody who is trusted", id="by a stranger"),
        pytest.param(
            (STRANGER.issue(NAME), STRANGER.certificate), "nobody", id="by a stranger, who is there"
        ),
        pytest.param((BETWEEN.issue(NAME),), "nobody who is trusted", id="by one who is not there"),
        pytest.param((ROOT.issue(NAME, ends=timedelta(seconds=-1)),), "nobody", id="over"),
        pytest.param((ROOT.issue(NAME, begins=timedelta(seconds=9)),), "nobody", id="not begun"),
        pytest.param((ROOT.issue("evil.example"),), "not issued to the sender", id="somebody else's"),
        pytest.param((ROOT.issue("*.amazonaws.com"),), "not issued to the sender", id="for any name"),
        pytest.param((ROOT.issue(),), "not issued to the sender", id="without a name"),
        pytest.param((ROOT.certificate,), "not issued to the sender", id="the authority's own"),
        pytest.param((ROOT.issue(NAME, key=rsa_key(1024)),), "not of a size", id="with a weak key"),
        pytest.param((ROOT.issue(NAME, key=EC),), "not RSA", id="with a key of another kind"),
    ],
)
def test_any_other_certificate_is_not(chain: Any, told: str) -> None:
    assert told in judged(*chain)


def test_a_certificate_ends() -> None:
    found = vouched([ROOT.issue(NAME)], [NAME], store_of(ROOT.pem), NOW.timestamp())

    assert (NOW + timedelta(days=90)).timestamp() == found.until


@pytest.mark.parametrize(
    ("document", "count"),
    [
        pytest.param(ROOT.pem, 1, id="PEM"),
        pytest.param(ROOT.pem + b"text\n" + BETWEEN.pem, 2, id="two of them, and text"),
        pytest.param(ROOT.certificate.public_bytes(Encoding.DER), 1, id="DER"),
        pytest.param(b"", 0, id="nothing"),
        pytest.param(b"<html>", 0, id="a page"),
        pytest.param(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", 0, id="a broken one"),
        pytest.param(b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", 0, id="a key"),
        pytest.param(ROOT.pem * 9, 0, id="many"),
    ],
)
def test_certificates_in_a_document(document: bytes, count: int) -> None:
    try:
        found = len(certificates_in(document))
    except Distrusted:
        found = 0

    assert count == found


def test_where_the_issuer_is() -> None:
    urls = ["http://crt.example/a.cer", ""]

    assert ["http://crt.example/a.cer", None] == [
        issuer_url(ROOT.issue(NAME, issuer_url=each)) for each in urls
    ]


def test_authorities_that_cannot_be_read_are_passed_over() -> None:
    broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"

    vouched([ROOT.issue(NAME)], [NAME], store_of(broken + ROOT.pem), NOW.timestamp())
    with pytest.raises(ValueError, match="expected `ca_file`"):
        store_of(broken)


def test_pem_of_several() -> None:
    assert 2 == len(certificates_in(pem(ROOT.certificate, BETWEEN.certificate)))
