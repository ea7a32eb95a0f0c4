"""Which pages may read the answers, as a browser would judge it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from proxy.config.patterns import Method
from proxy.config.units import Duration, HeaderName
from proxy.errors import Rejection, UpstreamError
from proxy.exchange import Exchange, Response
from proxy.headers import Headers
from proxy.policies.edge.cors import Cors, CorsConfig, Origin
from proxy.policy import Hooks
from proxy.shadow import in_shadow
from proxy.testing import FakeUpstream, exchange, fake_services, route
from tests.policies.reading import fields, problems, refusal

APP = "https://app.example"
OTHER = "https://attacker.test"


def a_config(
    *origins: str,
    methods: tuple[str, ...] = (),
    headers: tuple[str, ...] = (),
    expose: tuple[str, ...] = (),
    **others: Any,
) -> CorsConfig:
    if methods:
        others["methods"] = tuple(map(Method, methods))
    return CorsConfig(
        origins=tuple(map(Origin.parse, origins or (APP,))),
        headers=tuple(map(HeaderName, headers)),
        expose=tuple(map(HeaderName, expose)),
        **others,
    )


def a_policy(*origins: str, **others: Any) -> Cors:
    return Cors(a_config(*origins, **others), fake_services())


def preflight(origin: str | None = APP, method: str | None = "GET", headers: str | None = None) -> Exchange:
    sent = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": headers,
    }
    return exchange("OPTIONS", headers={name: value for name, value in sent.items() if value is not None})


def cors_fields(response: Response) -> dict[str, list[str]]:
    return {
        name: values
        for name, values in fields(response).items()
        if name == "vary" or name.startswith("access-")
    }


async def test_a_preflight_is_answered_without_the_upstream() -> None:
    upstream = FakeUpstream(200)
    policy = a_policy(
        methods=("GET", "PUT"),
        headers=("Content-Type", "X-Token"),
        expose=("X-Request-ID",),
        credentials=True,
    )

    response = await route(policy, upstream=upstream).respond(
        preflight(method="PUT", headers="content-type,x-token")
    )

    assert (204, []) == (response.status, upstream.seen)
    assert {
        "access-control-allow-origin": [APP],
        "access-control-allow-credentials": ["true"],
        "access-control-allow-methods": ["GET, PUT"],
        "access-control-allow-headers": ["Content-Type, X-Token"],
        "access-control-max-age": ["600"],
        "vary": ["Origin"],
    } == cors_fields(response)


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        pytest.param(preflight(), (204, None), id="a listed origin and method"),
        pytest.param(preflight("http://localhost:3000"), (204, None), id="another listed origin"),
        pytest.param(preflight(OTHER), (403, "cors.origin"), id="another origin"),
        pytest.param(
            preflight("https://app.example.attacker.test"), (403, "cors.origin"), id="a listed one as prefix"
        ),
        pytest.param(
            preflight("https://evil.app.example"), (403, "cors.origin"), id="a subdomain of a listed one"
        ),
        pytest.param(preflight("http://app.example"), (403, "cors.origin"), id="another scheme"),
        pytest.param(preflight("https://app.example:8443"), (403, "cors.origin"), id="another port"),
        pytest.param(preflight("null"), (403, "cors.origin"), id="null, which is not listed"),
        pytest.param(preflight("*"), (403, "cors.origin"), id="a star, which no browser sends"),
        pytest.param(preflight(method="DELETE"), (403, "cors.method"), id="another method"),
        pytest.param(
            preflight(method="get"), (403, "cors.method"), id="a method in small letters is another one"
        ),
        pytest.param(preflight(headers="X-Token"), (204, None), id="a listed header"),
        pytest.param(preflight(headers="x-TOKEN , "), (204, None), id="a listed header, oddly written"),
        pytest.param(preflight(headers=""), (204, None), id="no header after all"),
        pytest.param(preflight(headers="x-token,x-other"), (403, "cors.headers"), id="another header"),
    ],
)
async def test_which_preflights_pass(asked: Exchange, answer: tuple[int, str | None]) -> None:
    policy = a_policy(APP, "http://localhost:3000", headers=("X-Token",))

    assert answer == refusal(await route(policy).respond(asked))


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(preflight(method=None), id="no method asked for"),
        pytest.param(preflight(origin=None), id="no origin"),
        pytest.param(
            exchange("GET", headers={"Origin": OTHER, "Access-Control-Request-Method": "PUT"}),
            id="not OPTIONS",
        ),
    ],
)
async def test_what_is_no_preflight_reaches_the_upstream(asked: Exchange) -> None:
    upstream = FakeUpstream(200)

    await route(a_policy(), upstream=upstream).respond(asked)

    assert 1 == len(upstream.seen)


async def test_a_refusal_says_what_was_not_on_the_list() -> None:
    asked = preflight(headers="x-other")

    await route(a_policy()).respond(asked)

    assert asked.refusal is not None
    assert {"header": "x-other"} == asked.refusal.facts


async def test_a_page_of_a_listed_origin_may_read_the_answer() -> None:
    policy = a_policy(expose=("X-Request-ID", "Retry-After"), credentials=True)

    response = await route(policy).respond(exchange(headers={"Origin": APP}))

    assert {
        "access-control-allow-origin": [APP],
        "access-control-allow-credentials": ["true"],
        "access-control-expose-headers": ["X-Request-ID, Retry-After"],
        "vary": ["Origin"],
    } == cors_fields(response)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Origin": OTHER}, id="a page of another origin"),
        pytest.param({}, id="a client that is no page"),
        pytest.param({"Origin": APP, "origin": OTHER}, id="two origins at once"),
    ],
)
async def test_others_are_served_but_no_page_of_theirs_may_read_it(headers: dict[str, str]) -> None:
    response = await route(a_policy()).respond(exchange(headers=headers))

    assert (200, {"vary": ["Origin"]}) == (response.status, cors_fields(response))


async def test_a_public_resource_says_so_to_everybody_and_caches_for_all() -> None:
    answers = [
        await route(a_policy("*")).respond(exchange(headers=headers)) for headers in ({}, {"Origin": OTHER})
    ]

    assert [{"access-control-allow-origin": ["*"]}] * 2 == [cors_fields(answer) for answer in answers]


async def test_the_opaque_origin_may_read_where_it_is_listed() -> None:
    response = await route(a_policy("null")).respond(exchange(headers={"Origin": "null"}))

    assert ["null"] == fields(response)["access-control-allow-origin"]


async def test_what_the_upstream_says_of_cors_does_not_count() -> None:
    theirs = {
        "Access-Control-Allow-Origin": "*",
        "access-control-allow-credentials": "true",
        "Access-Control-Allow-Private-Network": "true",
        "Access-Control-Expose-Headers": "*",
    }
    upstream = FakeUpstream(Response(200, Headers([(n.encode(), v.encode()) for n, v in theirs.items()])))

    response = await route(a_policy(), upstream=upstream).respond(exchange(headers={"Origin": APP}))

    assert {"access-control-allow-origin": [APP], "vary": ["Origin"]} == cors_fields(response)


@pytest.mark.parametrize(
    ("theirs", "vary"),
    [
        pytest.param("Accept-Encoding", ["Accept-Encoding", "Origin"], id="something else"),
        pytest.param("X-Origin", ["X-Origin", "Origin"], id="something that only looks like it"),
        pytest.param("Accept, origin", ["Accept, origin"], id="the origin already"),
        pytest.param("*", ["*"], id="everything"),
    ],
)
async def test_what_else_an_answer_varies_by_is_kept(theirs: str, vary: list[str]) -> None:
    upstream = FakeUpstream(Response(200, Headers([(b"Vary", theirs.encode())])))

    response = await route(a_policy(), upstream=upstream).respond(exchange(headers={"Origin": APP}))

    assert vary == fields(response)["vary"]


class Refusing:
    def on_request(self, _: Exchange) -> None:
        raise Rejection(429, "test.refused")


@pytest.mark.parametrize(
    ("status", "before", "upstream"),
    [
        pytest.param(429, [Refusing()], FakeUpstream(200), id="refused before CORS was asked"),
        pytest.param(502, [], FakeUpstream(UpstreamError(502, "upstream.reset")), id="a failure"),
        pytest.param(500, [], FakeUpstream(RuntimeError("bug")), id="a bug of ours"),
    ],
)
async def test_a_page_can_read_why_it_got_no_answer(
    status: int, before: list[Any], upstream: FakeUpstream
) -> None:
    response = await route(*before, a_policy(), upstream=upstream).respond(exchange(headers={"Origin": APP}))

    assert (status, [APP]) == (response.status, fields(response)["access-control-allow-origin"])


async def test_a_refused_preflight_gives_another_origin_nothing_to_read() -> None:
    response = await route(a_policy()).respond(preflight(OTHER))

    assert {"vary": ["Origin"]} == cors_fields(response)


async def test_in_shadow_a_preflight_goes_to_the_upstream_and_is_reported() -> None:
    asked = preflight(OTHER)
    upstream = FakeUpstream(200)

    response = await route(in_shadow("cors", Hooks.of(a_policy())), upstream=upstream).respond(asked)

    assert ({}, 1, ["cors.origin"]) == (
        cors_fields(response),
        len(upstream.seen),
        [rejection.reason for rejection in asked.shadowed or []],
    )


@pytest.mark.parametrize(
    ("policies", "wrong"),
    [
        pytest.param(
            'cors: {origins: ["https://app.example", "null"], credentials: true}',
            [],
            id="origins by name, with credentials",
        ),
        pytest.param('cors: {origins: ["*"]}', [], id="all origins"),
        pytest.param("cors: {origins: []}", ["cors.origins"], id="no origin"),
        pytest.param(
            "cors: {origins: [app.example]}", ["cors.origins[0]"], id="an origin without its scheme"
        ),
        pytest.param(
            'cors: {origins: ["*"], credentials: true}',
            ["cors.credentials"],
            id="all origins, with credentials",
        ),
        pytest.param(
            'cors: {origins: ["*", "https://app.example"]}', ["cors.origins"], id="all origins, and one"
        ),
        pytest.param('cors: {origins: ["*"], methods: []}', ["cors.methods"], id="no method"),
        pytest.param(
            'cors: {origins: ["*"], headers: [X-A, "*"]}',
            ["cors.headers[1]"],
            id="a star for request headers",
        ),
        pytest.param(
            'cors: {origins: ["*"], expose: ["*"]}', ["cors.expose[0]"], id="a star for response headers"
        ),
    ],
)
def test_what_a_policy_file_may_say(policies: str, wrong: list[str], tmp_path: Path) -> None:
    assert wrong == problems(policies, tmp_path)


async def test_how_long_a_preflight_is_kept_is_said_in_whole_seconds() -> None:
    response = await route(a_policy(max_age=Duration.parse("1m30s"))).respond(preflight())

    assert ["90"] == fields(response)["access-control-max-age"]


@pytest.mark.parametrize(
    ("asked", "reason", "change"),
    [
        pytest.param(preflight(OTHER), "cors.origin", f"{OTHER} in origins", id="the origin"),
        pytest.param(preflight(method="PUT"), "cors.method", "PUT in methods", id="the method"),
        pytest.param(
            preflight(headers="X-A, content-type,x-b"),
            "cors.headers",
            "('x-a', 'x-b') in headers",
            id="headers",
        ),
        pytest.param(preflight(OTHER, "PUT"), "cors.origin", "None", id="two things are no single edit"),
        pytest.param(preflight(method="PUT", headers="x-a"), "cors.method", "None", id="nor are these two"),
        pytest.param(preflight("https://A.test:443"), "cors.origin", "None", id="no browser writes it so"),
        pytest.param(preflight("*"), "cors.origin", "None", id="all origins"),
        pytest.param(preflight(method="get"), "cors.method", "None", id="no method"),
        pytest.param(preflight(headers="x-a, *"), "cors.headers", "None", id="there is no wildcard"),
        pytest.param(
            preflight(headers=",".join(f"x-{n}" for n in range(17))), "cors.headers", "None", id="too many"
        ),
    ],
)
async def test_a_refused_preflight_names_the_edit_that_allows_it_and_whose_it_is(
    asked: Exchange, reason: str, change: str
) -> None:
    await route(a_policy(headers=("Content-Type",))).respond(asked)

    refused = asked.refusal
    assert refused is not None
    assert (reason, change, "test") == (refused.reason, str(refused.change), refused.policy)


@pytest.mark.parametrize(
    ("max_age", "words"),
    [(600, "a browser asks again after 10m at the latest"), (0, "a browser asks again before each request")],
)
def test_it_says_in_words_when_a_browser_asks_again(max_age: float, words: str) -> None:
    config = CorsConfig(origins=(Origin("https://app.example"),), max_age=Duration(max_age))

    assert [words] == list(config.in_words())
