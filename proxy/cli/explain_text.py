"""What `seawall explain` found, for people."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

_INDENT = "  "
_LONG = 100.0
_LONGEST_VALUE = 80
"""Of a header; `--format json` has it whole."""


def request_as_text(found: Mapping[str, Any]) -> str:
    """A rehearsed request: its route and why not another, its way, and its answer."""
    asked = found["request"]
    secure = " over https" if asked["https"] else ""
    lines = [f"{asked['method']} {asked['target']} on {asked['host']}{secure}, from {asked['client_ip']}", ""]
    lines += _routing(found["routing"])
    if found["chain"]:
        lines += ["", "policies, in the order in which it meets them:", *_chain(found["chain"])]
    lines += ["", *_upstream(found["upstream"]), *_answer(found["answer"])]
    decision = found["decision"]
    if decision is not None:
        lines += _retries(decision)
        lines += [line for verdict in verdicts(decision) for line in ("", *_verdict(verdict))]
    return _printable(lines)


def decision_as_text(decision: Mapping[str, Any], live: str) -> str:
    """A decision of a running Seawall, as its admin API tells it, and the revision that is `live` now."""
    revision = decision.get("revision", "")
    since = ", replaced since: files and lines are those of then" if revision not in ("", live) else ""
    query = f"?{decision['query']}" if decision.get("query") else ""
    asked = [part for part in (decision["method"], decision["path"] + query) if part]
    who = decision["client_ip"] or "a unix socket"
    if decision.get("identity"):
        who += f" ({decision['identity']})"
    lines = [
        f"decision {decision['id']}, {decision['time']}, request {decision['request_id']}",
        f"{' '.join(asked) or 'no request that could be read,'} from {who}",
        f"route {decision['route'] or 'none'}, revision {revision[:12] or 'unknown'}{since}",
        *([f"sent to the upstream {decision['upstream']}"] if decision.get("upstream") else []),
        f"answered {decision['status']}{'' if decision.get('complete', True) else ', and broken off'}",
    ]
    lines += _retries(decision)
    lines += [line for verdict in verdicts(decision) for line in ("", *_verdict(verdict))]
    if decision.get("chain"):
        lines += ["", "policies, in the order in which it met them:", *_chain(decision["chain"])]
    return _printable(lines)


def _retries(decision: Mapping[str, Any]) -> Iterator[str]:
    """Each call that came to nothing, and why there was another or not."""
    for number, retry in enumerate(decision.get("retries", ()), 1):
        wait = retry.get("wait")
        then = "not repeated" if wait is None else f"repeated after {_time(wait)}"
        yield f"call {number} came to {retry['cause']} ({retry['error_class']}), {then}: {retry['outcome']}"


def verdicts(decision: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The one that the client felt, and those of policies in shadow; each once."""
    if decision["mode"] == "enforce":
        yield decision
    yield from decision.get("shadow", ())


def _verdict(verdict: Mapping[str, Any]) -> Iterator[str]:
    yield f"{_did(verdict)}: {verdict['reason']}"
    place = f"  {verdict['place']}" if verdict.get("place") else ""
    yield f"{_INDENT}by          {verdict['policy']}{place}"
    for label, text in (("said", verdict.get("detail")), ("because", verdict.get("cause"))):
        if text:
            yield f"{_INDENT}{label:<11} {text}"
    if verdict.get("facts"):
        facts = (f"{name} {_plain(value)}" for name, value in verdict["facts"].items())
        yield f"{_INDENT}numbers     {', '.join(facts)}"
    out = way_out(verdict)
    if out or verdict.get("place"):  # of a policy, and not of the upstream or of the wire
        yield f"{_INDENT}would pass  {out or 'by no single edit or wait that is known'}"


def _did(verdict: Mapping[str, Any]) -> str:
    if verdict["mode"] != "enforce":
        return "in shadow, would have refused"
    if verdict["reason"].startswith("upstream."):
        return "failed"
    return "refused" if verdict.get("status", 400) >= 400 else "answered by Seawall"


