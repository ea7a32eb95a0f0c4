"""Which class a call belongs to that came to nothing."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from proxy.config.patterns import JsonPointer
from proxy.config.units import HeaderName, HeaderValue, StatusSet
from proxy.errors import Rejection, UpstreamError
from proxy.exchange import Response
from proxy.headers import Headers
from proxy.policies.resilience.retry.classes import Classes
from proxy.policies.resilience.retry.settings import (
    BodyCondition,
    ClassConfig,
    HeaderCondition,
    Pattern,
    XPath,
)
from proxy.testing import Chunks


def values(*texts: str) -> tuple[HeaderValue, ...]:
    return tuple(map(HeaderValue, texts))


def header(*texts: str) -> ClassConfig:
    return ClassConfig(header=HeaderCondition(name=HeaderName("X-State"), values=values(*texts)))


def in_json(pointer: str, *texts: str) -> ClassConfig:
    return ClassConfig(body=BodyCondition(pointer=JsonPointer(pointer), values=values(*texts)))


def in_xml(path: str, *texts: str) -> ClassConfig:
    return ClassConfig(body=BodyCondition(xpath=XPath(path), values=values(*texts)))


def in_text(regex: str) -> ClassConfig:
    return ClassConfig(body=BodyCondition(regex=Pattern(regex)))


async def found(config: ClassConfig, response: Response, limit: int = 1000) -> bool:
    return await Classes({"own": config}, 2, limit).of_answer(response) is not None


@pytest.mark.parametrize(
    ("config", "state", "belongs"),
    [
        (header(), ["busy"], True),
        (header(), [""], True),
        (header(), [], False),
        (header("busy"), ["busy"], True),
        (header("busy"), ["idle", "busy"], True),
        (header("busy"), ["Busy"], False),
    ],
)
async def test_by_a_header(config: ClassConfig, state: list[str], belongs: bool) -> None:
    answer = Response(200, Headers([(b"X-State", value.encode()) for value in state]))

    assert belongs == await found(config, answer)


@pytest.mark.parametrize(
    ("config", "body", "belongs"),
    [
        (in_json("/status", "busy"), b'{"status": "busy"}', True),
        (in_json("/status", "busy"), b'{"status": "done"}', False),
        (in_json("/status", "busy"), b'{"status": "done", "status": "busy"}', False),
        (in_json("/status", "busy"), b"status: busy", False),
        (in_json("/status", "busy"), b"\xff", False),
        (in_json("/code", "2030280"), b'{"code": 2030280}', True),
        (in_json("/retry", "true"), b'{"retry": true}', True),
        (in_json("/error"), b'{"error": null}', True),
        (in_json("/error"), b"{}", False),
        (in_json("/a/0/b", "c"), b'{"a": [{"b": "c"}]}', True),
        (in_json("/a"), b"[" * 1000, False),
        (in_xml("//Error/@Number", "2030280"), b'<a><Error Number="2030280"/></a>', True),
        (in_xml("//Error/@Number", "2030280"), b'<a><Error Number="1"/></a>', False),
        (in_xml("//Error"), b"<a><Error/></a>", True),
        (in_xml("//Error"), b"<!DOCTYPE a><a><Error/></a>", False),
        (in_text("try (again|later)"), b"please try later", True),
        (in_text("try (again|later)"), b"no", False),
        (in_text("x"), b"", False),
        (in_text("x"), b"y" * 1000 + b"x", False),
    ],
)
async def test_by_the_body(config: ClassConfig, body: bytes, belongs: bool) -> None:
    assert belongs == await found(config, Response(200, content=Chunks(body)))


async def test_a_compressed_body_is_looked_into() -> None:
    gzipped = Response(200, Headers([(b"Content-Encoding", b"gzip")]), gzip.compress(b"try again"))

    assert await found(in_text("try again"), gzipped)


async def test_all_that_is_given_must_hold() -> None:
    both = ClassConfig(status=StatusSet({503}), body=BodyCondition(regex=Pattern("busy")))

    answers = [Response(503, content=b"busy"), Response(200, content=b"busy"), Response(503, content=b"no")]

    assert [True, False, False] == [await found(both, answer) for answer in answers]


class Raising:
    def __init__(self, error: Exception) -> None:
        self._error = error

    async def collect(self, limit: int) -> bytes | None:
        raise self._error


async def test_where_too_many_bodies_are_held_it_goes_on_unseen() -> None:
    assert not await found(in_text("x"), Response(200, content=Raising(Rejection(503, "buffers.full"))))


async def test_a_body_that_breaks_off_is_a_failure() -> None:
    with pytest.raises(UpstreamError):
        await found(in_text("x"), Response(200, content=Raising(UpstreamError(502, "upstream.reset"))))


class Once:
    def __init__(self) -> None:
        self.read = 0

    async def collect(self, limit: int) -> bytes | None:
        self.read += 1
        return None


async def test_a_body_is_read_once_whatever_came_of_it() -> None:
    body: Any = Once()
    classes = Classes({"a": in_text("x"), "b": in_json("/x")}, 2, 10)

    assert (None, 1) == (await classes.of_answer(Response(200, content=body)), body.read)


def test_each_class_has_its_own_limit_or_that_of_the_policy() -> None:
    stated = {"timeout": ClassConfig(max_retries=1, multiplier=1.5), "network_error": ClassConfig()}

    assert [("timeout", 1, 1.5), ("network_error", 2, 1.0)] == [
        (each.name, each.max_retries, each.multiplier) for each in Classes(stated, 2, 10).all
    ]
