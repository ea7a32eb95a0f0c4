"""What a client that is refused gets to read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import Rejection, UpstreamError
from proxy.exchange import Exchange, Request, Response
from proxy.problem import ProblemWriter, Template, problem


def an_exchange(request_id: str = "r-1", decision_id: str = "d-1") -> Exchange:
    return Exchange(
        Request("GET", "/", "/"), client_ip="192.0.2.1", request_id=request_id, decision_id=decision_id
    )


def read(response: Response) -> Any:
    assert isinstance(response.content, bytes)
    return json.loads(response.content)


def fields(response: Response) -> list[tuple[str, str]]:
    return [(name.decode(), value.decode()) for name, value in response.headers]


LIMITED = Rejection(
    429,
    "rate_limit.exceeded",
    "Too many requests from this address.",
    cause="bucket per_client",
    retry_after=0.2,
)


def test_a_refusal_is_problem_json_with_all_that_finds_it_again() -> None:
    response = ProblemWriter().render(LIMITED, an_exchange())

    assert {
        "type": "about:blank",
        "title": "Too Many Requests",
        "status": 429,
        "detail": "Too many requests from this address.",
        "instance": "urn:seawall:decision:d-1",
        "reason": "rate_limit.exceeded",
        "request_id": "r-1",
        "decision_id": "d-1",
        "retry_after": 1,
    } == read(response)
    assert 429 == response.status
    assert [
        ("Content-Type", "application/problem+json"),
        ("Retry-After", "1"),
        ("Cache-Control", "no-store"),
    ] == fields(response)


def test_members_with_nothing_to_say_are_left_out() -> None:
    response = ProblemWriter().render(Rejection(404, "route.none"), an_exchange("", ""))

    assert {"type": "about:blank", "title": "Not Found", "status": 404, "reason": "route.none"} == read(
        response
    )


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        pytest.param(0.0, "1", id="at once is not a wait that can be said"),
        pytest.param(0.6, "1", id="less than a second"),
        pytest.param(1.0, "1", id="exactly a second"),
        pytest.param(1.001, "2", id="rounded up, so that nobody comes too early"),
        pytest.param(float("inf"), "31622400", id="for ever is a year"),
    ],
)
def test_retry_after_is_whole_seconds_and_never_too_early(seconds: float, said: str) -> None:
    response = problem(Rejection(503, "circuit_breaker.open", retry_after=seconds))

    assert (said, int(said)) == (response.headers.get("Retry-After"), read(response)["retry_after"])


def test_a_refusal_without_a_wait_has_no_retry_after() -> None:
    response = problem(Rejection(403, "ip_list.denied"))

    assert (None, False) == (response.headers.get("Retry-After"), "retry_after" in read(response))


def test_fields_that_the_refusal_asks_for_are_there() -> None:
    challenges = [("WWW-Authenticate", "Basic"), ("WWW-Authenticate", "Bearer")]

    response = problem(Rejection(401, "authenticate.missing", headers=challenges))

    assert challenges == fields(response)[-2:]


@pytest.mark.parametrize(
    ("status", "title"),
    [
        pytest.param(413, "Content Too Large", id="as RFC 9110 calls it"),
        pytest.param(504, "Gateway Timeout", id="as the standard library calls it"),
        pytest.param(499, "Bad Request", id="one that has no name goes by its class"),
        pytest.param(799, "Error", id="one that has no class either"),
    ],
)
def test_title_and_status_line_say_the_phrase_of_the_status(status: int, title: str) -> None:
    response = problem(Rejection(status, "some.reason"))

    assert (title, title) == (read(response)["title"], response.phrase)


@pytest.mark.parametrize(
    ("expose", "shown"),
    [
        pytest.param(False, None, id="never by itself"),
        pytest.param(True, "connect to 10.1.2.3:3000 refused", id="where the operator wants it"),
    ],
)
def test_the_cause_is_for_the_log(expose: bool, shown: str | None) -> None:
    error = UpstreamError(
        502, "upstream.unreachable", "The service is out of reach.", cause="connect to 10.1.2.3:3000 refused"
    )

    response = ProblemWriter(expose_detail=expose).render(error, an_exchange())

    assert shown == read(response).get("cause")


def test_an_operator_who_wants_causes_sees_none_where_there_is_none() -> None:
    response = ProblemWriter(expose_detail=True).render(Rejection(404, "route.none"), an_exchange())

    assert "cause" not in read(response)


@given(text=st.text(st.characters(codec=None, categories=("L", "N", "P", "S", "Z", "Cc", "Cs"))))
def test_whatever_text_gets_in_the_body_stays_json_and_the_head_stays_whole(text: str) -> None:
    rejection = Rejection(400, "request.bad", text, cause=text)

    response = ProblemWriter(expose_detail=True).render(rejection, an_exchange(text, text))

    assert "request.bad" == read(response)["reason"]
    assert ["Content-Type", "Cache-Control"] == [name for name, _ in fields(response)]


def test_undecodable_bytes_are_spelled_out() -> None:
    assert "\\udcff é" == read(problem(Rejection(400, "request.bad", "\udcff é")))["detail"]


class TestTemplates:
    def render(self, template: Template, rejection: Rejection = LIMITED, **ids: str) -> Response:
        return ProblemWriter(templates={rejection.reason: template}).render(rejection, an_exchange(**ids))

    def test_one_reason_keeps_its_old_format_and_the_others_do_not(self) -> None:
        old = {"error": "Rate limit exceeded. Please try again later."}
        writer = ProblemWriter(templates={"rate_limit.exceeded": Template.of_json(old)})

        limited = writer.render(LIMITED, an_exchange())
        other = writer.render(Rejection(404, "route.none"), an_exchange())

        assert (429, old, "application/json") == (
            limited.status,
            read(limited),
            limited.headers.get("Content-Type"),
        )
        assert ("1", "no-store") == (limited.headers.get("Retry-After"), limited.headers.get("Cache-Control"))
        assert "application/problem+json" == other.headers.get("Content-Type")

    @pytest.mark.parametrize(
        ("value", "body"),
        [
            pytest.param({"id": "{{ request_id }}"}, {"id": "r-1"}, id="a placeholder"),
            pytest.param({"id": "{{request_id}}"}, {"id": "r-1"}, id="a placeholder without spaces"),
            pytest.param(
                "{{ title }} ({{ reason }}): {{ detail }}",
                "Too Many Requests (rate_limit.exceeded): Too many requests from this address.",
                id="several in one text",
            ),
            pytest.param(["{{ status }}", "{{ retry_after }}"], [429, 1], id="numbers alone stay numbers"),
            pytest.param("wait {{ retry_after }} s", "wait 1 s", id="a number in a text"),
            pytest.param("{{ decision_id }}", "d-1", id="the decision"),
            pytest.param(
                {"a": [1, 2.5, True, None, "", {}, []], "é": {"b": 'q"\\'}},
                {"a": [1, 2.5, True, None, "", {}, []], "é": {"b": 'q"\\'}},
                id="any JSON value as it is",
            ),
            pytest.param("}} is just text", "}} is just text", id="closing braces alone"),
        ],
    )
    def test_json_is_filled_in(self, value: object, body: object) -> None:
        assert body == read(self.render(Template.of_json(value)))

    def test_a_wait_that_there_is_not_is_null_alone_and_nothing_in_a_text(self) -> None:
        template = Template.of_json(["{{ retry_after }}", "wait {{ retry_after }}"])

        assert [None, "wait "] == read(self.render(template, Rejection(403, "ip_list.denied")))

    @given(text=st.text(st.characters(codec=None, categories=("L", "N", "P", "S", "Z", "Cc", "Cs"))))
    def test_whatever_is_filled_in_the_body_stays_json(self, text: str) -> None:
        template = Template.of_json({"a": "{{ detail }}", "b": "<{{ request_id }}>", "c": 1})
        rejection = Rejection(400, "request.bad", text)

        assert 1 == read(self.render(template, rejection, request_id=text))["c"]

    def test_a_text_is_sent_as_it_stands(self) -> None:
        response = self.render(Template.of_text("No! & <{{ reason }}> é {{ retry_after }}"))

        assert "No! & <rate_limit.exceeded> é 1".encode() == response.content
        assert "text/plain; charset=utf-8" == response.headers.get("Content-Type")

    @pytest.mark.parametrize(
        "content_type",
        ["text/html", "application/xhtml+xml; charset=utf-8", "application/xml", "image/svg+xml"],
    )
    def test_markup_stays_the_operators_and_what_is_put_into_it_is_escaped(self, content_type: str) -> None:
        template = Template.of_text("<p>{{ detail }}</p>", content_type)

        response = self.render(template, Rejection(400, "request.bad", "<script>\"'&"))

        assert b"<p>&lt;script&gt;&quot;&#x27;&amp;</p>" == response.content

    def test_json_may_have_a_content_type_of_its_own(self) -> None:
        response = self.render(Template.of_json({}, "application/vnd.example.error+json"))

        assert "application/vnd.example.error+json" == response.headers.get("Content-Type")

    @pytest.mark.parametrize(
        ("value", "words"),
        [
            pytest.param(
                {"a": ["{{ requestid }}"]},
                r"unknown placeholder \{\{ requestid \}\}; expected one of status, title, detail, reason, "
                "request_id, decision_id, retry_after",
                id="an unknown placeholder",
            ),
            pytest.param("{{ reason", "not closed", id="a placeholder that is not closed"),
            pytest.param("{{ reason }} {{", "not closed", id="a second one that is not closed"),
            pytest.param({"{{ reason }}": 1}, "key cannot have a placeholder", id="a placeholder in a key"),
            pytest.param({1: 1}, "the key 1 is no text", id="a key that is no text"),
            pytest.param([float("nan")], "no place in JSON", id="not a number"),
            pytest.param({"a": {1, 2}}, "no place in JSON", id="what JSON does not have"),
        ],
    )
    def test_a_json_template_that_can_not_work_is_refused_at_load(
        self, value: Mapping[str, object], words: str
    ) -> None:
        with pytest.raises(ValueError, match=words):
            Template.of_json(value)

    @pytest.mark.parametrize(
        ("content_type", "words"),
        [
            pytest.param("application/json", "use `json`", id="JSON as text"),
            pytest.param("application/problem+json", "use `json`", id="another JSON as text"),
            pytest.param("text", "is no content type", id="no content type"),
            pytest.param("text/plain\r\nX: y", "is no content type", id="a line break"),
            pytest.param("text/plain; é", "is no content type", id="not ASCII"),
        ],
    )
    def test_a_text_template_with_a_wrong_content_type_is_refused_at_load(
        self, content_type: str, words: str
    ) -> None:
        with pytest.raises(ValueError, match=words):
            Template.of_text("text", content_type)

    def test_a_text_template_with_an_unknown_placeholder_is_refused_at_load(self) -> None:
        with pytest.raises(ValueError, match="unknown placeholder"):
            Template.of_text("{{ secret }}")
