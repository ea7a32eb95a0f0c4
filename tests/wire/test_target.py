"""Hosts and targets: what a request asks for, and what is neither."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import Rejection
from proxy.wire.head import (
    HOP_BY_HOP,
    UNDERSTOOD,
)
from proxy.wire.parser import Specials
from proxy.wire.target import Target, host_of, split_target

SPECIALS = Specials(HOP_BY_HOP | UNDERSTOOD)


@pytest.mark.parametrize(
    ("authority", "host"),
    [
        ("example.com", "example.com"),
        ("EXAMPLE.com:8080", "example.com"),
        ("[::1]:80", "[::1]"),
        ("[::1]", "[::1]"),
        ("a:", "a"),
        ("", ""),
        ("xn--mnchen-3ya.de", "xn--mnchen-3ya.de"),
        ("a b", None),
        ("a/b", None),
        ("user@a", None),
        ("a:b", None),
        ("a:123456", None),
        ("[::1", None),
        ("münchen.de", None),
        ("a\r", None),
        ("a\n", None),
    ],
)
def test_a_host_is_lower_case_without_port_or_none_at_all(authority: str, host: str | None) -> None:
    assert host == host_of(authority)


@pytest.mark.parametrize(
    ("method", "target", "expected"),
    [
        pytest.param("GET", "/a/b?c=d", Target("/a/b?c=d", "/a/b", "c=d"), id="origin-form"),
        pytest.param("GET", "/a?b?c", Target("/a?b?c", "/a", "b?c"), id="two question marks"),
        pytest.param("GET", "//a/b", Target("//a/b", "//a/b", ""), id="two slashes are no authority"),
        pytest.param("OPTIONS", "*", Target("*", "*", ""), id="asterisk-form"),
        pytest.param("GET", "http://a:80/b?c", Target("/b?c", "/b", "c", "a:80"), id="absolute-form"),
        pytest.param("GET", "HTTPS://a", Target("/", "/", "", "a"), id="absolute-form without a path"),
        pytest.param(
            "GET", "http://a?b/c", Target("/?b/c", "/", "b/c", "a"), id="without a path, with a query"
        ),
        pytest.param("OPTIONS", "http://a", Target("*", "*", "", "a"), id="OPTIONS of a whole server"),
        pytest.param("OPTIONS", "http://a/", Target("/", "/", "", "a"), id="OPTIONS of the root"),
        pytest.param("OPTIONS", "http://a?b", Target("/?b", "/", "b", "a"), id="OPTIONS with a query"),
        pytest.param("GET", "http:///b", Target("/b", "/b", "", ""), id="without a host"),
    ],
)
def test_a_target_is_taken_apart(method: str, target: str, expected: Target) -> None:
    assert expected == split_target(method, target)


@pytest.mark.parametrize(
    ("method", "target"),
    [("GET", "*"), ("CONNECT", "a:443"), ("GET", "ftp://a/"), ("GET", "a/b"), ("GET", ""), ("OPTIONS", "**")],
)
def test_a_form_that_does_not_go_with_the_method_is_refused(method: str, target: str) -> None:
    with pytest.raises(Rejection, match=r"request\.target"):
        split_target(method, target)


@given(st.text(min_size=1, max_size=20), st.sampled_from(("GET", "OPTIONS", "CONNECT")))
def test_any_target_is_taken_apart_or_refused(target: str, method: str) -> None:
    try:
        found = split_target(method, target)
    except Rejection:
        return
    path, _, query = found.origin.partition("?")

    assert (found.path, found.query) == (path, query)
