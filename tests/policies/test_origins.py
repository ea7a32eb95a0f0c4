"""Origins in lists."""

from __future__ import annotations

import pytest

from proxy.policies.origins import PageOrigin, without_default_port


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("https://app.example", "https://app.example"),
        ("HTTPS://App.Example:443", "https://app.example"),
        ("http://localhost:80", "http://localhost"),
        ("http://localhost:443", "http://localhost:443"),
        ("https://[2001:DB8::1]:8443", "https://[2001:db8::1]:8443"),
        ("chrome-extension://abc", "chrome-extension://abc"),
        ("null", "null"),
    ],
)
def test_an_origin_is_kept_as_browsers_write_it(written: str, expected: str) -> None:
    assert expected == PageOrigin.parse(written)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "*",
        "app.example",
        "https://app.example/",
        "https://*.example",
        "https://u@app.example",
        7,
        "https://",
    ],
)
def test_what_is_no_origin_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="is no origin; expected scheme://host"):
        PageOrigin.parse(written)


def test_the_port_of_another_scheme_stays() -> None:
    assert "ftp://a:443" == without_default_port("ftp://a:443")
