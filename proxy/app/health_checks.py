"""What a revision has Seawall look at by itself: upstreams, and what else it takes to be ready.

One task for each, for as long as a live revision has it. What is known of a check outlives a
reload that leaves it as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from proxy.app.checking import Check
from proxy.app.compile import Parts
from proxy.app.probes import of, of_upstream
from proxy.config.configuration import Configuration
from proxy.config.health import CheckConfig, HealthCheckConfig, Schedule
from proxy.config.model import UpstreamConfig
from proxy.wire.pool import Address


class Checks:
    """Those of one revision, by their names: of upstreams, and of what else the files name."""

    def __init__(self, configuration: Configuration, parts: Parts) -> None:
        self._configs: dict[str, HealthCheckConfig] = {
            name: upstream.health_check
            for name, upstream in configuration.upstreams.items()
            if upstream.health_check is not None
        }
        self._upstreams: dict[str, Check] = {
            name: _kept(parts, f"upstreams/{name}", check, configuration.upstreams[name])
            for name, check in self._configs.items()
        }
        self._named_configs: dict[str, CheckConfig] = {
            str(name): check for name, check in configuration.health.checks.items()
        }
        self._named: dict[str, Check] = {
            name: _kept(parts, f"checks/{name}", check) for name, check in self._named_configs.items()
        }

    def go_by(self, addresses: Mapping[str, Address]) -> None:
        """Look at these from now on: contexts of TLS are new with each revision."""
        for name, check in self._upstreams.items():
            check.probe = of_upstream(addresses[name], self._configs[name])
        for name, check in self._named.items():
            config = self._named_configs[name]
            if check.probe is None or config.http is not None:  # whose authorities may be others by now
                check.probe = of(config)

    def of(self, upstream: str) -> Check | None:
        """The check of this upstream."""
        return self._upstreams.get(upstream)

    def named(self) -> Mapping[str, Check]:
        """Those of `health.checks`."""
        return self._named

    def healthy(self) -> Mapping[str, Mapping[str, bool]]:
        """Kind and name -> whether it is well, of those of which that is known."""
        return {"upstream": _known(self._upstreams), "check": _known(self._named)}

    def missing(self) -> str:
        """What it takes to be ready and is not well, in words for anybody; empty where nothing is."""
        if any(self._configs[name].readiness for name in _not_well(self._upstreams)):
            return "upstream"
        missing = [name for name in _not_well(self._named) if self._named_configs[name].readiness]
        return f"check {', '.join(missing)}" if missing else ""


def _known(checks: Mapping[str, Check]) -> dict[str, bool]:
    return {name: not check.fails for name, check in checks.items() if check.state != "unknown"}


def _not_well(checks: Mapping[str, Check]) -> Iterator[str]:
    return (name for name, check in checks.items() if check.state != "healthy")


def _kept(parts: Parts, name: str, config: Schedule, of: UpstreamConfig | None = None) -> Check:
    """Under a key that says all there is to it, so that an edit of it begins anew."""
    where = "" if of is None else f"{of.url} {of.tls!r} "
    make = partial(Check, name, config, parts.clock, parts.random, parts.report)
    return parts.state.get(f"{name}#{where}{config!r}", make)
