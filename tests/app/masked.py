"""Policy files full of secrets: an example for every policy that takes one, from its page."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from hashlib import sha256

from proxy.algorithms.sealed import RANDOM_BYTES, SealKey, seal
from proxy.cli.docs import pages
from proxy.config.shapes import ListShape, MapShape, SecretShape, Shape, StructShape, UnionShape, struct_shape
from proxy.policies import PIPELINE_ORDER

CANARY = "hunter2"
"""In every secret, and nowhere else."""
SEAL_KEY = "5ea1" * 16
API_KEY = "ca4a" * 16
"""What every caller shows whose hash alone is known."""
CONFIGS = {kind.name: kind.config for kind in PIPELINE_ORDER}
HEAD = """\
version: 1
upstreams:
  app: {{url: "http://127.0.0.1:{port}"}}
defaults:
  security_headers: {{preset: none, set: {{X-Internal: "${{HEADER_{canary}}}"}}}}
errors: {{expose_detail: false}}
routes:
"""


def secret_fields(shape: Shape, path: str = "") -> Iterator[str]:
    """The path of every field in `shape` that holds a secret: `secrets`, `keys.secret`."""
    if isinstance(shape, SecretShape) or (shape.secret and not _inner(shape)):
        yield path.removeprefix(".")
    for step, inner in _inner(shape):
        yield from secret_fields(inner, f"{path}.{step}" if step else path)


def _inner(shape: Shape) -> list[tuple[str, Shape]]:
    if isinstance(shape, StructShape):
        return [(key, field.shape) for key, field in shape.fields.items() if field.shape.secret]
    if isinstance(shape, ListShape):
        return [("", shape.item)] if shape.secret else []
    if isinstance(shape, MapShape):
        return [("", shape.value)] if shape.secret else []
    return [("", each) for each in shape.options if each.secret] if isinstance(shape, UnionShape) else []


def kinds_with_secrets() -> list[str]:
    """The policies in whose schema a secret stands, at any depth."""
    return [kind.name for kind in PIPELINE_ORDER if struct_shape(kind.config).secret]


def examples(kind: str) -> list[str]:
    """The examples on the page of a policy in which a secret stands."""
    found = re.findall(r"^```yaml\n(.*?)^```$", pages()[f"{kind}.md"], re.MULTILINE | re.DOTALL)
    keys = {field.rpartition(".")[2] for field in fields_of(kind)}
    return [example for example in found if any(re.search(rf"\b{key}:", example) for key in keys)]


def fields_of(kind: str) -> set[str]:
    """The paths of all fields with a secret in the schema of a policy."""
    return set(secret_fields(struct_shape(CONFIGS[kind])))


def hidden_values() -> set[str]:
    """What stands in clear in the examples, and is not shown all the same: hashes of keys."""
    text = policy_file(1)
    keys = {field.rpartition(".")[2] for kind in kinds_with_secrets() for field in fields_of(kind)}
    return {value for key in keys for value in re.findall(rf"\b{key}: ([\w+/=-]{{16,}})", text)}


class Everyone(dict[str, str]):
    """The credentials of whoever is asked for."""

    def __contains__(self, _: object) -> bool:
        return True

    def __missing__(self, _: str) -> str:
        return API_KEY


def secret_of(name: str) -> str:
    """What the variable holds. Fits `user:password`."""
    return f"user-{name}:{CANARY}-{name}"


def names_in(text: str) -> list[str]:
    """The variables that `text` refers to."""
    return re.findall(r"\{env: ([A-Z0-9_]+)\}", text)


def policy_file(port: int, *, sealed: bool = False) -> str:
    """A route for each example; with `sealed`, secrets stand there sealed."""
    text = HEAD.format(port=port, canary="CANARY")
    for kind in kinds_with_secrets():
        for number, example in enumerate(examples(kind)):
            name = f"{kind}-{number}"
            text += f"  - name: {name}\n    match: {{path: /{name}}}\n    policies:\n"
            text += textwrap.indent(example, " " * 6)
    text = re.sub(r"\bsha256: [0-9a-f]{64}", f"sha256: {sha256(API_KEY.encode()).hexdigest()}", text)
    if not sealed:
        return text
    key = SealKey.parse(SEAL_KEY)
    return re.sub(
        r"\{env: ([A-Z0-9_]+)\}",
        lambda found: f"{{sealed: {seal(key, secret_of(found[1]).encode(), bytes(RANDOM_BYTES))}}}",
        text,
    )
