"""What routes match on, and the names in policy files."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.patterns import ExactPath, HostPattern, JsonPointer, Method, Name, PathPattern, ReasonCode

TYPES = (ExactPath, HostPattern, Method, Name, PathPattern, ReasonCode)


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.__name__)
class TestEveryType:
    def test_reads_its_example(self, kind) -> None:
        assert kind.example == kind.parse(kind.example)
        assert re.search(kind.pattern, kind.example)

    @pytest.mark.parametrize("value", [5, True, None, ["a"], "", "a b", "\n"], ids=repr)
    def test_refuses_what_it_cannot_be(self, kind, value: object) -> None:
        with pytest.raises(ValueError, match="expected"):
            kind.parse(value)

    @given(value=st.text())
    def test_agrees_with_its_pattern_for_editors(self, kind, value: str) -> None:
        try:
            kind.parse(value)
        except ValueError:
            return
        assert re.search(kind.pattern, value)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (Name, ["a", "A-b_c.1", "x" * 63], ["-a", ".a", "a/b", "x" * 64, "é"]),
        (Method, ["GET", "M-SEARCH"], ["get", "GET "]),
        (ReasonCode, ["a.b", "rate_limit.exceeded.much"], ["a", "A.b", "a."]),
        (JsonPointer, ["", "/", "/a~1b/~0/0/"], ["a", "/~2", None]),
        (ExactPath, ["/", "/a", "/a/b.c/", "/é"], ["a", "/{a}", "/a/**", "/a?b", "//", "/a%20"]),
        (HostPattern, ["a", "a.b-c.d", "*.a.b", "[::1]", "10.0.0.1"], ["*", "a.*.b", "a:80", "-a", "a/b"]),
        (
            PathPattern,
            ["/", "/a", "/a/", "/{a}/b/{c}", "/**", "/a/**", "/a:b;c=d/@e", "/é"],
            [
                "a",
                "",
                "/a**",
                "/**/a",
                "/*",
                "/{a}{b}",
                "/{1}",
                "/{}",
                "/a//b",
                "//",
                "/./a",
                "/a\\b",
                "/a/**/",
            ],
        ),
    ],
    ids=[
        kind.__name__ for kind in (Name, Method, ReasonCode, JsonPointer, ExactPath, HostPattern, PathPattern)
    ],
)
def test_what_is_allowed(kind, good: list[str], bad: list[str]) -> None:
    for text in good:
        assert text == kind.parse(text)
    for text in bad:
        with pytest.raises(ValueError, match="expected"):
            kind.parse(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x", "start with /"),
        ("/a{b}", "whole segment"),
        ("/a}", "whole segment"),
        ("/a*", "at the end only"),
        ("/a#b", "a query or a fragment"),
        ("/%41", "percent-encoded"),
        ("/..", "no normalised path has"),
        ("/a\tb", "control character"),
        ("/{a}/{a}", "parameter twice"),
    ],
)
def test_a_path_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        PathPattern.parse(text)


@pytest.mark.parametrize(
    ("text", "segments", "prefix", "params"),
    [
        ("/", ("",), False, ()),
        ("/a/{b}", ("a", "{b}"), False, ("b",)),
        ("/a/", ("a", ""), False, ()),
        ("/**", (), True, ()),
        ("/a/{b}/{c}/**", ("a", "{b}", "{c}"), True, ("b", "c")),
    ],
)
def test_a_path_is_taken_apart(
    text: str, segments: tuple[str, ...], prefix: bool, params: tuple[str, ...]
) -> None:
    path = PathPattern.parse(text)

    assert (segments, prefix, params) == (path.segments, path.prefix, path.params)


def test_hosts_are_lower_case() -> None:
    assert "*.example.com" == HostPattern.parse("*.Example.COM")
