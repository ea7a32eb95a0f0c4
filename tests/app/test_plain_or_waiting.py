"""Whether hooks wait or not, the same comes of it: random stacks of real policies, played both ways.

A hook may be a plain function, a function that has some requests wait, or a coroutine; a store may answer
at once or later (docs/adr/0002, 0006, 0020). Which it is decides how the engine carries an exchange, and must
not be seen.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from proxy.exchange import Exchange, Outcome, Response
from proxy.pipeline import Pipeline, Waiting
from proxy.policies.resilience.concurrency import Concurrency
from proxy.rehearsal import Answer
from tests.app.played import PLAIN, WAYS, Playing, Way
from tests.app.stacks import CLIENTS, SCRIPTS, Coming, apart, files

SOON = 0.05
"""Seconds after the last answer by which all that it took has been given back..."""
SETTLES = 400.0
"""...and by which limits, breakers and what is pending are as at the start, but for quotas."""


def play(text: str, script: Sequence[Answer], clients: Sequence[Coming], way: Way) -> dict[str, Any]:
    """Everything that somebody can see."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "policies.yaml"
        file.write_text(text, encoding="utf-8")
        with Playing(file, way) as playing:
            playing.script(apart(script))
            answers = playing.come(clients)
            playing.wait(SOON)
            assert {} == playing.held()
            playing.wait(SETTLES)
            assert {} == playing.being_opened()
            outcomes = list(playing.recorded.outcomes)
            # Who comes again later finds everything as it would be had nothing gone wrong.
            again = playing.come([Coming(0.5, each.request, None) for each in clients])
            playing.wait(SOON)
            assert {} == playing.held()
            assert 2 * len(clients) == len(playing.recorded.finished)
            return {
                "answers": answers,
                "outcomes": outcomes,
                "again": again,
                "calls": playing.calls(),
                "counts": playing.counts(),
            }


def compare(text: str, script: list[Answer], clients: list[Coming]) -> None:
    plain = play(text, script, clients, PLAIN)
    for name, way in WAYS.items():
        other = play(text, script, clients, way)
        for what, seen in plain.items():
            assert seen == other[what], f"{what}: {name}"


@settings(max_examples=50, suppress_health_check=list(HealthCheck))
@given(files(), SCRIPTS, CLIENTS)
def test_nobody_can_tell_whether_hooks_wait(text: str, script: list[Answer], clients: list[Coming]) -> None:
    compare(text, script, clients)


def a_lost_permit(_: Concurrency, __: Exchange, ___: Outcome) -> None:
    """Given back nowhere."""


async def skipped_hooks(self: Pipeline, exchange: Exchange, waiting: Waiting | None) -> Response:
    """As the engine goes on behind a hook that waits, but for the hooks behind it."""
    if waiting is not None:
        answer: Response | None = await waiting.later()
        return await self.forward(exchange) if answer is None else answer
    return await as_it_is(self, exchange, waiting)


as_it_is = Pipeline._answer


@pytest.mark.parametrize(
    ("where", "name", "mistake"),
    [
        pytest.param(Concurrency, "on_finish", a_lost_permit, id="a permit is lost"),
        pytest.param(Pipeline, "_answer", skipped_hooks, id="hooks behind one that waits are skipped"),
    ],
)
def test_a_mistake_is_found(
    where: type, name: str, mistake: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(where, name, mistake)
    tried = given(files(), SCRIPTS, CLIENTS)(compare)

    with pytest.raises(AssertionError):
        settings(
            max_examples=100, phases=[Phase.generate], derandomize=True, database=None,
            suppress_health_check=list(HealthCheck), print_blob=False,
        )(tried)()  # fmt: skip
