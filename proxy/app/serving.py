"""A plan, with the connections that it needs, as the wire serves it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from proxy.admin.answers import answer
from proxy.admin.running import Running
from proxy.app.compile import Plan, PlannedRoute
from proxy.app.head_caps import head_caps
from proxy.app.identity_headers import identity_headers
from proxy.app.pools import Reached
from proxy.config.configuration import Configuration
from proxy.exchange import Response, RouteFacts
from proxy.router import Entry, RoutingTable
from proxy.telemetry.recorder import Recorder
from proxy.wire.peers import TrustedPeers
from proxy.wire.pool import Pool
from proxy.wire.serving import CompiledRoute, Serving


def serving(plan: Plan, reached: Mapping[str, Reached], recorder: Recorder, running: Running) -> Serving:
    """All of it, ready to be swapped in."""
    configuration = plan.configuration
    pools = {name: each.pool for name, each in reached.items()}
    anywhere = next(iter(pools.values()))  # what has no route is never forwarded
    facts = RouteFacts("", "", revision=configuration.revision)
    return Serving(
        table=RoutingTable([Entry(route.match, _compiled(route, pools)) for route in plan.routes]),
        no_route=CompiledRoute(facts, plan.no_route, anywhere),
        recorder=recorder,
        peers=TrustedPeers([network.network for network in configuration.clients.trusted_proxies]),
        caps=head_caps(configuration),
        request_id_header=configuration.request_id.header,
        identity_headers=identity_headers(configuration),
        accept_request_id=configuration.request_id.accept == "trusted",
        local=_local(configuration, running),
    )


def _compiled(route: PlannedRoute, pools: Mapping[str, Pool]) -> CompiledRoute:
    own = pools[route.upstream]
    others: dict[str | None, Pool] = {name: pools[name] for name in route.others}
    return CompiledRoute(route.facts, route.pipeline, own, others={None: own, **others} if others else others)


def _local(configuration: Configuration, running: Running) -> dict[str, Callable[[], Response]]:
    """Paths of the data port that are answered before routing."""
    local: dict[str, Callable[[], Response]] = {
        path: partial(answer, kind, running) for path, kind in configuration.health.paths.items()
    }
    if configuration.metrics.path is not None:
        local[configuration.metrics.path] = partial(answer, "metrics", running)
    return local
