"""Types of fields, taken apart."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta, field

from proxy.config.model import PolicyDefinitions, PolicyUses, RouteEntry, UpstreamConfig
from proxy.config.patterns import Name
from proxy.config.schema import Schema
from proxy.config.secrets import Secret
from proxy.config.shapes import (
    ListShape,
    LiteralShape,
    MapShape,
    PoliciesShape,
    ScalarShape,
    StructShape,
    UnionShape,
    UnitShape,
    either,
    hides,
    is_url,
    secret_names,
    shape_of,
    spelled_bound,
    struct_shape,
)
from proxy.config.units import Duration, FilePath, HeaderValue, Share, Size
from proxy.config.upstream_url import UpstreamUrl


class Inner(Schema, frozen=True, kw_only=True):
    token: Secret
    burst: int = 1


class Outer(Schema, frozen=True, kw_only=True):
    inner: Annotated[Inner | None, Meta(description="What is inside.")] = None
    several: dict[str, list[Inner]] = field(default_factory=dict)
    from_: Annotated[str, Meta(description="Renamed."), Meta(min_length=1)] = field(name="from")


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (bool, "true or false"),
        (int, "a whole number"),
        (Annotated[int, Meta(ge=1)], "a whole number of at least 1"),
        (Annotated[int, Meta(ge=1, le=5)], "a whole number from 1 to 5"),
        (Annotated[float, Meta(gt=0, lt=1)], "a number above 0 and below 1"),
        (Annotated[float, Meta(le=1)], "a number of at most 1"),
        (str, "text"),
        (Annotated[str, Meta(min_length=1)], "text"),
        (Any, "anything"),
        (Literal["a", "b", "c"], "a, b or c"),
        (Literal[True], "true"),
        (Duration, "a value such as 30s"),
        (FilePath, "a file such as /run/tls/ca.crt"),
        (Secret, "{env: NAME}, {file: path} or {sealed: TEXT}"),
        (list[int], "a list"),
        (tuple[int, ...], "a list"),
        (frozenset[int], "a list"),
        (dict[str, int], "a mapping"),
        (Inner, "a mapping"),
        (PolicyUses, "a mapping"),
        (PolicyDefinitions, "a mapping"),
        (int | None, "a whole number"),
        (int | Share | list[int], "a whole number, a value such as 20% or a list"),
    ],
    ids=str,
)
def test_a_type_has_words_for_the_operator(annotation: Any, words: str) -> None:
    assert words == shape_of(annotation).words


@pytest.mark.parametrize("annotation", [bytes, object, set[int], "text"], ids=str)
def test_a_type_that_no_file_can_hold_is_a_mistake_of_ours(annotation: Any) -> None:
    with pytest.raises(TypeError):
        shape_of(annotation)


def test_the_bounds_around_a_union_hold_for_its_parts() -> None:
    shape = shape_of(Annotated[str | None, Meta(description="No bound."), Meta(max_length=3)])

    assert isinstance(shape, UnionShape)
    (option,) = shape.options
    assert isinstance(option, ScalarShape)
    assert (True, 3) == (shape.nullable, option.bounds and option.bounds.max_length)


def test_a_list_is_built_as_the_type_that_was_asked_for() -> None:
    shapes = [shape_of(annotation) for annotation in (list[int], tuple[int, ...], frozenset[int])]

    assert [[1], (1,), frozenset({1})] == [
        shape.make([1]) for shape in shapes if isinstance(shape, ListShape)
    ]


def test_a_schema_has_the_keys_of_files_with_descriptions_and_defaults() -> None:
    fields = struct_shape(Outer).fields

    assert ["inner", "several", "from"] == list(fields)
    assert ("from_", True, "Renamed.", msgspec.NODEFAULT) == (
        fields["from"].name,
        fields["from"].required,
        fields["from"].description,
        fields["from"].default,
    )
    assert ({}, None) == (fields["several"].default, fields["inner"].default)


def test_a_schema_is_taken_apart_once() -> None:
    assert struct_shape(Outer) is struct_shape(Outer)


def test_where_secrets_stand_is_known_at_every_depth() -> None:
    outer = struct_shape(Outer)

    assert (True, True, False) == (outer.secret, outer.fields["several"].shape.secret, shape_of(int).secret)
    assert {"token"} == secret_names(outer) == secret_names(shape_of(dict[str, Outer]))
    assert frozenset() == secret_names(struct_shape(UpstreamConfig))


@pytest.mark.parametrize(
    ("annotation", "always", "from_the_environment"),
    [
        (Secret, True, True),
        (HeaderValue, False, True),
        (HeaderValue | None, False, True),
        (str, False, False),
        (Duration, False, False),
    ],
    ids=str,
)
def test_secrets_and_header_values_from_the_environment_are_hidden(
    annotation: Any, always: bool, from_the_environment: bool
) -> None:
    shape = shape_of(annotation)

    assert (always, from_the_environment) == (
        hides(shape, interpolated=False),
        hides(shape, interpolated=True),
    )


def test_urls_are_known() -> None:
    assert [True, True, False] == [is_url(shape_of(t)) for t in (UpstreamUrl, UpstreamUrl | None, str)]


def test_free_keys_are_known_from_keys_that_are_data() -> None:
    shapes = [shape_of(dict[Name, int]), shape_of(dict[str, int])]

    assert [True, False] == [shape.named for shape in shapes if isinstance(shape, MapShape)]


def test_policies_are_left_to_the_loader() -> None:
    shape = struct_shape(RouteEntry).fields["policies"].shape

    assert isinstance(shape, UnionShape)
    assert [True] == [isinstance(option, PoliciesShape) for option in shape.options]


@pytest.mark.parametrize(
    ("annotation", "bound", "text"),
    [(Duration, 60, "60s"), (Size, 1024, "1024B"), (Share, 0.5, "50%"), (int, 5, "5"), (float, 0.5, "0.5")],
)
def test_a_bound_is_spelled_with_its_unit(annotation: Any, bound: float, text: str) -> None:
    shape = shape_of(annotation)

    assert isinstance(shape, UnitShape | ScalarShape)
    assert text == spelled_bound(shape, bound)


def test_words_are_joined_as_in_speech() -> None:
    assert ["a", "a or b", "a, b or c"] == [either(["a"]), either(["a", "b"]), either(["a", "b", "c"])]


def test_the_values_of_a_choice_keep_their_types() -> None:
    shape = shape_of(Literal[1, "a"])

    assert isinstance(shape, LiteralShape)
    assert (1, "a") == shape.values


def test_a_schema_within_a_schema_is_a_shape_of_its_own() -> None:
    assert isinstance(shape_of(Inner), StructShape)
