"""Where an issuer's keys are."""

from __future__ import annotations

import pytest

from proxy.policies.authorities import AuthoritiesFile
from proxy.policies.identity.jwt.config import JwksConfig, JwksFile, JwksUrl

URL = JwksUrl("https://id.example/jwks")
FILE = JwksFile("jwks.json")


@pytest.mark.parametrize(
    "url",
    [
        "https://id.example",
        "https://id.example/.well-known/jwks.json?tenant=a",
        "https://id.example:8443/jwks",
        "https://[2001:db8::1]/jwks",
    ],
)
def test_a_url(url: str) -> None:
    assert url == JwksUrl.parse(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://id.example/jwks",
        "https://",
        "https://id.example:port/jwks",
        "https://id.example:99999/jwks",
        "https://id.example/a b",
        "https://id.example/#keys",
        "https://id.example\\evil.example/jwks",
        "https://\u0456d.example/jwks",
        "jwks",
        7,
        None,
    ],
)
def test_what_is_no_url(url: object) -> None:
    with pytest.raises(ValueError, match="is no https url"):
        JwksUrl.parse(url)


def test_credentials_in_a_url_are_not_repeated() -> None:
    with pytest.raises(ValueError, match=r"^the url has credentials in it; expected one without$"):
        JwksUrl.parse("https://user:hunter2@id.example/jwks")


@pytest.mark.parametrize(
    ("config", "wrong"),
    [
        pytest.param(JwksConfig(url=URL), [], id="a url"),
        pytest.param(JwksConfig(file=FILE), [], id="a file"),
        pytest.param(JwksConfig(url=URL, ca_file=AuthoritiesFile("ca.crt")), [], id="with authorities"),
        pytest.param(JwksConfig(), [""], id="nowhere"),
        pytest.param(JwksConfig(url=URL, file=FILE), [""], id="two places"),
        pytest.param(JwksConfig(file=FILE, ca_file=AuthoritiesFile("ca.crt")), ["ca_file"], id="no host"),
    ],
)
def test_the_keys_are_in_one_place(config: JwksConfig, wrong: list[str]) -> None:
    assert wrong == [where for where, _ in config.check()]
