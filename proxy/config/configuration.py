"""What the files say, checked and typed: all that the rest of Seawall sees of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from proxy.config.model import (
    ClientsConfig,
    ErrorsConfig,
    HealthConfig,
    LogConfig,
    MatchConfig,
    MetricsConfig,
    RequestIdConfig,
    UpstreamConfig,
)
from proxy.config.nodes import Node
from proxy.config.rehearsals import PolicyTest, RehearsalSecrets
from proxy.config.report import Report
from proxy.config.schema import PolicyConfig
from proxy.config.typed import located
from proxy.config.units import Mode
from proxy.errors import Problem


class Kind(Protocol):
    """What files need to know of a kind of policy; `proxy.policy.PolicyType` has it."""

    @property
    def name(self) -> str:
        """The key in files."""
        ...

    @property
    def config(self) -> type[PolicyConfig]:
        """The schema."""
        ...

    @property
    def scalar(self) -> str | None:
        """The field that a bare value stands for."""
        ...

    @property
    def no_shadow(self) -> str:
        """Why there is no shadow mode; empty where there is."""
        ...


@dataclass(frozen=True, slots=True)
class PolicyInstance:
    """One policy of one route, merged."""

    kind: str
    state_name: str
    """Whose state it is: `rate_limit/per_client`, `rate_limit/<route>`, `rate_limit/<route>/<name>`."""
    config: PolicyConfig
    mode: Mode
    place: str
    """`file:line` of what is in force: the definition, or the lines in the route."""
    node: Node
    """Where each of its values comes from."""


@dataclass(frozen=True, slots=True)
class RouteConfig:
    """A match and the policies for it, in the order in which a request meets them."""

    name: str
    match: MatchConfig
    upstream: str
    policies: tuple[PolicyInstance, ...]
    place: str
    """`file:line` of its first line."""
    node: Node = field(repr=False)
    """The route as it stands there."""
    stated: tuple[PolicyInstance, ...] = field(default=(), repr=False)
    """`policies`, and between them those that are disabled."""


@dataclass(frozen=True, slots=True)
class StatedTest:
    """A test, and where it stands."""

    test: PolicyTest
    place: str
    """`file:line` of its first line."""
    node: Node = field(repr=False)


@dataclass(frozen=True, slots=True)
class Configuration:
    """One file or one folder, as a whole."""

    revision: str
    """SHA-256 of what stands in the files, and in a folder of their names too; in hex."""
    upstreams: Mapping[str, UpstreamConfig]
    clients: ClientsConfig
    request_id: RequestIdConfig
    metrics: MetricsConfig
    health: HealthConfig
    errors: ErrorsConfig
    routes: tuple[RouteConfig, ...]
    """Those that are enabled, in file order."""
    no_route: tuple[PolicyInstance, ...]
    warnings: tuple[Problem, ...]
    sections: Mapping[str, Node] = field(repr=False)
    """Top-level key -> where it stands: keys that stand once, and `upstreams`, those of all files."""
    report: Report = field(repr=False, compare=False)
    tests: tuple[StatedTest, ...] = field(default=(), repr=False)
    """In file order; outside a rehearsal, those for which no secret or variable is missing."""
    log: LogConfig = field(default=LogConfig())
    test_secrets: RehearsalSecrets = field(default=RehearsalSecrets(), repr=False)

    @property
    def short_revision(self) -> str:
        """Enough of the revision to tell two apart."""
        return self.revision[:12]

    def instances(self) -> Iterator[PolicyInstance]:
        """Every policy of every route, and those for requests without one."""
        for route in self.routes:
            yield from route.policies
        yield from self.no_route

    def problem(self, node: Node, message: str, path: str = "") -> Problem:
        """Something that only showed when the configuration was put to use.

        `path` leads from `node` to the value at fault; else a message that begins with the
        name of a field points there.
        """
        entries = node.value if isinstance(node.value, dict) else {}
        first = message.partition(" ")[0].strip("`")
        step = path or (first if first in entries else "")
        return self.report.problem(located(node, step), message, at_key=not step)
