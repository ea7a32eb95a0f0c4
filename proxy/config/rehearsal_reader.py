"""The tests of all files: typed, with names of their own, and with routes that exist."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from proxy.config.configuration import StatedTest
from proxy.config.context import Context
from proxy.config.nodes import Node, quoted
from proxy.config.rehearsals import PolicyTest, RehearsalSecrets, Step
from proxy.config.sections import Sections
from proxy.config.simulated import SimulatedRequest
from proxy.config.typed import located, to_struct


class RehearsalReader:
    """Reads `tests` and `test_secrets`; outside a rehearsal, only to say what is wrong with them."""

    def __init__(self, sections: Sections, context: Context, *, rehearsal: bool) -> None:
        self._report = context.report
        # Variables and secrets that only a rehearsal has are no problem anywhere else.
        self._context = replace(context, lenient=not rehearsal)
        self._routes = _route_names(sections)
        self._names: dict[str, Node] = {}
        read = [(node, self._test(node)) for node in sections.tests]
        self.tests = tuple(StatedTest(test, node.place, node) for node, test in read if test is not None)
        section = sections.once.get("test_secrets")
        stated = None if section is None else to_struct(RehearsalSecrets, section, self._context)
        self.secrets = stated if stated is not None and rehearsal else RehearsalSecrets()

    def _test(self, node: Node) -> PolicyTest | None:
        test = to_struct(PolicyTest, node, self._context)
        if test is None:
            return None
        name = located(node, "name")
        first = self._names.setdefault(test.name, name)
        if first is not name:
            message = f"the test {quoted(test.name)} stands in {first.place} already; expected another name"
            self._report.add(name, message)
        for index, step in enumerate(test.steps):
            for path, request in _requests(step):
                if request.sign is not None and request.sign not in self._routes:
                    hint = self._report.hint(request.sign, self._routes)
                    sign = located(node, f"steps[{index}].{path}.sign")
                    self._report.add(sign, f"{quoted(request.sign)} is not a route{hint}")
        return test


def _requests(step: Step) -> Iterator[tuple[str, SimulatedRequest]]:
    """Those that stand in a step, and where."""
    if step.request is not None:
        yield "request", step.request
    if isinstance(step.parallel, tuple):
        for index, each in enumerate(step.parallel):
            yield f"parallel[{index}].request", each.request


def _route_names(sections: Sections) -> set[str]:
    """Of all routes, enabled or not."""
    routes = [node.value for nodes in sections.routes.values() for node in nodes]
    names = [route["name"].value for route in routes if isinstance(route, dict) and "name" in route]
    return {name for name in names if isinstance(name, str)}
