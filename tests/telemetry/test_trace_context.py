"""Which trace a request belongs to."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.telemetry.trace_context import trace_id

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    "traceparent",
    [
        pytest.param(f"00-{TRACE}-{PARENT}-01", id="sampled"),
        pytest.param(f"00-{TRACE}-{PARENT}-00", id="not sampled"),
        pytest.param(f"cc-{TRACE}-{PARENT}-01", id="a later version"),
        pytest.param(f"cc-{TRACE}-{PARENT}-01-what-comes-then", id="a later version that says more"),
    ],
)
def test_the_id_of_a_trace_is_read(traceparent: str) -> None:
    assert TRACE == trace_id(traceparent)


@pytest.mark.parametrize(
    "traceparent",
    [
        pytest.param("", id="nothing"),
        pytest.param(f"ff-{TRACE}-{PARENT}-01", id="a version that is none"),
        pytest.param(f"00-{'0' * 32}-{PARENT}-01", id="a trace of zeros"),
        pytest.param(f"00-{TRACE}-{'0' * 16}-01", id="a parent of zeros"),
        pytest.param(f"00-{TRACE.upper()}-{PARENT}-01", id="capitals"),
        pytest.param(f"00-{TRACE}-{PARENT}-01-more", id="more than its version has"),
        pytest.param(f"cc-{TRACE}-{PARENT}-01.more", id="more, and no dash"),
        pytest.param(f"00-{TRACE}-{PARENT}", id="no flags"),
        pytest.param(f"00-{TRACE[:-1]}-{PARENT}-01", id="too short"),
        pytest.param(f"00-{TRACE}-{PARENT}-01, 00-{TRACE}-{PARENT}-01", id="two of them"),
        pytest.param(f"00-{TRACE}-{PARENT}-01\n", id="a line end"),
        pytest.param(f"cc-{TRACE}-{PARENT}-01-" + "x" * 500, id="too long"),
    ],
)
def test_what_is_no_traceparent_has_none(traceparent: str) -> None:
    assert "" == trace_id(traceparent)


@given(st.from_regex(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?", fullmatch=True) | st.text())
def test_whatever_comes_the_id_is_one_or_nothing(traceparent: str) -> None:
    assert re.fullmatch(r"([0-9a-f]{32})?", trace_id(traceparent))
