"""One name for each policy everywhere; a policy offers hooks, and all of it is documented."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

import proxy
from proxy.config.schema import Schema
from proxy.config.shapes import ListShape, MapShape, Shape, StructShape, UnionShape, struct_shape
from proxy.policies import PIPELINE_ORDER
from proxy.policies.identity import IDENTITY
from proxy.policies.limiter import Reasons
from proxy.policy import AnyPolicyType, Hooks

SOURCES = Path(proxy.__file__).parent
ROOT = SOURCES.parent

HOOKS = {
    "on_request": ["exchange"],
    "around": ["exchange", "forward"],
    "on_attempt": ["exchange", "attempt"],
    "on_response": ["exchange", "response"],
    "on_finish": ["exchange", "outcome"],
}

each_policy = pytest.mark.parametrize(
    "policy", [pytest.param(policy, id=policy.name) for policy in PIPELINE_ORDER]
)


def module_of(policy: AnyPolicyType) -> ModuleType:
    return sys.modules[policy.config.__module__]


def class_of(policy: AnyPolicyType) -> type:
    assert isinstance(policy.build, type)
    return policy.build


def camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def test_the_hooks_that_are_checked_here_are_those_of_the_contract() -> None:
    settings = {"late", "before_call"}  # what the engine is told beside the hooks
    assert [name for name in Hooks.__slots__ if name not in settings] == list(HOOKS)


def test_no_name_stands_for_two_policies() -> None:
    names = [policy.name for policy in PIPELINE_ORDER]

    assert sorted(set(names)) == sorted(names)


def test_every_file_with_a_policy_has_a_line_in_the_table() -> None:
    folders = SOURCES / "policies"
    files = [*folders.glob("*/*.py"), *folders.glob("*/*/__init__.py")]
    found = {path.parent.name if path.stem == "__init__" else path.stem for path in files}

    assert {policy.name for policy in PIPELINE_ORDER} == found - {path.name for path in folders.iterdir()}


@each_policy
def test_module_schema_and_class_have_the_name_of_the_policy(policy: AnyPolicyType) -> None:
    schema, built = policy.config, class_of(policy)

    assert policy.name == module_of(policy).__name__.rpartition(".")[2]
    assert (f"{camel(policy.name)}Config", camel(policy.name)) == (schema.__name__, built.__name__)
    assert schema.__module__ == built.__module__


@each_policy
def test_a_policy_has_a_test_file_and_a_page(policy: AnyPolicyType) -> None:
    phase = policy.config.__module__.split(".")[2]
    wanted = [
        ROOT / "tests" / "policies" / phase / f"test_{policy.name}.py",
        ROOT / "docs" / "policies" / f"{policy.name}.md",
    ]

    assert [] == [path for path in wanted if not path.is_file()]


@each_policy
def test_a_policy_offers_hooks_and_nothing_else(policy: AnyPolicyType) -> None:
    public = {name for name in vars(class_of(policy)) if not name.startswith("_")}

    assert public
    # `authenticate` asks the others of its phase (proxy/policies/authenticator.py).
    assert set() == public - HOOKS.keys() - ({"identify"} if policy in IDENTITY else set())


@each_policy
def test_a_hook_takes_what_the_engine_gives(policy: AnyPolicyType) -> None:
    hooks = {name: hook for name, hook in vars(class_of(policy)).items() if name in HOOKS}

    assert {name: HOOKS[name] for name in hooks} == {name: arguments(hook) for name, hook in hooks.items()}


def arguments(hook: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(hook).parameters)[1:]


@each_policy
def test_a_policy_is_neither_inherited_nor_inherits(policy: AnyPolicyType) -> None:
    assert (object,) == class_of(policy).__bases__


@each_policy
def test_the_docstring_is_a_page_for_operators(policy: AnyPolicyType) -> None:
    text = module_of(policy).__doc__ or ""
    told = re.findall(r"^\*\*(.+?)\*\*", text, re.MULTILINE)

    assert re.match(r"[A-Z][^\n]*[.!?]\n\n", text), "the first line is a sentence, and stands alone"
    assert [] == [
        topic for topic in ("What the client sees.", "State.", "Hardened against.") if topic not in told
    ]
    assert re.search(r"^```yaml$", text, re.MULTILINE), "there is an example"


@each_policy
def test_every_key_is_described(policy: AnyPolicyType) -> None:
    assert [] == [key for key, description in keys_of(policy.config) if not description.endswith((".", "`"))]


def keys_of(schema: type[Schema], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, field in struct_shape(schema).fields.items():
        yield prefix + name, field.description
        for nested in nested_in(field.shape):
            yield from keys_of(nested, f"{prefix}{name}.")


def nested_in(shape: Shape) -> Iterator[type[Any]]:
    if isinstance(shape, StructShape):
        yield shape.type
    for inner in parts_of(shape):
        yield from nested_in(inner)


def parts_of(shape: Shape) -> tuple[Shape, ...]:
    if isinstance(shape, ListShape):
        return (shape.item,)
    if isinstance(shape, MapShape):
        return (shape.value,)
    return shape.options if isinstance(shape, UnionShape) else ()


@each_policy
def test_what_was_loaded_never_changes(policy: AnyPolicyType) -> None:
    config = policy.config.__struct_config__

    assert (True, True) == (config.frozen, config.forbid_unknown_fields)


@each_policy
def test_a_bare_value_stands_for_a_key_that_there_is(policy: AnyPolicyType) -> None:
    assert policy.scalar in {None, *(field.encode_name for field in msgspec.structs.fields(policy.config))}


@each_policy
def test_every_reason_begins_with_the_name_of_the_policy(policy: AnyPolicyType) -> None:
    strays = [
        reason for _, reason, _ in module_of(policy).REASONS if not reason.startswith(f"{policy.name}.")
    ]

    assert [] == strays


@each_policy
def test_every_refusal_has_a_status_and_a_sentence_for_the_client(policy: AnyPolicyType) -> None:
    bad = [
        reason
        for status, reason, detail in module_of(policy).REASONS
        if not (status in (200, 308) or 400 <= status <= 599) or not re.fullmatch(r"[A-Z].*\.", detail)
    ]

    assert [] == bad


@each_policy
def test_no_refusal_is_raised_that_the_page_does_not_list(policy: AnyPolicyType) -> None:
    module = module_of(policy)
    raised = [ast.unparse(call.args[0]) for call in rejections_in(inspect.getsource(module))]

    assert [] == [first for first in raised if not first.startswith("*")], "Rejection(*ONE_OF_REASONS, …)"
    assert set() == {getattr(module, first[1:]) for first in raised} - set(module.REASONS)


def rejections_in(source: str) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Rejection":
            yield node


@each_policy
def test_a_policy_that_never_refuses_says_why_it_has_no_shadow(policy: AnyPolicyType) -> None:
    module = module_of(policy)
    refuses = any(rejections_in(inspect.getsource(module))) or isinstance(module.REASONS, Reasons)

    assert refuses != bool(policy.no_shadow)


def test_what_the_wire_refuses_for_a_policy_is_on_its_page() -> None:
    listed = {
        (reason, detail) for policy in PIPELINE_ORDER for _, reason, detail in module_of(policy).REASONS
    }
    names = "|".join(policy.name for policy in PIPELINE_ORDER)
    said = {
        (first, second)
        for source in (SOURCES / "wire").glob("*.py")
        for first, second in neighbouring_texts_in(source.read_text(encoding="utf-8"))
        if re.fullmatch(rf"(?:{names})\.[a-z_]+", first)
    }

    assert set() == said - listed


def neighbouring_texts_in(source: str) -> Iterator[tuple[str, str]]:
    """Texts that stand side by side among the arguments of a call."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            texts = [argument.value if isinstance(argument, ast.Constant) else None for argument in node.args]
            for first, second in pairwise(texts):
                if isinstance(first, str) and isinstance(second, str):
                    yield first, second
