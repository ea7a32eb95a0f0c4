"""Kinds of policies for these tests, with every shape that a schema can have; and short ways to load."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, field

from proxy.config.configuration import Configuration
from proxy.config.context import Context
from proxy.config.interpolate import interpolate
from proxy.config.loader import load
from proxy.config.nodes import Node, Source
from proxy.config.report import Report
from proxy.config.schema import PolicyConfig, Schema
from proxy.config.secrets import Secret
from proxy.config.units import Duration, HeaderName, HeaderValue, Share, Size, StatusSet
from proxy.config.yaml12 import parse
from proxy.errors import ConfigError


@dataclass(frozen=True, slots=True)
class AKind:
    """What `proxy.policy.PolicyType` tells of itself to the loader."""

    name: str
    config: type[PolicyConfig]
    scalar: str | None = None
    no_shadow: str = ""


class DeadlineConfig(PolicyConfig, frozen=True, kw_only=True):
    total: Annotated[Duration, Meta(gt=0, description="For all of it.")]
    propagate: Annotated[HeaderName | None, Meta(description="Tells the upstream.")] = None


class SecurityHeadersConfig(PolicyConfig, frozen=True, kw_only=True):
    preset: Literal["owasp", "owasp-api", "none"] = "none"
    set: dict[HeaderName, HeaderValue] = field(default_factory=dict)
    remove: tuple[HeaderName, ...] = ()


class RateLimitConfig(PolicyConfig, frozen=True, kw_only=True):
    limit: Annotated[int, Meta(ge=1, description="A minute.")]
    burst: Annotated[int | Share, Meta(description="At once.")] = 10
    key: Annotated[list[str], Meta(min_length=1, max_length=3)] = field(default_factory=lambda: ["client.ip"])

    def check(self) -> Iterator[tuple[str, str]]:
        if self.burst != 10 and isinstance(self.burst, int) and self.burst > self.limit:
            yield "burst", f"{self.burst} is above the limit; expected at most {self.limit}"
        for index, key in enumerate(self.key):
            if "." not in key:
                yield f"key[{index}]", f"{key!r} is no key; expected one such as client.ip"


class SignatureConfig(PolicyConfig, frozen=True, kw_only=True):
    scheme: Literal["hmac", "github"] = "hmac"
    secrets: Annotated[list[Secret], Meta(min_length=1)]


class Backoff(Schema, frozen=True, kw_only=True):
    base: Duration = Duration(0.25)
    factor: Annotated[float, Meta(ge=1, le=10)] = 2.0

    def __post_init__(self) -> None:
        if self.base > 60:
            raise ValueError("base leaves nobody patient; expected at most a minute")


class Class(Schema, frozen=True, kw_only=True):
    status: StatusSet = StatusSet()
    body: Size | None = None
    extra: Any = None


class RetryConfig(PolicyConfig, frozen=True, kw_only=True):
    backoff: Backoff = Backoff()
    open_for: Duration | Backoff = Duration(5)
    classes: dict[str, Class] = field(default_factory=dict)
    again: list[Class] = field(default_factory=list)
    careful: bool = True


KINDS = (
    AKind("deadline", DeadlineConfig, scalar="total"),
    AKind("security_headers", SecurityHeadersConfig, scalar="preset", no_shadow="it refuses nothing"),
    AKind("rate_limit", RateLimitConfig),
    AKind("webhook_signature", SignatureConfig),
    AKind("retry", RetryConfig),
)
ENV = {"PORT": "3000", "SECRET": "hunter2-in-the-environment", "TENANT": "acme-confidential", "EMPTY": ""}
ENV |= {"NETWORKS": "10.0.0.0/8, 10.0.0.0/33", "COMMAS": "192.0.2.1, 192.0.2.2"}

START = 'version: 1\nupstreams: {app: {url: "http://127.0.0.1:3000"}}\n'
ROUTE = 'routes:\n  - name: only\n    match: {path: "/**"}\n'


def parsed(text: str, env: Mapping[str, str] = ENV) -> tuple[Node, Report]:
    """The document in `text`, which must be right so far, with variables put in."""
    report = Report()
    node = parse(text.encode(), Source("a.yaml", ""), report)
    assert node is not None, str(ConfigError(report.problems()))
    interpolate(node, env)
    return node, report


def in_context(text: str, **settings: Any) -> tuple[Node, Context]:
    """The document in `text`, and a context to type it in."""
    node, report = parsed(text)
    return node, Context(report, ENV, **settings)


def messages(report: Report) -> list[str]:
    """Each problem as `line:column: path: message`."""
    return [f"{p.line}:{p.column}: {p.path}: {p.message}" for p in report.problems()]


def loaded(text: str, folder: Path, **settings: Any) -> Configuration:
    """The configuration in a file with `text`."""
    file = folder / "a.yaml"
    file.write_text(text, encoding="utf-8")
    return load(file, KINDS, **{"env": ENV, **settings})


def refused(text: str, folder: Path, **settings: Any) -> list[str]:
    """What is wrong with `text`: each problem as `line:column: path: message`."""
    try:
        loaded(text, folder, **settings)
    except ConfigError as error:
        return [f"{p.line}:{p.column}: {p.path}: {p.message}" for p in error.problems]
    return []
