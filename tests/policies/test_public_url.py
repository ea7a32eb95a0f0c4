"""How a URL begins that others call."""

from __future__ import annotations

import re

import pytest

from proxy.policies.public_url import PublicUrl


@pytest.mark.parametrize(
    "url", [PublicUrl.example, "https://api.example.com", "http://a:80/v1", "https://[::1]:8443/x"]
)
def test_what_is_one(url: str) -> None:
    assert (url, True) == (PublicUrl.parse(url), bool(re.search(PublicUrl.pattern, url)))


def test_a_slash_at_the_end_is_no_part_of_it() -> None:
    assert "https://a.example/v1" == PublicUrl.parse("https://a.example/v1/")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "h.example",
        "ftp://h.example",
        "https://",
        "https://user:hunter2@h.example",
        "https://h.example?a",
        "https://h.example#a",
        "https://h.example:x",
        "https://h.example:99999",
        "https://h.example/a b",
        "https://h.example\n",
        "https://[::1",
        7,
    ],
)
def test_what_is_no_beginning_of_a_url(url: object) -> None:
    with pytest.raises(ValueError, match="no beginning of a URL; expected one such as https://"):
        PublicUrl.parse(url)
