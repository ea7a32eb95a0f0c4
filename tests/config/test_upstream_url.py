"""Where upstreams are."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.upstream_url import UpstreamUrl


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("http://127.0.0.1:3000", ("http", "127.0.0.1", 3000, "")),
        ("http://App.internal", ("http", "app.internal", 80, "")),
        ("https://api.example.com/", ("https", "api.example.com", 443, "")),
        ("https://[::1]:8443", ("https", "::1", 8443, "")),
        ("http://my_service:1", ("http", "my_service", 1, "")),
        ("unix:/run/app.sock", ("unix", "", 0, "/run/app.sock")),
    ],
)
def test_a_url_is_taken_apart(text: str, parts: tuple[str, str, int, str]) -> None:
    url = UpstreamUrl.parse(text)

    assert parts == (url.scheme, url.host, url.port, url.socket)
    assert re.search(UpstreamUrl.pattern, text)


def test_a_slash_at_the_end_says_nothing() -> None:
    assert "http://a" == UpstreamUrl.parse("http://a/")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (3000, "3000 is no url"),
        (None, "None is no url"),
        ("", "is no url of an upstream"),
        ("127.0.0.1:3000", "is no url of an upstream"),
        ("ftp://a", "is no url of an upstream"),
        ("http://", "is no url of an upstream"),
        ("http://a:0", "is no url of an upstream"),
        ("http://a:x", "is no url"),
        ("http://a:99999", "is no url"),
        ("http://[::1", "is no url"),
        ("http://a b", "a space or a control character"),
        ("http://a\nb", "a space or a control character"),
        ("http://a\\b", "is no url of an upstream"),
        ("http://a/b", "has a path or a query"),
        ("http://a?b", "has a path or a query"),
        ("http://a#b", "has a path or a query"),
        ("http://a?", "has a path or a query"),
        ("unix:run/app.sock", "expected an absolute path"),
        ("unix:", "expected an absolute path"),
        ("unix:/a\0b", "expected an absolute path"),
    ],
)
def test_what_is_no_url_of_an_upstream_is_refused(value: object, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        UpstreamUrl.parse(value)


@pytest.mark.parametrize(
    "text", ["http://user:hunter2@a", "http://hunter2@a", "hunter2@", "http://a/@hunter2"]
)
def test_credentials_are_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="credentials") as refusal:
        UpstreamUrl.parse(text)

    assert "hunter2" not in str(refusal.value)


@given(st.text())
def test_any_text_is_a_url_with_an_address_or_refused(text: str) -> None:
    try:
        url = UpstreamUrl.parse(f"http://{text}")
    except ValueError:
        return
    assert url.host
    assert 0 < url.port < 65536
