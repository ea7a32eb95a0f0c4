"""Let only those JSON bodies through that look as the application expects.

```yaml
json_schema:
  max_depth: 5
  max_keys: 100
  schema:
    type: object
    required: [app_name]
    additionalProperties: false
    properties:
      app_name: {type: string, pattern: "^[a-z0-9][a-z0-9-]{0,29}$"}
      env:
        type: object
        propertyNames: {pattern: "^[A-Z_][A-Z0-9_]*$", maxLength: 64}
        additionalProperties: {type: string, maxLength: 4096}
```

The schema stands in the policy, or with `file: schemas/ticket.json` in a JSON or YAML file beside it,
which is read when the policies are loaded. It is a JSON Schema of any draft from 4 to 2020-12,
which is what it is where it doesn't say `$schema`; `format` is checked. It needs the package
`jsonschema-rs`, which comes with `pip install '.[schema]'` where Seawall's source is, and with the image.

All of it stands in one place: a `$ref` that leads to another file or into the network is refused at
load, and nothing is ever fetched. Regular expressions take time in proportion to the text, whatever
they are; for that they can't look ahead, look behind or refer back, and such a one is refused at load.

**What is judged.** Every body, and that there is one: without a body only GET, HEAD, OPTIONS and
DELETE pass. It must say that it is JSON (`application/json`, or a type that ends with `+json`), be in
UTF-8 without a byte order mark or a compression, and be JSON that all parsers read alike: no key
twice in an object, no `NaN` or `Infinity`, no number too large for any, no lone surrogates, nothing behind
it. Without a schema only that is judged, and the bounds.

`max_keys` is about the keys of all objects and the entries of all lists together, an empty one
counting as one entry; `max_depth` is 1 for a list of numbers.

**Against injection.** Say what a value may look like rather than what it must not have in it. The
policy in `policies/deployments` has patterns for names, branches, paths, arguments and
environment variables that end up in commands: without `..`, a leading dash, or anything that a
shell understands.

**What the client sees.** `415` for another type; `422` with JSON pointers to what is wrong (up to
eight; of a body with more than 1000 keys and entries to the first) and the keyword
of the schema that it goes against, such as `/app_name (pattern)`, never a value.

**State.** None, and nothing that could fail. The body is read, up to `size_limit` or `--max-body`, and
goes on as it came, byte for byte.

**In shadow.** Only where another policy that is enforced reads the body.

**Hardened against.** Bodies that two parsers read in two ways; deep and crowded ones, which are
counted before anything is built from them, while others have their turn (with the defaults a body
of 5 MiB holds up others for less than 20 ms); patterns that take for ever; values in answers and logs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from msgspec import Meta

from proxy.algorithms.strict_json import DEEPEST, Duplicate, NotStrict, Structure, TooDeep, TooManyKeys
from proxy.config.schema import PolicyConfig
from proxy.errors import Change, Rejection
from proxy.exchange import Exchange, Request
from proxy.policies.checks.json_schema.schema import SchemaFile, compiled, faults
from proxy.policies.json_body import json_in
from proxy.policy import Services

CONTENT_TYPE = (415, "json_schema.content_type", "This service accepts JSON in UTF-8, and not compressed.")
MALFORMED = (422, "json_schema.malformed", "The body is not JSON that can be read in one way only.")
DEPTH = (422, "json_schema.depth", "The body is nested deeper than this service accepts.")
KEYS = (422, "json_schema.keys", "The body has more keys and entries than this service accepts.")
INVALID = (422, "json_schema.invalid", "The body is not what this service expects.")

REASONS = (CONTENT_TYPE, MALFORMED, DEPTH, KEYS, INVALID)

_BODILESS = ("GET", "HEAD", "OPTIONS", "DELETE")
_ACCEPTED = [("Accept", "application/json, application/*+json"), ("Accept-Encoding", "identity")]
_TOLD = 8
_FEW = 1000
"""Keys up to which more than the first fault is told: finding all of them costs 5 µs each."""
_CHARSETS = ("", "utf-8", "utf8", "us-ascii")


class JsonSchemaConfig(PolicyConfig, frozen=True, kw_only=True):
    """See the module's docstring."""

    file: Annotated[SchemaFile | None, Meta(description="A file with the schema, read while loading.")] = None
    schema: Annotated[
        dict[str, Any] | None, Meta(description="The schema itself, instead of a file; neither: any JSON.")
    ] = None
    max_depth: Annotated[
        int, Meta(ge=1, le=DEEPEST, description="How deep objects and lists may stand in each other.")
    ] = 20
    max_keys: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Keys of objects and entries of lists, all together.")
    ] = 10_000

    def check(self) -> Iterator[tuple[str, str]]:
        """One schema, and one that can be used."""
        if self.file is not None and self.schema is not None:
            yield "schema", "the schema stands in one place; expected `file` or `schema`"
        for field, schema in (("file", _content(self.file)), ("schema", self.schema)):
            if schema is not None:
                try:
                    compiled(schema)
                except ValueError as error:
                    yield field, str(error)

    def in_words(self) -> Sequence[str]:
        """How much a body may hold."""
        levels = "1 level" if self.max_depth == 1 else f"{self.max_depth} levels"
        return (f"JSON of up to {levels}, with up to {self.max_keys} keys and entries",)


