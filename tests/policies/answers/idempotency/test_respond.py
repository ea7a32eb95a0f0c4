"""Answers in an operator's words."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.policies.answers.idempotency.respond import decoded, filled_by

BODY = {"id": 7, "ticket": {"id": "T-7", "tags": ["a", {"b": None}], "open": True}, "a/b": {"~c": 1}}


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        pytest.param("as it is", "as it is", id="text"),
        pytest.param(17, 17, id="a number"),
        pytest.param(None, None, id="null"),
        pytest.param("{{ stored.body.id }}", 7, id="alone, it keeps its type"),
        pytest.param("{{stored.body.ticket.open}}", True, id="a boolean"),
        pytest.param("{{ stored.body.ticket.tags }}", ["a", {"b": None}], id="a list"),
        pytest.param("{{ stored.body }}", BODY, id="all of it"),
        pytest.param("{{ stored.status }}", 201, id="the status"),
        pytest.param("no. {{ stored.body.id }}, {{ stored.body.ticket.id }}", "no. 7, T-7", id="in a text"),
        pytest.param("{{ stored.body.ticket.tags.0 }}", "a", id="in a list"),
        pytest.param("{{ stored.body.a/b.~c }}", 1, id="names with signs that pointers escape"),
        pytest.param("{{ stored.body.nothing.here }}", None, id="nothing stands there"),
        pytest.param("<{{ stored.body.nothing }}>", "<>", id="nothing, in a text"),
        pytest.param("{{ stored.body.id.deeper }}", None, id="below a number"),
        pytest.param("{{ stored.body.ticket.tags.9 }}", None, id="past the end of a list"),
        pytest.param(
            {"a": ["{{ stored.body.id }}", {"b": "{{ stored.status }}"}]}, {"a": [7, {"b": 201}]}, id="deep"
        ),
    ],
)  # fmt: skip
def test_placeholders_stand_for_the_stored_answer(template: Any, filled: Any) -> None:
    assert filled == filled_by(template)(201, BODY)


@pytest.mark.parametrize(
    "template", ["{{ stored.body.id", "{{ request.body }}", "{{ }}", "{{ stored.header.X }}"]
)
def test_others_are_refused(template: str) -> None:
    with pytest.raises(ValueError, match="placeholder"):
        filled_by([{"x": template}])


@pytest.mark.parametrize(
    ("body", "value"),
    [
        pytest.param(b'{"a": 1}', {"a": 1}, id="JSON"),
        pytest.param(b"<a/>", None, id="something else"),
        pytest.param(b'"\xff"', None, id="not in UTF-8"),
        pytest.param(b"", None, id="nothing"),
    ],
)
def test_a_body_that_is_no_json_has_no_places(body: bytes, value: Any) -> None:
    assert value == decoded(body)
