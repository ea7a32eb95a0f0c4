"""Policy files -> a Configuration, or every problem in them at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from proxy.config.configuration import Configuration, Kind, RouteConfig
from proxy.config.context import PRODUCTION, Context
from proxy.config.files import Files, read
from proxy.config.instances import NO_ROUTE, PolicyTyper
from proxy.config.merge import standing_for
from proxy.config.model import (
    ClientsConfig,
    ErrorsConfig,
    HealthConfig,
    LogConfig,
    MetricsConfig,
    RequestIdConfig,
    UpstreamConfig,
)
from proxy.config.nodes import Node, Source, quoted
from proxy.config.rehearsal_reader import RehearsalReader
from proxy.config.rehearsal_secrets import held_files, unsealed, variables
from proxy.config.report import Report
from proxy.config.routes import RouteReader, has_parameters
from proxy.config.sections import Sections
from proxy.config.shapes import secret_names, struct_shape
from proxy.config.typed import located, to_struct
from proxy.errors import ConfigError

APP = "app"
"""The upstream whose url `--upstream` may give."""


def load(
    path: Path,
    kinds: Sequence[Kind],
    *,
    env: Mapping[str, str],
    allow_literal_secrets: bool = False,
    default_upstream: str | None = None,
    rehearsal: bool = False,
    environment: str = PRODUCTION,
) -> Configuration:
    """The configuration in the file or the folder at `path`.

    `kinds` are all kinds of policies, in pipeline order; `env` is for `${...}` and secrets.
    `default_upstream` is the url of the upstream `app` where the files leave it out. In a
    rehearsal, what `test_secrets` says stands above `env` and the files of secrets; else that
    is not looked at. `environment` is what `--env` says. Raises ConfigError with every problem,
    and nothing else whatever the files hold.
    """
    shapes = {kind.name: struct_shape(kind.config) for kind in kinds}
    kinds_with_secrets = (name for name, shape in shapes.items() if shape.secret)
    report = Report(
        {*kinds_with_secrets, *(name for shape in shapes.values() for name in secret_names(shape))}
    )
    files = read(path, env, report, rehearsal=rehearsal)
    context = Context(report, env, allow_literal_secrets, environment=environment)
    if rehearsal:
        env = {**env, **variables(files.documents)}
        context = replace(
            context, env=env, files=held_files(files.documents), unsealed=unsealed(files.documents)
        )
    loading = _Loading(files, kinds, context, rehearsal=rehearsal)
    # What one file refers to may stand in another; so if one is unreadable, no more can be said.
    configuration = loading.configuration(default_upstream) if files.complete else None
    if report or configuration is None:
        raise ConfigError(report.problems())
    return configuration


class _Loading:
    def __init__(self, files: Files, kinds: Sequence[Kind], context: Context, *, rehearsal: bool) -> None:
        self._files = files
        self._rehearsal = rehearsal
        self._kinds = kinds
        self._context = context
        self._report = context.report
        self._sections = Sections({kind.name: kind for kind in kinds}, context)
        for document in files.documents:
            self._sections.add(document)

    def configuration(self, default_upstream: str | None) -> Configuration | None:
        """All of it; None where something is wrong."""
        sections = self._sections
        clients = sections.typed("clients", ClientsConfig)
        request_id = sections.typed("request_id", RequestIdConfig)
        metrics = sections.typed("metrics", MetricsConfig)
        health = sections.typed("health", HealthConfig)
        errors = sections.typed("errors", ErrorsConfig)
        log = sections.typed("log", LogConfig)
        upstreams = self._upstreams(default_upstream)
        typer = PolicyTyper(self._kinds, sections.definitions, self._context)
        typer.check_definitions()
        routes = self._routes(typer)
        no_route = typer.policies(sections.once.get(NO_ROUTE) or _no_route(self._kinds), {}, NO_ROUTE)
        has_parameters(no_route, (), "a request without a route", self._report)
        self._warn_of_unused(typer)
        tests = RehearsalReader(sections, self._context, rehearsal=self._rehearsal)
        if metrics and health and metrics.path is not None and metrics.path in health.paths:
            message = f"{metrics.path} is one of `health.paths` too; expected a path of its own"
            self._report.add(located(sections.once["metrics"], "path"), message)
        if self._report or not (clients and request_id and metrics and health and errors and log):
            return None
        return Configuration(
            revision=self._files.revision,
            upstreams=upstreams,
            clients=clients,
            request_id=request_id,
            metrics=metrics,
            health=health,
            errors=errors,
            log=log,
            routes=routes,
            no_route=no_route,
            warnings=self._report.warnings(),
            sections={**sections.once, "upstreams": _mapping("upstreams", sections.upstreams)},
            report=self._report,
            tests=tests.tests,
            test_secrets=tests.secrets,
        )

    def _upstreams(self, default: str | None) -> dict[str, UpstreamConfig]:
        """Those of the files; with `default`, `app` is completed, or added where it is called."""
        nodes = self._sections.upstreams
        if default is not None and (APP in nodes or not nodes or self._calls_app()):
            app = nodes.get(APP, _scalar("--upstream", ""))
            entries = app.value if isinstance(app.value, dict) else {}
            if entries.get("url") is None:
                nodes[APP] = standing_for(app, {**entries, "url": _scalar("--upstream", default)})
        if not nodes:
            self._missing("upstreams", "no upstream is defined; expected one, or the option --upstream")
        typed = {name: to_struct(UpstreamConfig, node, self._context) for name, node in nodes.items()}
        return {name: upstream for name, upstream in typed.items() if upstream is not None}

    def _calls_app(self) -> bool:
        for routes in self._sections.routes.values():
            for route in routes:
                called = route.value.get("upstream") if isinstance(route.value, dict) else None
                if called is not None and called.value == APP:
                    return True
        return False

    def _routes(self, typer: PolicyTyper) -> tuple[RouteConfig, ...]:
        reader = RouteReader(typer, self._sections.upstreams, self._context)
        found = []
        for document, nodes in self._sections.routes.items():
            given = self._sections.defaults.get(document)
            defaults = typer.read_defaults(given)
            if given is not None and not nodes:
                self._report.warn(
                    given, "no route stands in this file; `defaults` are for those", at_key=True
                )
            found += [reader.read(node, defaults) for node in nodes]
        if not found:
            self._missing("routes", "no route is defined; expected at least one under `routes`")
        for name, node in self._sections.upstreams.items():
            if name not in reader.used:
                self._report.warn(node, f"no route calls the upstream {quoted(name)}", at_key=True)
        return tuple(route for route in found if route is not None)

    def _missing(self, key: str, message: str) -> None:
        """Nothing stands under `key`; where it is wrong what does, that is reported already."""
        values = [document.value for document in self._files.documents]
        given = [value[key].value for value in values if isinstance(value, dict) and key in value]
        if any(isinstance(value, dict) for value in values) and not any(given):
            self._report.add(self._files.documents[0], message)

    def _warn_of_unused(self, typer: PolicyTyper) -> None:
        for node in typer.unused():
            self._report.warn(node, "nothing uses this policy", at_key=True)


def _no_route(kinds: Sequence[Kind]) -> Node | None:
    """What stands for `no_route` where no file has it."""
    for kind in kinds:
        if kind.name == "security_headers" and "preset" in struct_shape(kind.config).fields:
            headers = _mapping("default", {"preset": _scalar("default", "owasp-api")})
            return _mapping("default", {kind.name: headers})
    return None


def _scalar(origin: str, text: str) -> Node:
    node = Node(text, Source(origin, ""))
    node.text = text
    return node


def _mapping(origin: str, entries: dict[str, Node]) -> Node:
    """A mapping that stands in no file; entries that do keep their places and paths."""
    node = Node(entries, Source(origin, ""))
    for key, child in entries.items():
        if child.parent is None:
            node.adopt(key, child)
    return node
