"""Templates of what is signed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.algorithms.signed_template import Template


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        pytest.param("", (), id="nothing"),
        pytest.param("{body}", ("body",), id="a place alone"),
        pytest.param("v0:{timestamp}:{body}", (b"v0:", "timestamp", b":", "body"), id="places and literals"),
        pytest.param("{header:X-Id}{body}", ("header:X-Id", "body"), id="places side by side"),
        pytest.param("{{{body}}}", (b"{", "body", b"}"), id="doubled braces"),
        pytest.param("ä", ("ä".encode(),), id="not ASCII"),
        pytest.param("{}", ("",), id="a place without a name"),
    ],
)
def test_how_a_template_is_read(text: str, parts: tuple[bytes | str, ...]) -> None:
    assert parts == Template.parse(text).parts


@pytest.mark.parametrize("text", ["{", "}", "{body", "body}", "{a{b}"])
def test_half_a_pair_of_braces_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="has no pair; expected it doubled, or a name in braces"):
        Template.parse(text)


def test_places_are_filled_in_order() -> None:
    template = Template.parse("{a}.{b}{a}")

    assert (("a", "b", "a"), b"A.BA") == (
        template.places,
        b"".join(template.fill(lambda place: place.upper().encode())),
    )


def test_a_filled_body_is_not_copied() -> None:
    body = bytes(1000)

    assert body is Template.parse("x{body}").fill(lambda _: body)[1]


@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
@settings(max_examples=60)
def test_any_text_can_be_a_literal(text: str) -> None:
    template = Template.parse(text.replace("{", "{{").replace("}", "}}"))

    assert text.encode() == b"".join(template.fill(lambda _: b"never"))
