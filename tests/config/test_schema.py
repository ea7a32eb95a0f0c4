"""A mapping with exactly one of its keys."""

from __future__ import annotations

from typing import Annotated

import pytest
from msgspec import Meta

from proxy.config.context import Context
from proxy.config.effective import values
from proxy.config.jsonschema import _schema
from proxy.config.nodes import Node, Source
from proxy.config.report import Report
from proxy.config.schema import Choice, PolicyConfig, Schema
from proxy.config.shapes import struct_shape
from proxy.config.typed import to_struct
from proxy.config.yaml12 import parse


class Lamp(PolicyConfig, frozen=True, kw_only=True):
    watt: Annotated[int, Meta(description="How bright.")] = 40


class Light(Choice, frozen=True, kw_only=True):
    lamp: Annotated[Lamp | None, Meta(description="On the ceiling.")] = None
    candle: Annotated[Lamp | None, Meta(description="On the table.")] = None


class Room(Schema, frozen=True, kw_only=True):
    light: Annotated[Light, Meta(description="Of which kind.")]


def read(text: str) -> tuple[Room | None, Node, list[str]]:
    report = Report()
    node = parse(text.encode(), Source("room.yaml", text), report)
    assert node is not None
    room = to_struct(Room, node, Context(report))
    return room, node, [str(problem).splitlines()[0] for problem in report.problems()]


def test_the_one_that_stands_there_is_the_choice() -> None:
    room, _, said = read("light: {candle: {watt: 1}}")

    assert room is not None
    assert (("candle", Lamp(watt=1)), []) == (room.light.chosen, said)


@pytest.mark.parametrize(
    ("light", "said"),
    [
        ("{}", "room.yaml:1:8: light: got none of them; expected one of lamp, candle"),
        ("{lamp: {}, candle: {}}", "room.yaml:1:8: light: got 2 of them; expected one of lamp, candle"),
        ("{lamb: {}}", 'room.yaml:1:9: light.lamb: unknown key "lamb"; did you mean `lamp`?'),
        ("{lamp: {mode: shadow}}", 'room.yaml:1:16: light.lamp.mode: unknown key "mode"; expected watt'),
    ],
    ids=["none", "both", "neither", "a mode of its own"],
)
def test_anything_else_is_told_of(light: str, said: str) -> None:
    room, _, problems = read(f"light: {light}")

    assert (None, [said[:60]]) == (room, [problem[:60] for problem in problems])


def test_only_what_was_chosen_is_in_force() -> None:
    _, node, _ = read("light: {candle: {}}")

    assert [("light.candle.watt", 40)] == [(value.path, value.value) for value in values(Room, node)]


def test_editors_know_that_it_is_one() -> None:
    schema = _schema(struct_shape(Light))

    assert (1, 1, ["lamp", "candle"]) == (
        schema["minProperties"],
        schema["maxProperties"],
        list(schema["properties"]),
    )
