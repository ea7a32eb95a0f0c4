"""How a test went, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import msgspec

from proxy.rehearsal.expectations import seconds
from proxy.rehearsal.player import Failure, Played
from proxy.telemetry.decisions import Decision, Verdict

_NOT_DETERMINISTIC = {"id", "request_id", "revision"}
"""Of a decision: what is another each time, or nobody's business here."""


def played_as_text(played: Played) -> Iterator[str]:
    """One line; and of a failure, where it is, what came instead, and the decision."""
    requests = f"{played.requests} request{'s' * (played.requests != 1)}"
    steps = f"{played.steps} step{'s' * (played.steps != 1)}"
    head = "FAILED" if played.failure is not None else "passed"
    yield f"{head} {played.name} ({steps}, {requests}, {seconds(played.elapsed)} simulated)"
    if played.failure is not None:
        yield from _failure(played.failure, played.steps)


def played_as_json(played: Played) -> dict[str, object]:
    """For programs; times are seconds."""
    failure = played.failure
    shown: dict[str, object] = {
        "name": played.name,
        "place": played.place,
        "ok": failure is None,
        "steps": played.steps,
        "requests": played.requests,
        "elapsed": played.elapsed,
    }
    if failure is not None:
        shown["failure"] = {
            "step": failure.step,
            "place": failure.place,
            "request": failure.request,
            "requests": failure.requests,
            "mismatches": [asdict(mismatch) for mismatch in failure.mismatches],
            "error": failure.error,
            "decision": _decision_as_json(failure.decision),
        }
    return shown


def _failure(failure: Failure, steps: int) -> Iterator[str]:
    which = f"step {failure.step} of {steps}"
    if failure.request and failure.requests > 1:
        which += f", request {failure.request} of {failure.requests}"
    yield f"  {failure.place}: {which}"
    if failure.error:
        yield f"    {failure.error}"
    for mismatch in failure.mismatches:
        yield f"    {mismatch.what}: expected {mismatch.expected}, got {mismatch.got}"
    if failure.decision is not None:
        yield from _decision(failure.decision)
    elif failure.request and not failure.error:
        yield "    decision: none, since no policy refused it or would have"


def _decision(decision: Decision) -> Iterator[str]:
    if decision.mode == "enforce":
        yield from _verdict(decision, f"decision: {decision.status} {decision.reason}")
    for verdict in decision.shadow:
        yield from _verdict(verdict, f"in shadow: {verdict.reason}")


def _verdict(verdict: Verdict, head: str) -> Iterator[str]:
    yield f"    {head}, {verdict.policy}" + (f" ({verdict.place})" if verdict.place else "")
    for text in (verdict.detail, verdict.cause):
        if text:
            yield f"      {text}"
    if verdict.facts:
        yield "      " + ", ".join(f"{name}: {value}" for name, value in verdict.facts.items())
    ways = [verdict.change.text] if verdict.change is not None else []
    ways += [f"{seconds(verdict.retry_after)} later"] if verdict.retry_after else []
    if ways:
        yield f"      would have passed with {', or '.join(ways)}"


def _decision_as_json(decision: Decision | None) -> object:
    if decision is None:
        return None
    shown = msgspec.to_builtins(decision)
    return {key: value for key, value in shown.items() if key not in _NOT_DETERMINISTIC}
