"""The shapes that are not policies."""

from __future__ import annotations

import pytest

from proxy.config.model import MetricsConfig, PolicyFile, UpstreamConfig
from proxy.config.schema import Schema
from proxy.config.shapes import ListShape, MapShape, Shape, StructShape, UnionShape, struct_shape
from proxy.config.typed import to_struct
from tests.config.kinds import in_context, messages


def fields_of(shape: Shape, path: str = ""):
    """Every field at any depth, with its path."""
    if isinstance(shape, StructShape):
        for key, field in shape.fields.items():
            yield f"{path}.{key}", field
            yield from fields_of(field.shape, f"{path}.{key}")
    for inner in (
        *(shape.options if isinstance(shape, UnionShape) else ()),
        *((shape.item,) if isinstance(shape, ListShape) else ()),
        *((shape.value,) if isinstance(shape, MapShape) else ()),
    ):
        yield from fields_of(inner, path)


def test_every_field_is_described_in_a_sentence() -> None:
    fields = dict(fields_of(struct_shape(PolicyFile)))

    assert len(fields) > 40
    assert [] == [path for path, field in fields.items() if not field.description.endswith((".", "`"))]


@pytest.mark.parametrize(
    ("schema", "text", "problems"),
    [
        (UpstreamConfig, "{url: 'https://a', tls: {verify: false}}", []),
        (
            UpstreamConfig,
            "{url: 'http://a', tls: {}}",
            ["1:24: tls: `tls` says nothing about http://a; expected an https url beside it"],
        ),
        (MetricsConfig, "{buckets: [1s, 2s]}", []),
        (
            MetricsConfig,
            "{buckets: [1s, 1s]}",
            ["1:11: buckets: the bounds do not ascend; expected each to be longer than the one before it"],
        ),
        (MetricsConfig, "{buckets: []}", ["1:11: buckets: got a list; expected at least 1 entry"]),
    ],
)
def test_rules_across_fields(schema: type[Schema], text: str, problems: list[str]) -> None:
    node, context = in_context(text)
    built = to_struct(schema, node, context)

    assert (problems, bool(problems)) == (messages(context.report), built is None)