class JsonSchema:
    """See the module's docstring."""

    def __init__(self, config: JsonSchemaConfig, services: Services) -> None:
        schema = _content(config.file) if config.schema is None else config.schema
        self._validator = None if schema is None else compiled(schema)
        self._max_depth = config.max_depth
        self._max_keys = config.max_keys
        self._clock = services.clock
        self._name = services.name

    async def on_request(self, exchange: Exchange) -> None:
        request = exchange.request
        if request.content_length != 0 and (unread := _not_json(request)):
            raise Rejection(*CONTENT_TYPE, headers=_ACCEPTED, cause=unread, policy=self._name)
        body = await exchange.body()
        if not body and request.method in _BODILESS:
            return
        structure = Structure(self._max_depth, self._max_keys)
        document = await self._read(body, structure)
        if self._validator is not None:
            at_most = _TOLD if structure.keys <= _FEW else 1
            self._judge([str(fault) for fault in faults(self._validator, document, at_most)])

    def _judge(self, found: Sequence[str]) -> None:
        if found:
            refusal = Rejection(*INVALID, facts={"at": ", ".join(found)}, policy=self._name)
            refusal.detail += f" See {', '.join(found)}."
            raise refusal

    async def _read(self, body: bytes, structure: Structure) -> Any:
        try:
            return await json_in(body, self._clock, structure)
        except TooDeep as error:
            change = Change("max_depth", error.found) if error.whole and error.found <= DEEPEST else None
            facts = {"depth": error.found, "max_depth": error.allowed}
            raise Rejection(*DEPTH, facts=facts, change=change, policy=self._name) from None
        except TooManyKeys as error:
            change = Change("max_keys", error.found) if error.whole else None
            facts = {"keys": error.found, "max_keys": error.allowed}
            raise Rejection(*KEYS, facts=facts, change=change, policy=self._name) from None
        except NotStrict as error:
            refusal = Rejection(*MALFORMED, cause=str(error), policy=self._name)
            if isinstance(error, Duplicate):
                refusal.detail += f" See {error.pointer or 'the root'} (a key stands twice)."
            raise refusal from None


def _not_json(request: Request) -> str:
    """Why the body cannot be read as JSON, by what the head says; empty where it can."""
    types, encodings = request.headers.get_all("Content-Type"), request.headers.get_all("Content-Encoding")
    if any(encoding.strip().lower() not in ("", "identity") for encoding in encodings):
        return "it is compressed"
    if len(types) != 1:
        return f"there are {len(types)} Content-Type fields"
    media_type, *parameters = [part.strip().lower() for part in types[0].split(";")]
    if media_type != "application/json" and not media_type.endswith("+json"):
        return "another media type"
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and value.strip().strip('"') not in _CHARSETS:
            return "another charset"
    return ""


def _content(file: SchemaFile | None) -> Mapping[str, Any] | None:
    """Of a file that was loaded."""
    return file.content if file is not None and isinstance(file.content, dict) else None
