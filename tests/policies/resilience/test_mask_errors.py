"""Error pages that show the insides of the application never reach a client."""

from __future__ import annotations

import gzip
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from proxy.config.units import StatusSet
from proxy.errors import Rejection, UpstreamError
from proxy.exchange import Response
from proxy.headers import Headers
from proxy.policies.resilience.mask_errors import MaskErrors, MaskErrorsConfig
from proxy.policy import Hooks
from proxy.problem import ProblemWriter, Template
from proxy.shadow import in_shadow
from proxy.testing import Chunks, FakeClock, FakeUpstream, exchange, fake_services, route
from tests.policies.reading import fields, problems, refusal

TRACE = b'Traceback (most recent call last):\n  File "/app/a.py", line 1\nKeyError: password=hunter2 \x1b[31m'
MASKED = "mask_errors.masked"
LOGGER = "proxy.policies.resilience.mask_errors"


def a_policy(clock: FakeClock | None = None, **settings: Any) -> MaskErrors:
    return MaskErrors(MaskErrorsConfig(**settings), fake_services(clock, name="mask_errors/app"))


def page(status: int = 500, body: Any = TRACE, **headers: str) -> Response:
    names = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Response(status, Headers(names), body)


async def masked(answer: Any, **settings: Any) -> Response:
    return await route(a_policy(**settings), upstream=FakeUpstream(answer)).respond(exchange())


@pytest.mark.parametrize(
    ("answer", "settings", "is_masked"),
    [
        pytest.param(page(), {}, True, id="a stack trace"),
        pytest.param(page(503), {}, True, id="any 5xx"),
        pytest.param(page(404), {}, False, id="no 4xx"),
        pytest.param(page(404), {"status": StatusSet({404})}, True, id="a 4xx that is named"),
        pytest.param(page(503), {"keep": StatusSet({503})}, False, id="what is kept"),
        pytest.param(page(503), {"keep": StatusSet({503}), "when": "always"}, False, id="always kept"),
        pytest.param(page(body=b"We are sorry."), {}, False, id="a page for people"),
        pytest.param(page(body=b"We are sorry."), {"when": "always"}, True, id="always"),
        pytest.param(page(body=b""), {"when": "always"}, True, id="always, be it empty"),
        pytest.param(page(200), {}, False, id="a good answer"),
        pytest.param(page(body=gzip.compress(TRACE), Content_Encoding="gzip"), {}, True, id="in gzip"),
        pytest.param(
            page(body=gzip.compress(b"sorry"), Content_Encoding="gzip"), {}, False, id="gzip for people"
        ),
        pytest.param(page(body=b"\x1b\x07", Content_Encoding="br"), {}, True, id="what can't be looked into"),
        pytest.param(page(body=b"", Content_Encoding="br"), {}, False, id="nothing, compressed"),
        pytest.param(
            page(body=b"not gzip", Content_Encoding="gzip"), {}, True, id="what it claims to be it is not"
        ),
        pytest.param(page(body=Chunks(b"x" * 300_000)), {}, True, id="too large to look at"),
        pytest.param(page(body=b"x" * 200_000), {}, False, id="large"),
    ],
)
async def test_what_is_replaced(answer: Response, settings: dict[str, Any], is_masked: bool) -> None:
    response = await masked(answer, **settings)

    if is_masked:
        assert (answer.status, MASKED) == refusal(response)
    else:
        assert (answer.status, answer.content) == (response.status, response.content)


async def test_the_client_sees_nothing_of_it_but_the_ids() -> None:
    asked = exchange()
    pipeline = route(a_policy(), upstream=FakeUpstream(page(Content_Type="text/html")))

    response = await pipeline.respond(asked)

    assert isinstance(response.content, bytes)
    problem = json.loads(response.content)
    assert (500, "r1", "d1") == (problem["status"], problem["request_id"], problem["decision_id"])
    for secret in (b"Traceback", b"app", b"hunter2", b"Python"):
        assert secret not in response.content


async def test_not_even_where_details_are_exposed() -> None:
    asked, problems_ = exchange(), ProblemWriter(expose_detail=True)
    await route(a_policy(), upstream=FakeUpstream(page())).respond(asked)
    assert asked.refusal is not None

    content = problems_.render(asked.refusal, asked).content

    assert isinstance(content, bytes)
    assert b"hunter2" not in content
    assert b"Traceback" not in content


