"""A configuration -> policies that are built, pipelines, and where the upstreams are.

All that can fail fails here, before anything of the old revision is touched. Every
problem is reported, at its place in the files.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from random import Random

from proxy.app.identity_headers import wrong_headers
from proxy.app.together import Member, joined
from proxy.clock import Clock
from proxy.config.configuration import Configuration, PolicyInstance, RouteConfig
from proxy.config.model import JsonTemplate, TextTemplate, UpstreamConfig, UpstreamTlsConfig
from proxy.config.nodes import Node
from proxy.config.spelling import spelled
from proxy.config.typed import located
from proxy.errors import ConfigError, Problem
from proxy.exchange import Forward, PolicyFacts, RouteFacts
from proxy.fetch import Fetch, offline
from proxy.pipeline import Pipeline, compile_pipeline
from proxy.policies import PIPELINE_ORDER
from proxy.policies.admission.size_limit import SizeLimitConfig
from proxy.policy import (
    Hooks,
    InThread,
    Policy,
    Report,
    Services,
    Shared,
    UpstreamHealth,
    Vault,
    at_once,
    unreported,
    unsealed,
)
from proxy.problem import ProblemWriter, Template
from proxy.router import Entry, Match
from proxy.router.rules import Rule
from proxy.shadow import for_share, in_shadow, in_share
from proxy.stores.protocol import Store
from proxy.wire.carrier import forward
from proxy.wire.pool import Address
from proxy.wire.serving import HeadCaps

_AROUND_TARGET = 64
"""Method, version and spaces of a request line."""
_SYSTEM_TLS = UpstreamTlsConfig()
SHADOW = "?shadow"
"""Behind the name of the state that a policy in shadow has of its own."""

KINDS = {kind.name: kind for kind in PIPELINE_ORDER}


@dataclass(frozen=True, slots=True)
class Parts:
    """What outlives a revision and is handed to its policies."""

    clock: Clock
    random: Random
    store: Store
    state: Shared
    report: Report = unreported
    first: tuple[Hooks, ...] = ()
    """Asked on every route before any policy."""
    fetch: Fetch = offline
    in_thread: InThread = at_once
    vault: Callable[[], Vault | None] = unsealed


@dataclass(frozen=True, slots=True)
class PlannedRoute:
    """A route without its connections."""

    facts: RouteFacts
    pipeline: Pipeline
    upstream: str
    match: Match
    others: tuple[str, ...] = ()
    """Upstreams that its policies may have called instead."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A revision, ready to be given connections."""

    configuration: Configuration
    routes: tuple[PlannedRoute, ...]
    no_route: Pipeline
    addresses: Mapping[str, Address]


def compile_plan(
    configuration: Configuration,
    parts: Parts,
    upstream: Forward = forward,
    health: Callable[[str], UpstreamHealth | None] = lambda _: None,
) -> Plan:
    """Raises ConfigError with every problem that only shows when the parts are built.

    `health` gives the check of an upstream, where checks are made.
    """
    compiler = _Compiler(configuration, parts, upstream, health)
    plan = compiler.plan()
    if compiler.problems:
        # A policy that stands in `defaults` is built for each route, and wrong in one place.
        problems = dict.fromkeys(compiler.problems)
        raise ConfigError(sorted(problems, key=lambda each: (each.file, each.line, each.column)))
    return plan


