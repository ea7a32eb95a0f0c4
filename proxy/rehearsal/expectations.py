"""What came of a request, held against what a test expects."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from proxy.config.expectations import ElapsedBounds, Expectation, UpstreamRequest
from proxy.config.spelling import listed, spelled
from proxy.config.units import Duration
from proxy.rehearsal.client import Received
from proxy.rehearsal.rehearsal import Rehearsed
from proxy.rehearsal.upstream import Call

TICK = 0.01
"""Seconds by which a time may be later than expected: the proxy's timers are so fine."""
_LONGEST = 200
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One thing that is not as expected. Both sides are in words."""

    what: str
    """The key of `expect`, such as `status` or `headers.Retry-After`."""
    expected: str
    got: str


def mismatches(expect: Expectation, got: Rehearsed) -> list[Mismatch]:
    """What is not as expected of this one request; nothing about what is the whole step's."""
    return [
        *_head(expect, got),
        *_decision(expect, got),
        *_body(expect, got.body),
        *_elapsed(expect, got),
        *_received(expect.upstream_request, [call for call in got.calls if call.method]),
    ]


def _head(expect: Expectation, got: Rehearsed) -> Iterator[Mismatch]:
    if expect.status is not None and got.status not in expect.status:
        yield Mismatch("status", statuses(expect.status), str(got.status or "no answer"))
    yield from _headers(expect, got.header)
    if expect.complete is not None and got.complete is not expect.complete:
        words = {True: "a whole answer", False: "an answer that breaks off"}
        yield Mismatch("complete", words[expect.complete], words[got.complete])


def _headers(
    expect: Expectation | UpstreamRequest, header: Callable[[str], str | None]
) -> Iterator[Mismatch]:
    for name, value in expect.headers.items():
        found = header(name)
        if found != value:
            yield Mismatch(f"headers.{name}", *(("absent" if v is None else _cut(v)) for v in (value, found)))


def _received(
    expect: UpstreamRequest | Sequence[UpstreamRequest] | None, calls: Sequence[Call]
) -> Iterator[Mismatch]:
    """What upstreams have received, as far as something is said of it."""
    what, told = "upstream_request", listed([f"{call.method} {call.target}" for call in calls])
    if isinstance(expect, UpstreamRequest):
        if calls:
            yield from _call(expect, calls[-1], what)
        else:
            yield Mismatch(what, "a request", "none arrived")
    elif expect is not None:
        for index, (one, call) in enumerate(zip(expect, calls, strict=False)):
            yield from _call(one, call, f"{what}[{index}]")
        if len(expect) != len(calls):
            requests = f"{len(expect)} request{'s' * (len(expect) > 1)}"
            yield Mismatch(what, requests, f"{len(calls)}: {told}" if calls else "none arrived")


def _call(expect: UpstreamRequest, call: Call, what: str) -> Iterator[Mismatch]:
    for key, wanted, found in (
        ("upstream", expect.upstream, call.upstream),
        ("method", expect.method, call.method),
        ("path", expect.path, call.target),
    ):
        if wanted is not None and wanted != found:
            yield Mismatch(f"{what}.{key}", _cut(wanted), _cut(found))
    header = Received(headers=call.headers).header
    for mismatch in (*_headers(expect, header), *_body(expect, call.body)):
        yield replace(mismatch, what=f"{what}.{mismatch.what}")


def _decision(expect: Expectation, got: Rehearsed) -> Iterator[Mismatch]:
    if expect.reason is not None and got.reason != expect.reason:
        yield Mismatch("reason", expect.reason, got.reason or "it was not refused")
    if expect.shadow is not None and expect.shadow not in got.shadowed:
        said = ", ".join(got.shadowed) or "nothing would have been refused"
        yield Mismatch("shadow", expect.shadow, said)


def _body(expect: Expectation | UpstreamRequest, body: bytes) -> Iterator[Mismatch]:
    text = body.decode("utf-8", "backslashreplace")
    if expect.body is not None and text != expect.body:
        yield Mismatch("body", _quoted(expect.body), _quoted(text))
    if not expect.json:
        return
    try:
        document = msgspec.json.decode(body)
    except msgspec.DecodeError:
        yield Mismatch("json", "a body in JSON", _quoted(text))
        return
    for pointer, value in expect.json.items():
        found = _at(document, pointer)
        if found is _ABSENT or not _same(found, value):
            what = "absent" if found is _ABSENT else _as_json(found)
            yield Mismatch(f"json.{pointer}", _as_json(value), what)


def _elapsed(expect: Expectation, got: Rehearsed) -> Iterator[Mismatch]:
    wanted = expect.elapsed
    if wanted is None:
        return
    bounds = wanted if isinstance(wanted, ElapsedBounds) else ElapsedBounds(min=wanted, max=wanted)
    latest = float("inf") if bounds.max is None else bounds.max + TICK
    if not bounds.min - TICK / 2 <= got.elapsed <= latest + TICK / 2:
        yield Mismatch("elapsed", _bounds(bounds), seconds(got.elapsed))


def _bounds(bounds: ElapsedBounds) -> str:
    if bounds.min == bounds.max:
        return seconds(bounds.min)
    said = [f"at least {seconds(bounds.min)}"] if bounds.min else []
    said += [f"at most {seconds(bounds.max)}"] if bounds.max is not None else []
    return " and ".join(said)


def seconds(value: float) -> str:
    """As in a policy file: `600ms`, `4.6s`, `1m`."""
    return str(spelled(Duration(value))) if value < 1 or value == int(value) else f"{round(value, 3):g}s"


def statuses(expected: Sequence[int] | frozenset[int]) -> str:
    """`200`, `429 or 500-599`."""
    codes, spans = sorted(expected), list[list[int]]()
    for code in codes:
        if spans and spans[-1][1] == code - 1:
            spans[-1][1] = code
        else:
            spans.append([code, code])
    return " or ".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)


def _at(document: Any, pointer: str) -> Any:
    """What stands at a JSON pointer (RFC 6901, section 4)."""
    for step in pointer.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict):
            document = document.get(key, _ABSENT)
        elif isinstance(document, list) and key.isascii() and key.isdecimal() and int(key) < len(document):
            document = document[int(key)]
        else:
            return _ABSENT
    return document


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON is: true is no 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return isinstance(one, bool) is isinstance(other, bool) and bool(one == other)


def _as_json(value: Any) -> str:
    return _cut(json.dumps(value, ensure_ascii=False))


def _quoted(text: str) -> str:
    return _cut(json.dumps(text, ensure_ascii=False))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
