"""How origins are written in a policy file, and as which ones of a browser they count."""

from __future__ import annotations

import pytest

from proxy.policies.edge.cors import Origin


@pytest.mark.parametrize(
    ("written", "origin"),
    [
        pytest.param("https://APP.Example", "https://app.example", id="capitals"),
        pytest.param("https://app.example:443", "https://app.example", id="the port of https"),
        pytest.param("http://app.example:80", "http://app.example", id="the port of http"),
        pytest.param("http://app.example:443", "http://app.example:443", id="a port of another scheme"),
        pytest.param("http://[2001:DB8::1]:3000", "http://[2001:db8::1]:3000", id="IPv6"),
        pytest.param("capacitor://localhost", "capacitor://localhost", id="an app's own scheme"),
        pytest.param("null", "null", id="null"),
        pytest.param("*", "*", id="all of them"),
    ],
)
def test_how_an_origin_is_read(written: str, origin: str) -> None:
    assert origin == Origin.parse(written)


@pytest.mark.parametrize(
    "written",
    [
        pytest.param("https://app.example/", id="a path"),
        pytest.param("app.example", id="no scheme"),
        pytest.param("https://*.example", id="a pattern"),
        pytest.param("https://user@app.example", id="a user"),
        pytest.param("https://app.example:port", id="a port in words"),
        pytest.param("https://app.example\n", id="a line break"),
        pytest.param("", id="nothing"),
        pytest.param(3, id="a number"),
    ],
)
def test_what_is_no_origin(written: object) -> None:
    with pytest.raises(ValueError, match="no origin; expected scheme://host"):
        Origin.parse(written)