class _Compiler:
    def __init__(
        self,
        configuration: Configuration,
        parts: Parts,
        upstream: Forward,
        health: Callable[[str], UpstreamHealth | None],
    ) -> None:
        self._configuration = configuration
        self._health = health
        self._upstream = upstream
        self._parts = parts
        self._built: dict[tuple[str, int], Member] = {}
        self._pipelines: dict[tuple[Hooks, ...], Pipeline] = {}
        self._watched: dict[str, str] = {}
        """Name of a policy's state -> the upstream by whose health it goes."""
        self._said: dict[tuple[str, str], object] = {}
        self.problems: list[Problem] = []

    def plan(self) -> Plan:
        configuration = self._configuration
        for policy, place, message in wrong_headers(configuration):
            self._wrong(policy.node, message, place)
        problems = ProblemWriter(
            expose_detail=configuration.errors.expose_detail, templates=dict(self._templates())
        )
        routes = tuple(self._route(route, problems) for route in configuration.routes)
        no_route = compile_pipeline(self._hooks(configuration.no_route), self._upstream, problems.render)
        addresses = {name: self._address(name, up) for name, up in configuration.upstreams.items()}
        return Plan(configuration, routes, no_route, addresses)

    def _route(self, route: RouteConfig, problems: ProblemWriter) -> PlannedRoute:
        match = match_of(route)
        try:
            Rule(Entry(match, None), 0)
        except ValueError as error:
            self._wrong(route.node, str(error), "match")
        return PlannedRoute(
            RouteFacts(route.name, match.path, chain_of(route), self._configuration.revision),
            self._pipeline((*self._parts.first, *self._hooks(route.policies, route.upstream)), problems),
            route.upstream,
            match,
            tuple({name for policy in route.policies for _, name in policy.config.other_upstreams()}),
        )

    def _pipeline(self, hooks: tuple[Hooks, ...], problems: ProblemWriter) -> Pipeline:
        """The same hooks are one pipeline: of a thousand routes that differ in their path alone, too."""
        if hooks not in self._pipelines:
            self._pipelines[hooks] = compile_pipeline(hooks, self._upstream, problems.render)
        return self._pipelines[hooks]

    def _hooks(self, policies: Iterable[PolicyInstance], upstream: str | None = None) -> list[Hooks]:
        """Policies with the same name and settings are one, on however many routes they stand."""
        hooks: list[Hooks] = []
        for kind, alike in groupby(policies, key=lambda policy: policy.kind):
            members = [(policy, self._member(policy, upstream)) for policy in alike]
            together = KINDS[kind].together
            if together is not None and len(members) > 1:
                added = joined(together, [member for _, member in members])
            else:
                added = [_in_mode(policy, member) for policy, member in members]
            if KINDS[kind].each_call and any(each.around is not None for each in hooks):
                added = [each.at_each_call() for each in added]
            hooks += added
        return hooks

    def _member(self, policy: PolicyInstance, upstream: str | None) -> Member:
        key = (policy.state_name, id(policy.config))
        by_health = KINDS[policy.kind].by_health
        if by_health is not None and by_health(policy.config):
            self._watch(policy, upstream)
        if key not in self._built:
            try:
                self._built[key] = self._make(policy)
            except ValueError as error:
                self._wrong(policy.node, str(error))
                self._built[key] = Member()
        return self._built[key]

    def _watch(self, policy: PolicyInstance, upstream: str | None) -> None:
        """It goes by the health of one upstream, of which somebody has a look."""
        if upstream is None or self._configuration.upstreams[upstream].health_check is None:
            called = "none is called here" if upstream is None else f"{upstream} has none; expected one in it"
            self._wrong(policy.node, f"`health_check` is that of the route's upstream, and {called}")
            return
        first = self._watched.setdefault(policy.state_name, upstream)
        if first != upstream:
            expected = "expected a policy with a name of its own for each upstream"
            message = f"`health_check` is that of {first} elsewhere, and here of {upstream}; {expected}"
            self._wrong(policy.node, message)

    def _make(self, policy: PolicyInstance) -> Member:
        mode, name = policy.mode, policy.state_name
        if mode == "enforce":
            return Member(self._build(policy, name))
        shadowed = in_shadow(policy.kind, Hooks.of(self._build(policy, f"{name}{SHADOW}")))
        if mode == "shadow":
            return Member(shadowed=shadowed)
        return Member(self._build(policy, name), shadowed, in_share(name, mode.share))

    def _build(self, policy: PolicyInstance, name: str) -> Policy:
        parts, kind = self._parts, KINDS[policy.kind]
        for field in kind.one:
            said = getattr(policy.config, field)
            if self._said.setdefault((name, field), said) != said:
                other = spelled(self._said[name, field])
                raise ValueError(
                    f"`{field}` is {spelled(said)} here and {other} elsewhere, but the state of {name} "
                    "is one; expected the same, or a policy with a name of its own"
                )
        prefix = self._configuration.clients.ipv6_prefix
        services = Services(
            parts.clock,
            parts.random,
            parts.store,
            parts.state,
            name,
            prefix,
            parts.report,
            fetch=parts.fetch,
            in_thread=parts.in_thread,
            health=self._health(self._watched[policy.state_name])
            if policy.state_name in self._watched
            else None,
            vault=parts.vault,
        )
        return kind.build(policy.config, services)

    def _templates(self) -> Iterable[tuple[str, Template]]:
        for reason, template in self._configuration.errors.templates.items():
            try:
                yield reason, _template(template)
            except ValueError as error:
                self._wrong(self._configuration.sections["errors"], str(error), f"templates.{reason}")

    def _address(self, name: str, upstream: UpstreamConfig) -> Address:
        url = upstream.url
        tls = self._tls_context(name, upstream.tls or _SYSTEM_TLS) if url.scheme == "https" else None
        # A dot at the end says how to look a name up, and is no part of what the host is called.
        called = url.host.rstrip(".")
        host = f"[{called}]" if ":" in called else called
        default_port = {"http": 80, "https": 443}.get(url.scheme)
        return Address(
            authority=(host if url.port == default_port else f"{host}:{url.port}") if host else "localhost",
            host=url.host,
            port=url.port,
            unix=url.socket,
            tls=tls,
            server_name=((upstream.tls and upstream.tls.server_name) or called) if tls else None,
        )

    def _tls_context(self, name: str, tls: UpstreamTlsConfig) -> ssl.SSLContext | None:
        node = located(self._configuration.sections["upstreams"], name)
        try:
            context = ssl.create_default_context(cafile=tls.ca_file)
        except OSError as error:
            self._wrong(node, f"no authorities can be read: {_why(error)}; expected PEM", "tls.ca_file")
            return None
        context.set_alpn_protocols(["http/1.1"])
        if not tls.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if tls.client_cert is not None:
            try:
                # With a password, and be it an empty one, since OpenSSL would ask the terminal for one.
                context.load_cert_chain(tls.client_cert.cert_file, tls.client_cert.key_file, password="")
            except OSError as error:
                message = f"cannot be used: {_why(error)}; expected a chain and its key in PEM, no password"
                self._wrong(node, message, "tls.client_cert")
        return context

    def _wrong(self, node: Node, message: str, path: str = "") -> None:
        self.problems.append(self._configuration.problem(node, message, path))


