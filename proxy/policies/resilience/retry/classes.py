"""Which class a call belongs to that came to nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from proxy.algorithms.content_coding import decoded
from proxy.algorithms.strict_json import NotStrict, Structure, at, decode
from proxy.algorithms.xml_path import NotXml, XmlPath
from proxy.errors import Rejection, UpstreamError
from proxy.exchange import Response
from proxy.policies.resilience.retry.settings import (
    OF_ANSWERS,
    OF_FAILURES,
    BodyCondition,
    ClassConfig,
    HeaderCondition,
)

ALL_STATUSES = frozenset(range(200, 600))

_MAX_DEPTH = 100
_MAX_KEYS = 100_000


@dataclass(frozen=True, slots=True)
class Class:
    """One class, compiled."""

    name: str
    max_retries: int
    multiplier: float
    status: frozenset[int] | None = None
    """None: any."""
    has_header: Callable[[Response], bool] | None = None
    has_body: Callable[[bytes], bool] | None = None
    nothing_done: bool = False


class Classes:
    """Those of one policy. What fits more than one belongs to the first."""

    def __init__(self, stated: Mapping[str, ClassConfig], max_retries: int, body_limit: int) -> None:
        made = {name: _class(name, config, max_retries) for name, config in stated.items()}
        own = [each for name, each in made.items() if name not in OF_FAILURES and name not in OF_ANSWERS]
        self._of_answers = own + [made[name] for name in OF_ANSWERS if name in made]
        self._of_failures = {
            reason: made[name]
            for name in reversed(tuple(OF_FAILURES))
            if name in made
            for reason in OF_FAILURES[name]
        }
        self._body_limit = body_limit
        self.statuses: frozenset[int] = frozenset().union(
            *(ALL_STATUSES if each.status is None else each.status for each in self._of_answers)
        )
        """Answers with others belong to none."""
        self.all = tuple(made.values())
        self.look_into_bodies = any(each.has_body is not None for each in self.all)

    def of_failure(self, error: UpstreamError) -> Class | None:
        """Of a call without an answer; None where repeating it is no cure."""
        return self._of_failures.get(error.reason)

    async def of_answer(self, response: Response) -> Class | None:
        """Of an answer; None for a good one.

        Raises UpstreamError where its body breaks off while it is read.
        """
        body: bytes | None = None
        read = False
        for each in self._of_answers:
            if each.status is not None and response.status not in each.status:
                continue
            if each.has_header is not None and not each.has_header(response):
                continue
            if each.has_body is None:
                return each
            if not read:
                body, read = await self._body(response), True
            if body is not None and each.has_body(body):
                return each
        return None

    async def _body(self, response: Response) -> bytes | None:
        try:
            body = await response.body(self._body_limit)
        except UpstreamError:
            raise
        except Rejection:
            return None  # too many bodies are held right now: it goes on as it comes
        if body is None:
            return None
        return decoded(body, response.headers.get("Content-Encoding") or "", self._body_limit)


def _class(name: str, config: ClassConfig, max_retries: int) -> Class:
    status: frozenset[int] | None = config.status
    if status is None and config.header is None and config.body is None:
        status = OF_ANSWERS.get(name)
    return Class(
        name,
        max_retries if config.max_retries is None else config.max_retries,
        config.multiplier,
        status,
        None if config.header is None else _in_header(config.header),
        None if config.body is None else _in_body(config.body),
        config.nothing_done,
    )


def _in_header(condition: HeaderCondition) -> Callable[[Response], bool]:
    name, wanted = str(condition.name), frozenset(condition.values)

    def holds(response: Response) -> bool:
        values = response.headers.get_all(name)
        return bool(values) if not wanted else not wanted.isdisjoint(values)

    return holds


def _in_body(condition: BodyCondition) -> Callable[[bytes], bool]:
    if condition.regex is not None:
        search = re.compile(condition.regex.encode()).search
        return lambda body: search(body) is not None
    wanted = frozenset(condition.values)
    find = _in_json(condition.pointer) if condition.pointer is not None else _in_xml(condition.xpath or "")

    def holds(body: bytes) -> bool:
        try:
            values = list(find(body))
        except (NotStrict, NotXml):
            return False
        return bool(values) if not wanted else not wanted.isdisjoint(values)

    return holds


def _in_xml(path: str) -> Callable[[bytes], Iterator[str]]:
    compiled = XmlPath(path)
    return lambda body: iter(compiled.values(body))


def _in_json(pointer: str) -> Callable[[bytes], Iterator[str]]:
    def find(body: bytes) -> Iterator[str]:
        structure = Structure(_MAX_DEPTH, _MAX_KEYS)
        for _ in structure.count(body):
            pass
        try:
            yield _spelled(at(decode(body, structure), pointer))
        except KeyError:
            return

    return find


def _spelled(value: Any) -> str:
    """Text as it is; a number, a boolean or null as JSON has it."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
