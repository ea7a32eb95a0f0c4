"""Typing of single values: true/false, numbers, text, units, choices, secrets."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Meta

from proxy.algorithms.sealed import bare
from proxy.config.context import ABSENT, INVALID, Context, unknown_key, unresolved, wrong
from proxy.config.nodes import Node, plain, quoted
from proxy.config.sealing import secret_from_sealed
from proxy.config.secrets import PublicText, Secret, secret_from_env, secret_from_file
from proxy.config.shapes import (
    LiteralShape,
    ScalarShape,
    SecretShape,
    UnitShape,
    hides,
    is_url,
    spelled_bound,
)
from proxy.config.units import FilePath
from proxy.config.yaml12 import typed_scalar

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_REFERENCES = {
    "env": "the name of a variable; expected one such as WEBHOOK_SECRET",
    "file": "the path of a file; expected one such as /run/secrets/webhook",
    "sealed": "a sealed value; expected one as `seawall seal` prints it",
}


def scalar(shape: ScalarShape, node: Node, context: Context) -> Any:
    """true or false, a number, or text."""
    value = node.value
    if shape.type is str:
        if node.interpolated:
            value = node.text
        if not isinstance(value, str):
            quotes = " in quotes" if isinstance(value, bool | int | float) else ""
            return wrong(shape, node, context, shape.words + quotes)
    else:
        if isinstance(value, str) and node.interpolated:
            value = typed_scalar(value)
        if shape.type is float and type(value) is int:
            value = float(value)
        if type(value) is not shape.type or (isinstance(value, float) and not math.isfinite(value)):
            return wrong(shape, node, context)
    if expected := outside(value, shape.bounds, shape):
        return wrong(shape, node, context, expected)
    return value


def unit(shape: UnitShape, node: Node, context: Context) -> Any:
    """A value that parses itself."""
    if sum(unresolved(leaf, context) for leaf in node.leaves()):  # every one is reported
        return INVALID
    report = context.report
    hidden = hides(shape, interpolated=node.interpolated)
    if hidden:
        report.mask(node)
    if is_url(shape):
        report.mask_userinfo(node)
    written = node.interpolated or getattr(shape.unit, "as_written", False)
    as_text = written and issubclass(shape.unit, str) and isinstance(node.value, bool | int | float)
    try:
        value = shape.unit.parse(node.text if as_text else plain(node))
    except ValueError as error:
        if hidden and not getattr(shape.unit, "discreet", False):
            return wrong(shape, node, context)
        report.add(node, str(error))
        return INVALID
    if expected := outside(value, shape.bounds, shape):
        report.add(node, f"{quoted(node.text)} is out of range; expected {expected}")
        return INVALID
    return _file(value, node, context) if isinstance(value, FilePath) else value


def literal(shape: LiteralShape, node: Node, context: Context) -> Any:
    """One of a few values."""
    candidates = [node.value, node.text, typed_scalar(node.text)] if node.interpolated else [node.value]
    for candidate in candidates:
        for value in shape.values:
            if type(value) is type(candidate) and value == candidate:
                return value
    return wrong(shape, node, context)


def secret(shape: SecretShape, node: Node, context: Context) -> Any:
    """`{env: NAME}`, `{file: path}`, `{sealed: TEXT}`, or a literal where those are allowed."""
    if isinstance(node.value, dict):
        referred = _reference(shape, node, node.value, context)
        return referred if shape.secret or referred is INVALID else PublicText(referred.reveal())
    if not shape.secret:
        given = node.text if isinstance(node.value, str) else ""
        return PublicText(given) if given else wrong(shape, node, context)
    context.report.mask(node)
    if isinstance(node.value, list) or node.value is None:
        return wrong(shape, node, context)
    if context.allow_literal_secrets and node.text:
        return Secret(node.text)
    what = (
        "a variable's value stands where a secret does"
        if node.interpolated
        else "a secret stands here in clear"
    )
    context.report.add(node, f"{what}; expected {shape.words}, or the option --allow-literal-secrets")
    return INVALID


def outside(value: Any, bounds: Meta | None, shape: ScalarShape | UnitShape | None = None) -> str:
    """What is expected instead of `value`; empty where it is within `bounds`."""
    if bounds is None:
        return ""
    if isinstance(value, str | list):
        return _length_outside(value, bounds)
    limits: tuple[tuple[Any, str, Callable[[Any, Any], bool]], ...] = (
        (bounds.ge, "at least", operator.ge),
        (bounds.gt, "more than", operator.gt),
        (bounds.le, "at most", operator.le),
        (bounds.lt, "less than", operator.lt),
    )
    for bound, words, holds in limits:
        if bound is not None and not holds(value, bound):
            return f"{words} {spelled_bound(shape, bound) if shape else bound}"
    return ""


def _length_outside(value: str | list[Any], bounds: Meta) -> str:
    one, many = ("character", "characters") if isinstance(value, str) else ("entry", "entries")
    if bounds.min_length is not None and len(value) < bounds.min_length:
        return f"at least {bounds.min_length} {one if bounds.min_length == 1 else many}"
    if bounds.max_length is not None and len(value) > bounds.max_length:
        return f"at most {bounds.max_length} {one if bounds.max_length == 1 else many}"
    if bounds.pattern is not None and isinstance(value, str) and not re.search(bounds.pattern, value):
        return f"text that matches {bounds.pattern}"
    return ""


def _reference(shape: SecretShape, node: Node, entries: dict[str, Node], context: Context) -> Any:
    for key, child in entries.items():
        if key not in _REFERENCES:
            unknown_key(shape, _REFERENCES, child, context)
            return INVALID
    if len(entries) != 1:
        context.report.add(node, f"got {len(entries)} keys; expected either {shape.words}")
        return INVALID
    ((key, child),) = entries.items()
    if key == "sealed":
        context.report.mask(child)  # perhaps somebody thinks that this is how to seal one
    if unresolved(child, context):
        return INVALID
    try:
        return _referred(key, child, context)
    except ValueError as error:
        return _missing(child, str(error), context)


def _missing(node: Node, why: str, context: Context) -> Any:
    if context.secrets_may_be_absent:
        context.report.warn(node, f"{why}; left out, and where no other is left NOTHING is verified")
        return ABSENT
    if not context.lenient:
        context.report.add(node, why)
    return INVALID


def _referred(key: str, node: Node, context: Context) -> Secret | Any:
    if not isinstance(node.value, str) or (key == "env" and not _VARIABLE.fullmatch(node.value)):
        context.report.mask(node)  # perhaps it is the secret itself
        context.report.add(node, f"this cannot be {_REFERENCES[key]}")
        return INVALID
    if key == "env":
        return secret_from_env(node.value, context.env)
    if key == "sealed":
        return _unsealed(node.value, context)
    return secret_from_file(node.source.directory / node.value, context.read)


def _unsealed(text: str, context: Context) -> Secret | Any:
    stand_in = context.unsealed.get(bare(text))
    if stand_in:
        return Secret(stand_in)
    return INVALID if context.lenient else secret_from_sealed(text, context.env, context.read)


def _file(path: FilePath, node: Node, context: Context) -> Any:
    resolved = node.source.directory / Path(path)
    try:
        if not context.lenient:
            context.read(resolved, 0)
    except ValueError as error:
        context.report.add(node, f"{quoted(path)} cannot be read: {error}; expected a readable file")
        return INVALID
    return type(path)(str(resolved))
