"""What the RFC signs is accepted, and what it says is no longer that is not (RFC 9421, appendix B)."""

from __future__ import annotations

from base64 import b64decode, b64encode

import pytest

from proxy.exchange import Exchange
from proxy.policies.identity.message_signature.keys import verifier
from tests.policies.identity.message_signature import rfc9421 as rfc
from tests.policies.identity.message_signature.asking import KEYS, a_policy, asked, cause, outcome

ANY = {"keys": KEYS, "digest": "if_covered"}


def of_the_rfc(vector: tuple[str, str], **changed: str) -> Exchange:
    headers = {**rfc.HEADERS, "Signature-Input": vector[0], "Signature": vector[1], **changed}
    return asked(fields=list(headers.items()), body=rfc.BODY)


VECTORS = pytest.mark.parametrize(
    ("vector", "components", "keyid"),
    [
        (rfc.B21, ["@method"], "test-key-rsa-pss"),
        (rfc.B22, ["@authority", "content-digest"], "test-key-rsa-pss"),
        (rfc.B23, ["@method", "@authority", "@path", "@query", "content-digest"], "test-key-rsa-pss"),
        (rfc.B25, ["date", "@authority"], "test-shared-secret"),
        (rfc.B26, ["date", "@method", "@path", "@authority"], "test-key-ed25519"),
    ],
    ids=["B.2.1", "B.2.2", "B.2.3", "B.2.5", "B.2.6"],
)


@VECTORS
async def test_a_signature_of_the_rfc_is_accepted(
    vector: tuple[str, str], components: list[str], keyid: str
) -> None:
    if vector is rfc.B21:
        components = []  # it covers nothing, which no policy file can ask for
    policy, exchange = a_policy(components=components, **ANY), of_the_rfc(vector)

    assert (200, None) == await outcome(policy, exchange), cause(exchange)
    assert exchange.identity is not None
    assert (keyid, "message_signature") == (exchange.identity.id, exchange.identity.method)


@VECTORS
@pytest.mark.parametrize("bit", [0, 7, 100, 255])
async def test_and_refused_with_one_bit_flipped(
    vector: tuple[str, str], components: list[str], keyid: str, bit: int
) -> None:
    label, _, encoded = vector[1].partition("=:")
    signature = bytearray(b64decode(encoded.removesuffix(":")))
    signature[bit // 8] ^= 1 << bit % 8
    flipped = f"{label}=:{b64encode(signature).decode()}:"
    policy = a_policy(components=[] if vector is rfc.B21 else components, **ANY)
    exchange = of_the_rfc((vector[0], flipped))

    assert (401, "message_signature.invalid") == await outcome(policy, exchange)
    assert f"the signature is not one of the key {keyid}" == cause(exchange)


async def test_a_signature_that_covers_nothing_is_refused_by_every_policy_that_a_file_can_hold() -> None:
    exchange = of_the_rfc(rfc.B21)

    assert (401, "message_signature.invalid") == await outcome(a_policy(**ANY), exchange)
    assert "@method, @authority, @path, @query is not covered" == cause(exchange)


def test_the_response_that_the_rfc_signs_with_ecdsa_verifies() -> None:
    verify = verifier(KEYS["test-key-ecc-p256"])
    signature, base = b64decode(rfc.B24_SIGNATURE), rfc.B24_BASE.encode()

    assert (True, False, False) == (
        verify(signature, base),
        verify(signature, base + b" "),
        verify(signature[:-1], base),
    )


SIGNED = [("Signature-Input", rfc.TRANSFORMED[0]), ("Signature", rfc.TRANSFORMED[1])]
DATE = ("Date", "Fri, 15 Jul 2022 14:24:55 GMT")


@pytest.mark.parametrize(
    ("method", "query", "fields", "status"),
    [
        ("GET", "", [("Host", "example.org"), DATE, ("Accept", "application/json"), ("Accept", "*/*")], 200),
        (
            "GET",
            "&param=added",
            [
                ("Host", "example.org"),
                ("Accept", "application/json"),
                ("Accept", "*/*"),
                ("Accept-Language", "en"),
            ],
            200,
        ),
        ("GET", "", [("Host", "example.org"), ("Referer", "x"), ("Accept", "application/json, */*")], 200),
        ("GET", "", [("Accept", "application/json"), ("Accept", "*/*"), DATE, ("Host", "example.org")], 200),
        ("GET", "", [("Host", "EXAMPLE.org:443"), ("Accept", " application/json, */* ")], 200),
        ("POST", "", [("Host", "example.com"), ("Accept", "application/json"), ("Accept", "*/*")], 401),
        ("GET", "", [("Host", "example.org"), ("Accept", "*/*"), ("Accept", "application/json")], 401),
    ],
    ids=[
        *("as it was signed", "a parameter and a header more", "joined", "in another order"),
        *("another spelling of the host", "another method and host", "values in another order"),
    ],
)
async def test_what_may_be_transformed_and_what_not(
    method: str, query: str, fields: list[tuple[str, str]], status: int
) -> None:
    policy = a_policy(components=["@method", "@path", "@authority", "accept"], keys=KEYS)
    exchange = asked(method, f"/demo?name1=Value1&Name2=value2{query}", [*fields, *SIGNED])

    assert status == (await outcome(policy, exchange))[0], cause(exchange)