async def test_an_operators_template_has_the_last_word() -> None:
    asked = exchange()
    await route(a_policy(), upstream=FakeUpstream(page(502))).respond(asked)
    assert asked.refusal is not None
    writer = ProblemWriter(templates={MASKED: Template.of_json({"error": "{{ request_id }}"})})

    assert (502, b'{"error":"r1"}') == (
        writer.render(asked.refusal, asked).status,
        writer.render(asked.refusal, asked).content,
    )


async def test_headers_of_the_old_body_go_and_others_stay() -> None:
    of_body = {
        "Content_Type": "text/html",
        "Content_Encoding": "identity",
        "ETag": '"a"',
        "Last_Modified": "x",
    }
    of_body |= {
        "Cache_Control": "public",
        "Content_MD5": "x",
        "Expires": "x",
        "X_Debug_Exception": "KeyError",
    }
    answer = page(503, Retry_After="7", Set_Cookie="a=b", **of_body)

    found = fields(await masked(answer))

    assert {
        "content-type": ["application/problem+json"],
        "cache-control": ["no-store"],
        "retry-after": ["7"],
        "set-cookie": ["a=b"],
    } == found


async def test_the_log_has_it_on_one_line_without_secrets(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, LOGGER):
        await masked(page(body=TRACE + b"x" * 10_000))

    (line,) = caplog.messages
    assert "mask_errors/app" in line
    assert 'masked a 500 (Python), request "r1", decision d1: "Traceback (most recent call last):\\n' in line
    assert "password=*** " in line
    assert ("hunter2" in line, "\n" in line, "\x1b" in line) == (False, False, False)
    assert len(line) < 4096 + 400


async def test_the_log_is_not_flooded(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    pipeline = route(a_policy(clock), upstream=FakeUpstream(page()))

    with caplog.at_level(logging.WARNING, LOGGER):
        for _ in range(50):
            await pipeline.respond(exchange())
        before = len(caplog.messages)
        await clock.advance(10)
        await pipeline.respond(exchange())

    assert (20, "mask_errors/app: 30 more were not logged") == (before, caplog.messages[20])
    assert 22 == len(caplog.messages)


async def test_a_decision_says_what_was_found() -> None:
    asked = exchange()
    await route(a_policy(), upstream=FakeUpstream(page())).respond(asked)

    assert asked.refusal is not None
    assert {"upstream_status": 500, "found": "Python"} == asked.refusal.facts
    assert "mask_errors/app" == asked.refusal.policy


async def test_what_a_policy_behind_answers_is_let_through() -> None:
    behind = Hooks(on_request=lambda _: page(503)).at_each_call()

    response = await route(a_policy(when="always"), behind).respond(exchange())

    assert (503, TRACE) == (response.status, response.content)


class Full:
    async def collect(self, limit: int) -> bytes | None:
        raise Rejection(503, "buffers.full")


class Broken:
    async def collect(self, limit: int) -> bytes | None:
        raise UpstreamError(502, "upstream.reset")


@pytest.mark.parametrize(
    ("body", "seen"),
    [(Full(), (500, MASKED)), (Broken(), (502, "upstream.reset"))],
    ids=["no room", "broken off"],
)
async def test_what_cannot_be_read_is_not_shown(body: Any, seen: tuple[int, str]) -> None:
    assert seen == refusal(await masked(page(body=body)))


@pytest.mark.parametrize("when", ["always", "stack_trace"])
async def test_in_shadow_it_reports_what_it_would_have_looked_at(when: str) -> None:
    asked = exchange()
    hooks = in_shadow("mask_errors", Hooks.of(a_policy(when=when)))

    response = await route(hooks, upstream=FakeUpstream(page(body=Chunks(TRACE)))).respond(asked)

    assert (500, ["mask_errors.skipped"]) == (response.status, [each.reason for each in asked.shadowed or ()])


@pytest.mark.parametrize(
    ("policies", "wrong"),
    [
        ("mask_errors: {}", []),
        ("mask_errors: {status: [5xx, 404], when: always, keep: [503]}", []),
        ("mask_errors: {status: [302]}", ["mask_errors.status"]),
        ("mask_errors: {status: [503], keep: [5xx]}", ["mask_errors.keep"]),
        ("mask_errors: {when: sometimes}", ["mask_errors.when"]),
    ],
)
def test_what_a_policy_file_may_say(policies: str, wrong: list[str], tmp_path: Path) -> None:
    assert wrong == problems(policies, tmp_path)
