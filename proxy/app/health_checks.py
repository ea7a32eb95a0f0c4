"""Which checks a revision has Seawall make by itself: whether upstreams are well.

One task for each, for as long as a live revision has it. What is known of a check outlives a
reload that leaves it as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from proxy.app.checking import Check
from proxy.app.compile import Parts
from proxy.app.probes import of_upstream
from proxy.config.configuration import Configuration
from proxy.config.health import HealthCheckConfig
from proxy.config.model import UpstreamConfig
from proxy.wire.pool import Address


class Checks:
    """Those of one revision, by the name of the upstream."""

    def __init__(self, configuration: Configuration, parts: Parts) -> None:
        self._configs = {
            name: upstream.health_check
            for name, upstream in configuration.upstreams.items()
            if upstream.health_check is not None
        }
        self._checks = {
            name: self._kept(name, check, configuration.upstreams[name], parts)
            for name, check in self._configs.items()
        }

    def go_by(self, addresses: Mapping[str, Address]) -> None:
        """Look at these from now on: contexts of TLS are new with each revision."""
        for name, check in self._checks.items():
            check.probe = of_upstream(addresses[name], self._configs[name])

    def of(self, upstream: str) -> Check | None:
        """The check of this upstream."""
        return self._checks.get(upstream)

    def healthy(self) -> Mapping[str, bool]:
        """Upstream -> whether it is well, of those of which that is known."""
        return {name: not check.fails for name, check in self._checks.items() if check.state != "unknown"}

    def ready(self) -> bool:
        """All that are needed for it are well."""
        return all(
            check.state == "healthy" for name, check in self._checks.items() if self._configs[name].readiness
        )

    def _kept(self, name: str, config: HealthCheckConfig, upstream: UpstreamConfig, parts: Parts) -> Check:
        """Under a key that says all there is to it, so that an edit of it begins anew."""
        key = f"upstreams/{name}#{upstream.url} {upstream.tls!r} {config!r}"
        make = partial(Check, f"upstreams/{name}", config, parts.clock, parts.random, parts.report)
        return parts.state.get(key, make)
