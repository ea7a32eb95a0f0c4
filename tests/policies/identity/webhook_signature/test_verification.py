"""From a policy file to what is checked."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from proxy.config.units import HeaderName
from proxy.policies.identity.webhook_signature.schemes import Stamp
from proxy.policies.identity.webhook_signature.verification import (
    JsonPointer,
    TimestampConfig,
    schemes,
    verifications,
)
from tests.policies.identity.senders import a_config, in_header

KEY = "whsec_" + "A" * 32


@pytest.mark.parametrize(
    ("scheme", "secrets", "settings", "ways"),
    [
        pytest.param("github", ["a"], {}, [("X-Hub-Signature-256", [b"a"])], id="a secret as it is"),
        pytest.param(
            "svix",
            [KEY],
            {},
            [("svix-signature", [bytes(24)]), ("webhook-signature", [bytes(24)])],
            id="two families of headers",
        ),
        pytest.param(
            "gitlab",
            ["t", KEY],
            {},
            [("webhook-signature", [bytes(24)]), ("X-Gitlab-Token", [hashlib.sha256(b"t").digest()])],
            id="keys and tokens",
        ),
        pytest.param(
            "gitlab", [KEY], {}, [("webhook-signature", [bytes(24)])], id="a way without a secret is none"
        ),
        pytest.param(
            "token", ["t"], {"header": "X-T"}, [("X-T", [hashlib.sha256(b"t").digest()])], id="a token"
        ),
        pytest.param("freshdesk", ["s"], {"header": "X-F"}, [("X-F", [b"s"])], id="the operator's header"),
        pytest.param(
            "hmac", ["00ff"], {"header": "X-H", "key_encoding": "hex"}, [("X-H", [b"\0\xff"])], id="a hex key"
        ),
    ],
)
def test_ways_to_sign(
    scheme: str, secrets: list[str], settings: dict[str, Any], ways: list[tuple[str, list[bytes]]]
) -> None:
    found = verifications(a_config(scheme, *secrets, **settings))

    assert ways == [(way.scheme.header, list(way.keys)) for way in found]


def test_what_an_operator_says_of_a_sender() -> None:
    (scheme,) = schemes(
        a_config(
            "hmac",
            "s",
            header="X-H",
            signed="{timestamp}{body}",
            timestamp=in_header("X-T", prefix="t", unit="ms"),
            algorithm="sha512",
            encoding="base64url",
            prefix="p",
            separator=";",
            key_encoding="base64",
        )
    )

    assert ("sha512", "base64url", ("p",), ";", "base64", Stamp("X-T", "t", "", "ms")) == (
        scheme.algorithm,
        scheme.encoding,
        scheme.prefixes,
        scheme.separator,
        scheme.key,
        scheme.stamp,
    )


def test_what_an_operator_need_not_say() -> None:
    (scheme,) = schemes(a_config("hmac", "s", header="X-H"))

    assert ("{body}", "sha256", "hex", ("",), "", "text", None) == (
        scheme.signed,
        scheme.algorithm,
        scheme.encoding,
        scheme.prefixes,
        scheme.separator,
        scheme.key,
        scheme.stamp,
    )


@pytest.mark.parametrize(
    ("url", "bases"),
    [
        pytest.param("https://h.example", ["https://h.example", "https://h.example:443"], id="no port"),
        pytest.param("http://h.example/", ["http://h.example", "http://h.example:80"], id="http"),
        pytest.param("https://h.example:8443", ["https://h.example", "https://h.example:8443"], id="a port"),
        pytest.param("https://h.example/a/", ["https://h.example/a", "https://h.example:443/a"], id="a path"),
        pytest.param("https://[::1]:8/a", ["https://[::1]/a", "https://[::1]:8/a"], id="an address"),
        pytest.param("https://[::1]", ["https://[::1]", "https://[::1]:443"], id="an address alone"),
    ],
)
def test_twilio_signs_with_and_without_the_port(url: str, bases: list[str]) -> None:
    sha1, sha256 = verifications(a_config("twilio", "s", public_url=url))

    assert (bases, bases) == (list(sha1.bases), list(sha256.bases))


def test_square_signs_the_url_as_it_was_told() -> None:
    (way,) = verifications(a_config("square", "s", public_url="https://h.example/x"))

    assert ("https://h.example/x",) == way.bases


@pytest.mark.parametrize(
    ("scheme", "settings", "tolerance"),
    [("slack", {}, 300.0), ("linear", {}, 60.0), ("linear", {"tolerance": 5}, 5.0)],
)
def test_how_far_a_time_may_be_off(scheme: str, settings: dict[str, Any], tolerance: float) -> None:
    assert [tolerance] == [way.tolerance for way in verifications(a_config(scheme, "s", **settings))]


@pytest.mark.parametrize("pointer", ["", "a", "/", "//a", "/a/", "/a~", "/a~2", "/a\n/", 7])
def test_what_is_no_pointer(pointer: object) -> None:
    with pytest.raises(ValueError, match="no JSON pointer; expected one such as /data/timestamp"):
        JsonPointer.parse(pointer)


@pytest.mark.parametrize(
    ("time", "wrong"),
    [
        pytest.param(TimestampConfig(header=HeaderName("X-T"), prefix="t="), [], id="a header"),
        pytest.param(TimestampConfig(field=JsonPointer("/t")), [], id="a field"),
        pytest.param(TimestampConfig(), [""], id="nowhere"),
        pytest.param(TimestampConfig(header=HeaderName("X-T"), field=JsonPointer("/t")), [""], id="twice"),
        pytest.param(
            TimestampConfig(field=JsonPointer("/t"), prefix="t="), ["prefix"], id="a prefix in a body"
        ),
    ],
)
def test_where_a_time_may_stand(time: TimestampConfig, wrong: list[str]) -> None:
    assert wrong == [field for field, _ in time.check()]
