"""What is too large, and what is of the wrong kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from proxy.config.units import Size
from proxy.exchange import Exchange, Outcome
from proxy.policies.admission.size_limit import MediaType, SizeLimit, SizeLimitConfig
from proxy.policy import Hooks
from proxy.shadow import in_shadow
from proxy.testing import Chunks, FakeUpstream, exchange, fake_services, route
from tests.policies.reading import fields, problems, refusal

PASSED = (200, None)


def a_policy(*content_types: str, **limits: Any) -> SizeLimit:
    limits = {name: limit if name == "header_count" else Size(limit) for name, limit in limits.items()}
    config = SizeLimitConfig(content_types=tuple(map(MediaType.parse, content_types)), **limits)
    return SizeLimit(config, fake_services())


async def answer(policy: SizeLimit, asked: Exchange) -> tuple[int, str | None]:
    return refusal(await route(policy).respond(asked))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b"", PASSED, id="none"),
        pytest.param(b"12345", PASSED, id="as large as may be"),
        pytest.param(b"123456", (413, "size_limit.body"), id="a byte too large"),
    ],
)
async def test_a_declared_body_is_judged_before_it_is_read(
    body: bytes, expected: tuple[int, str | None]
) -> None:
    assert expected == await answer(a_policy(body=5), exchange("POST", body=body))


async def test_a_refused_length_is_in_the_decision_beside_the_limit() -> None:
    asked = exchange("POST", body=b"123456")

    await route(a_policy(body=5)).respond(asked)

    assert asked.refusal is not None
    assert {"declared": 6, "limit": 5} == asked.refusal.facts


async def test_a_declared_body_may_be_larger_than_what_is_read_without_this_policy() -> None:
    asked = exchange("POST", body=b"12345", max_body=1)

    await route(a_policy(body=5)).respond(asked)

    assert 5 == asked.body_limit


async def test_a_chunked_body_ends_the_exchange_where_it_goes_over() -> None:
    asked = exchange("POST", body=Chunks(b"123", b"456"))

    await route(a_policy(body=5)).respond(asked)

    assert asked.body_refusal is not None
    assert (5, 413, "size_limit.body", {"limit": 5}) == (
        asked.body_limit,
        asked.body_refusal.status,
        asked.body_refusal.reason,
        asked.body_refusal.facts,
    )


class Reading:
    """Needs the body, as a signature check does."""

    async def on_request(self, exchange: Exchange) -> None:
        await exchange.body()


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        pytest.param((b"123", b"45"), PASSED, id="as large as may be"),
        pytest.param((b"123", b"456"), (413, "size_limit.body"), id="a byte too large"),
    ],
)
async def test_a_chunked_body_is_bounded_for_policies_that_read_it(
    chunks: tuple[bytes, ...], expected: tuple[int, str | None]
) -> None:
    pipeline = route(a_policy(body=5), Reading())

    assert expected == refusal(await pipeline.respond(exchange("POST", body=Chunks(*chunks))))


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        pytest.param({"path": "/1234567"}, PASSED, id="as long as may be"),
        pytest.param({"path": "/12345678"}, (414, "size_limit.url"), id="a byte too long"),
        pytest.param({"path": "/1", "query": "a=34"}, PASSED, id="with a query, as long as may be"),
        pytest.param(
            {"path": "/1", "query": "a=3456"}, (414, "size_limit.url"), id="the query makes it too long"
        ),
        pytest.param({"path": "/öööö"}, (414, "size_limit.url"), id="few characters of two bytes each"),
        pytest.param({"path": "/\udcff\udcff"}, PASSED, id="bytes that are no text"),
    ],
)
async def test_a_url_is_measured_in_bytes_as_it_was_sent(
    target: dict[str, Any], expected: tuple[int, str | None]
) -> None:
    assert expected == await answer(a_policy(url=8), exchange(**target))


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({}, PASSED, id="none"),
        pytest.param({"A": "1234", "B": "1234"}, PASSED, id="as large as may be"),
        pytest.param({"A": "1234", "B": "12345"}, (431, "size_limit.headers"), id="a value too large"),
        pytest.param({"AB": "1234", "B": "1234"}, (431, "size_limit.headers"), id="a name too large"),
        pytest.param({"A": "ööööö"}, (431, "size_limit.headers"), id="few characters of two bytes each"),
    ],
)
async def test_headers_are_measured_by_names_and_values(
    headers: dict[str, str], expected: tuple[int, str | None]
) -> None:
    assert expected == await answer(a_policy(headers=10), exchange(headers=headers))


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({"A": "1", "a": "2"}, PASSED, id="as many as may be, by lines"),
        pytest.param({"A": "1", "a": "2", "B": "3"}, (431, "size_limit.header_count"), id="one too many"),
    ],
)
async def test_headers_are_counted_by_lines(
    headers: dict[str, str], expected: tuple[int, str | None]
) -> None:
    assert expected == await answer(a_policy(header_count=2), exchange(headers=headers))


class Adding:
    """Adds to the headers on their way, as `forwarded` does."""

    def on_request(self, exchange: Exchange) -> None:
        exchange.request.headers.remove("A")
        for name in ("B", "C", "D"):
            exchange.request.headers.add(name, "0123456789")


async def test_a_client_is_judged_by_what_it_sent_and_not_by_what_was_added_here() -> None:
    asked = exchange(headers={"A": "1234"})

    response = await route(Adding(), a_policy(headers=5, header_count=1)).respond(asked)

    assert 200 == response.status


ACCEPTED = ("application/json", "image/*")
UNSUPPORTED = (415, "size_limit.content_type")


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        pytest.param("application/json", PASSED, id="listed"),
        pytest.param("Application/JSON", PASSED, id="in other letters"),
        pytest.param("application/json; charset=utf-8", PASSED, id="with parameters"),
        pytest.param(" application/json ;charset=utf-8", PASSED, id="with spaces"),
        pytest.param("image/png", PASSED, id="any subtype of a listed type"),
        pytest.param("text/xml", UNSUPPORTED, id="another type"),
        pytest.param("application/json5", UNSUPPORTED, id="one that begins like a listed one"),
        pytest.param("application/*", UNSUPPORTED, id="a star from the client, where none is listed"),
        pytest.param("image", UNSUPPORTED, id="half a type"),
        pytest.param("image/", UNSUPPORTED, id="no subtype"),
        pytest.param("image/png, text/html", UNSUPPORTED, id="two types in one line"),
        pytest.param("", UNSUPPORTED, id="empty"),
        pytest.param(None, UNSUPPORTED, id="none"),
    ],
)
@pytest.mark.parametrize(
    "body", [pytest.param(b"{}", id="declared"), pytest.param(Chunks(b"{}"), id="chunked")]
)
async def test_which_bodies_are_accepted(
    body: bytes | Chunks, content_type: str | None, expected: tuple[int, str | None]
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}

    assert expected == await answer(a_policy(*ACCEPTED), exchange("POST", headers=headers, body=body))


async def test_a_second_content_type_is_one_too_many() -> None:
    headers = {"Content-Type": "application/json; a=b", "content-type": "application/json"}

    assert UNSUPPORTED == await answer(a_policy(*ACCEPTED), exchange("POST", headers=headers, body=b"{}"))


async def test_a_request_without_a_body_needs_no_type() -> None:
    assert PASSED == await answer(a_policy(*ACCEPTED), exchange("GET", headers={"Content-Type": "text/xml"}))


async def test_who_sent_the_wrong_type_is_told_the_right_ones() -> None:
    asked = exchange("POST", headers={"Content-Type": "text/xml"}, body=b"<a/>")

    response = await route(a_policy(*ACCEPTED)).respond(asked)

    assert ["application/json, image/*"] == fields(response)["accept"]


async def test_what_is_not_given_is_not_limited() -> None:
    asked = exchange("POST", "/" + "a" * 10_000, headers={"A": "1" * 10_000, "B": "1"}, body=b"1" * 10_000)

    assert PASSED == await answer(a_policy(url=20_000), asked)


@pytest.mark.parametrize(
    ("asked", "received", "reported"),
    [
        pytest.param(exchange("POST", body=b"123456"), 6, ["size_limit.body"], id="a declared length"),
        pytest.param(exchange("POST", body=Chunks(b"123456")), 6, ["size_limit.body"], id="a chunked body"),
        pytest.param(exchange("POST", body=Chunks(b"12345")), 5, [], id="a body that is not too large"),
    ],
)
async def test_in_shadow_large_bodies_pass_and_are_reported(
    asked: Exchange, received: int, reported: list[str]
) -> None:
    upstream = FakeUpstream(200)
    pipeline = route(in_shadow("size_limit", Hooks.of(a_policy(body=5))), upstream=upstream)

    await pipeline.respond(asked)
    pipeline.finish(asked, Outcome(200, ended=1.0, bytes_received=received))

    assert (1, None, reported) == (
        len(upstream.seen),
        asked.body_limit,
        [rejection.reason for rejection in asked.shadowed or []],
    )


@pytest.mark.parametrize(
    ("written", "media_type"),
    [
        pytest.param("Application/JSON", "application/json", id="in other letters"),
        pytest.param("image/*", "image/*", id="all subtypes"),
        pytest.param("application/vnd.api+json", "application/vnd.api+json", id="a vendor's"),
    ],
)
def test_how_a_media_type_is_read(written: str, media_type: str) -> None:
    assert media_type == MediaType.parse(written)


@pytest.mark.parametrize(
    "written",
    [
        pytest.param("json", id="half a type"),
        pytest.param("*/*", id="everything, which is said by leaving it out"),
        pytest.param("application/json; charset=utf-8", id="parameters"),
        pytest.param("application/json\n", id="a line break"),
        pytest.param(3, id="a number"),
    ],
)
def test_what_is_no_media_type(written: object) -> None:
    with pytest.raises(ValueError, match="no media type; expected one such as application/json"):
        MediaType.parse(written)


@pytest.mark.parametrize(
    ("policies", "wrong"),
    [
        pytest.param("size_limit: 5MiB", [], id="the body alone"),
        pytest.param("size_limit: {body: 0B}", [], id="no body at all"),
        pytest.param("size_limit: {content_types: [image/*]}", [], id="types alone"),
        pytest.param("size_limit: {}", ["size_limit"], id="no limit at all"),
        pytest.param("size_limit: {header_count: 0}", ["size_limit.header_count"], id="no header at all"),
        pytest.param("size_limit: {content_types: []}", ["size_limit.content_types"], id="no type"),
        pytest.param(
            "size_limit: {content_types: [json]}", ["size_limit.content_types[0]"], id="half a type"
        ),
    ],
)
def test_what_a_policy_file_may_say(policies: str, wrong: list[str], tmp_path: Path) -> None:
    assert wrong == problems(policies, tmp_path)


LONG = {"X-Long": "a" * 2000}
TEXT = "text/plain"


@pytest.mark.parametrize(
    ("policy", "asked", "change"),
    [
        pytest.param(a_policy(body=5), exchange("POST", body=b"123456"), "body ≥ 6B", id="in bytes"),
        pytest.param(
            a_policy(body=5), exchange("POST", body=b"x" * 2048), "body ≥ 2KiB", id="in the largest unit"
        ),
        pytest.param(
            a_policy(body=5), exchange("POST", body=b"x" * 2049), "body ≥ 2.001KiB", id="rounded up"
        ),
        pytest.param(
            a_policy(body=5),
            exchange("POST", body=Chunks(b"123456")),
            "None",
            id="a length that nobody knows",
        ),
        pytest.param(a_policy(url=5), exchange(path="/" + "a" * 9), "url ≥ 10B", id="the URL"),
        pytest.param(a_policy(headers=5), exchange(headers=LONG), "headers ≥ 1.959KiB", id="headers"),
        pytest.param(
            a_policy(header_count=1), exchange(headers={"A": "1", "B": "2"}), "header_count ≥ 2", id="many"
        ),
        pytest.param(
            a_policy("image/*"),
            exchange("POST", body=b"a", headers={"Content-Type": "Text/Plain; charset=utf-8"}),
            "text/plain in content_types",
            id="a type, without its parameters",
        ),
        pytest.param(
            a_policy(TEXT),
            exchange("POST", body=b"a", headers={"Content-Type": "*/*"}),
            "None",
            id="a type that is none",
        ),
        pytest.param(a_policy(TEXT), exchange("POST", body=b"a"), "None", id="no type"),
    ],
)
async def test_a_refusal_names_the_smallest_limit_that_admits_and_whose_it_is(
    policy: SizeLimit, asked: Exchange, change: str
) -> None:
    await route(policy).respond(asked)

    refusal = asked.refusal or asked.body_refusal
    assert refusal is not None
    assert (change, "test") == (str(refusal.change), refusal.policy)


def test_it_says_in_words_what_is_admitted() -> None:
    config = SizeLimitConfig(body=Size(2**20), headers=Size(2**15), header_count=100, url=Size(2**13))

    assert [
        "bodies up to 1MiB",
        "headers up to 32KiB",
        "header lines up to 100",
        "urls up to 8KiB",
    ] == list(config.in_words())
    assert [] == list(SizeLimitConfig(content_types=(MediaType("image/*"),)).in_words())