def way_out(verdict: Mapping[str, Any]) -> str:
    """The smallest edit or wait with which it would have passed: `with burst ≥ 14, or 3.2 s later`."""
    change, wait = verdict.get("change"), verdict.get("retry_after")
    ways = []
    if change is not None:
        ways.append(f"with {change['text']}")
    if wait is not None:
        ways.append(f"{_time(wait)} later")
    return ", or ".join(ways)


def _time(seconds: float) -> str:
    """Never too short: up to the next millisecond, or where it is long to the next second."""
    if seconds < _LONG:
        return f"{math.ceil(round(seconds * 1000, 6)) / 1000:g} s"
    minutes, left = divmod(math.ceil(round(seconds, 6)), 60)
    hours, minutes = divmod(minutes, 60)
    return " ".join(
        f"{number} {unit}" for number, unit in ((hours, "h"), (minutes, "min"), (left, "s")) if number
    )


def _routing(routing: Mapping[str, Any]) -> Iterator[str]:
    if routing["answered_here"]:
        yield "answered by Seawall itself, before any route is looked for"
        return
    if routing["route"] is None:
        yield "no route"
    else:
        yield f"route {routing['route']}  {routing['place']}"
    for name, value in routing["params"].items():
        yield f"{_INDENT}{{{name}}} is {value}"
    yield from _not_routed(routing["refusal"])
    others = [(other["route"], _why_not(other)) for other in routing["others"]]
    left_out = routing["matching_left_out"], routing["others_left_out"]
    if others or any(left_out):
        yield "why not another:"
        yield from _columns(others)
    for count, why in zip(left_out, ("matches", "does not match"), strict=True):
        if count:
            yield f"{_INDENT}{f'and {count} more' if others else f'{count}'} whose path {why}"


def _not_routed(refusal: Mapping[str, Any] | None) -> Iterator[str]:
    if refusal is not None:
        yield f"{_INDENT}{refusal['status']} {refusal['reason']}: {refusal['detail']}"
        if refusal["cause"]:
            yield f"{_INDENT}{refusal['cause']}"


def _why_not(other: Mapping[str, Any]) -> str:
    if other["less_specific_than"] is not None:
        return f"less specific than {other['less_specific_than']}"
    return "; ".join(map(_miss, other["misses"])) or "would match"


def _miss(miss: Mapping[str, Any]) -> str:
    what = f"{miss['condition']} {miss['name']}".strip()
    found = " and ".join(each or '""' for each in miss["found"]) or "absent"
    return f"{what} is {found}, not {' or '.join(miss['expected'])}"


def _chain(chain: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    rows = [
        (stage["name"], stage["outcome"], "" if stage["mode"] == "enforce" else stage["mode"], stage["place"])
        for stage in chain
    ]
    for stage, row in zip(chain, _columns(rows), strict=True):
        yield row
        for sentence in stage.get("in_words", ()):
            yield f"{_INDENT * 3}{sentence}"


def _upstream(upstream: Mapping[str, Any]) -> Iterator[str]:
    if not upstream["calls"]:
        yield "the upstream is not called"
        return
    times = "" if upstream["calls"] == 1 else f" {upstream['calls']} times"
    yield f"upstream {upstream['name']} is called{times}: {upstream['method']} {upstream['target']}"
    yield from _fields(upstream["added"])


def _answer(answer: Mapping[str, Any]) -> Iterator[str]:
    if not answer["status"]:
        yield "the connection ends without an answer"
        return
    broken_off = "" if answer["complete"] else ", and broken off"
    reason = f" {answer['reason']}" if answer["reason"] else ""
    yield f"answer {answer['status']}{reason}{broken_off}"
    yield from _fields(answer["headers"])


def _fields(fields: Iterable[Sequence[str]]) -> Iterator[str]:
    for name, value in fields:
        yield f"{_INDENT}{name}: {value if len(value) <= _LONGEST_VALUE else value[:_LONGEST_VALUE] + '...'}"


def _columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True) if width)
        yield f"{_INDENT}{'  '.join(cells)}".rstrip()


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value) or '""'


def _printable(lines: Iterable[str]) -> str:
    """Clients choose some of it: nothing of that may drive a terminal, or forge a line."""
    return "\n".join("".join(c if c.isprintable() else "�" for c in line) for line in lines)
