"""A JSON Schema as it is loaded, and what of a body is not as it says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from proxy.algorithms.strict_json import pointer_of
from proxy.config.documents import Document
from proxy.config.schema import Schema

if TYPE_CHECKING:
    from jsonschema_rs import ValidationError, Validator

_MASK = "a value"
"""In messages: those of large bodies would be as large."""
_LEADS_OUT = ("Retrieval is disabled", "No base URI is available")


class SchemaFile(Document):
    """A JSON or YAML file with a JSON Schema."""

    schema: ClassVar[type[Schema] | None] = None
    public: ClassVar[bool] = True
    example: ClassVar[str] = "schemas/ticket.json"


class Fault(NamedTuple):
    """One place that is not as the schema says."""

    pointer: str
    """JSON pointer into the body."""
    keyword: str
    """Of the schema, such as `pattern`."""

    def __str__(self) -> str:
        return f"{self.pointer or 'the root'} ({self.keyword})"


def compiled(schema: Mapping[str, Any]) -> Validator:
    """`schema`, ready to judge. Raises ValueError in words for the operator.

    Nothing is ever fetched. Patterns take time in proportion to the text, whatever they are, and
    so can't look ahead, look behind or refer back.
    """
    try:
        import jsonschema_rs  # noqa: PLC0415  # an extra: only where a policy needs it
    except ModuleNotFoundError:
        raise ValueError(
            "it needs the package jsonschema-rs; expected an installation as seawall[schema]"
        ) from None
    try:
        return jsonschema_rs.validator_for(
            dict(schema),
            mask=_MASK,
            offline=True,
            validate_formats=True,
            ignore_unknown_formats=False,
            pattern_options=jsonschema_rs.RegexOptions(),
        )
    except jsonschema_rs.ValidationError as error:
        raise ValueError(f"this is no JSON Schema that can be used: {_said(error, schema)}") from None
    except ValueError as error:
        raise ValueError(f"this is no JSON Schema that can be used: {error}") from None


def faults(validator: Validator, document: Any, at_most: int) -> list[Fault]:
    """What is wrong with `document`; nothing where it is as it should be."""
    if validator.is_valid(document):
        return []
    errors = validator.iter_errors(document) if at_most > 1 else _first(validator, document)
    return list(islice(dict.fromkeys(fault for error in errors for fault in _places(error)), at_most))


def _first(validator: Validator, document: Any) -> Iterator[ValidationError]:
    from jsonschema_rs import ValidationError  # noqa: PLC0415  # an extra

    try:
        validator.validate(document)
    except ValidationError as error:
        yield error


def _places(error: ValidationError) -> Iterator[Fault]:
    """Where it is: a key that is missing, or one too many, has a place of its own."""
    kind, path = error.kind, error.instance_path
    keyword = kind.name
    if keyword == "required":
        yield Fault(pointer_of([*path, kind.value]), keyword)
    elif keyword in ("additionalProperties", "unevaluatedProperties"):
        for key in kind.value:
            yield Fault(pointer_of([*path, key]), keyword)
    else:
        yield Fault(pointer_of(path), keyword)


def _said(error: ValidationError, schema: Mapping[str, Any]) -> str:
    message = error.message.partition("\n")[0]
    if any(words in message for words in _LEADS_OUT):
        return "a $ref leads out of it; expected all of it in one schema, below $defs"
    if "meta-schema" in message:
        expected = "expected one such as https://json-schema.org/draft/2020-12/schema"
        return f"the $schema {schema.get('$schema')!r} is not known; {expected}"
    where = pointer_of(error.instance_path)
    if '"regex"' in message:
        expected = "expected one without (?=, (?!, (?<= and \\1, and with no huge repetitions"
        return f"{where} is no regular expression that is sure to be quick; {expected}"
    return f"{where}: {message}" if where else message