def match_of(route: RouteConfig) -> Match:
    """What a request must be like to belong to `route`."""
    stated = route.match
    return Match(
        stated.path,
        frozenset(stated.methods),
        tuple(stated.hosts),
        tuple(stated.headers.items()),
        tuple(stated.query.items()),
    )


def chain_of(route: RouteConfig) -> tuple[PolicyFacts, ...]:
    """What decisions tell of its policies."""
    return tuple(PolicyFacts(each.kind, each.state_name, str(each.mode), each.place) for each in route.stated)


def _in_mode(policy: PolicyInstance, member: Member) -> Hooks:
    if member.policy is None:
        return member.shadowed or Hooks()
    enforced = Hooks.of(member.policy)
    if member.shadowed is None:
        return enforced
    return for_share(policy.state_name, policy.mode.share, enforced, member.shadowed)


def _template(template: JsonTemplate | TextTemplate) -> Template:
    if isinstance(template, JsonTemplate):
        return Template.of_json(template.json, template.content_type)
    return Template.of_text(template.text, template.content_type)


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason.lower().replace("_", " ") if error.reason else "it is not PEM"
    return error.strerror or str(error)


def head_caps(configuration: Configuration) -> HeadCaps:
    """The wire's caps, raised to the largest `size_limit` so that a policy can allow more."""
    caps = HeadCaps()
    target, fields, headers = caps.target, caps.fields, 0
    for policy in configuration.instances():
        if isinstance(policy.config, SizeLimitConfig):
            target = max(target, (policy.config.url or 0) + _AROUND_TARGET)
            fields = max(fields, policy.config.header_count or 0)
            headers = max(headers, policy.config.headers or 0)
    # Lines have their colons and ends, which `headers` does not count; the first has the target.
    head = max(caps.head, target + headers + 4 * fields + 4)
    return HeadCaps(target, head, fields)
