"""Random stacks of policies, upstreams and clients.

A stack is a policy file, so that what is drawn is what operators write. What happens at the same moment may
happen in another order where hooks wait: so no two clients come at the same moment, and no two answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from hypothesis import strategies as st

from proxy.app.compile import KINDS
from proxy.rehearsal import Answer, Request

KEYS = ("one", "two")
SECRETS = {name: sha256(name.encode()).hexdigest() for name in KEYS}

# ---- what is drawn: settings of each policy, as its YAML has them

_WAIT = st.sampled_from(["200ms", "1s", "3s"])
_CODES = st.sampled_from(["[503]", "[5xx]", "[429]"])
_KEY = st.sampled_from(["[client.ip]", "[constant]", '["header:X-Key"]'])


def _settings(**fields: st.SearchStrategy[Any] | str) -> st.SearchStrategy[str]:
    drawn = {name: st.just(value) if isinstance(value, str) else value for name, value in fields.items()}
    return st.fixed_dictionaries(drawn).map(
        lambda found: ", ".join(f"{name}: {value}" for name, value in found.items() if value is not None)
    )


_ONE_TO_THREE = st.integers(1, 3)
_BREAKER = _settings(
    trip=st.sampled_from(
        [
            "{consecutive_failures: 1}",
            "{consecutive_failures: 2}",
            "{failure_ratio: 50%, min_requests: 2, window: 10s}",
        ]
    ),
    open_for=_WAIT,
    half_open=st.sampled_from(["{probes: 1}", "{probes: 2, successes: 2, probe_timeout: 500ms}"]),
    on_open=st.sampled_from([None, "{upstream: backup}", "{status: 200, text: later}"]),
)
_CLASSES = st.sampled_from(
    [
        None,
        "{network_error: {}, gateway_error: {}, timeout: {}, connect_error: {}}",
        "{rate_limited: {}, server_error: {max_retries: 3}}",
        '{odd: {body: {regex: "try again"}}, connect_error: {}}',
        "{marked: {header: {name: X-Mark}}, network_error: {}}",
    ]
)
POOL: dict[str, st.SearchStrategy[str]] = {
    "deadline": _settings(total=st.sampled_from(["700ms", "5s", "50s"]),
                          propagate=st.sampled_from([None, "X-Left"])),
    "forwarded": _settings(emit=st.sampled_from(["[]", "[x-forwarded, forwarded]"])),
    "security_headers": _settings(preset="helmet"),
    "cors": _settings(origins='["https://a.example"]'),
    "ip_list": _settings(deny="[192.0.2.9]"),
    "size_limit": _settings(body=st.sampled_from(["10B", "1KiB"])),
    "rate_limit": _settings(limit=st.sampled_from(["2/s", "3/min"]), burst=_ONE_TO_THREE, key=_KEY,
                            on_missing_key="allow"),
    "api_key": _settings(
        header="X-Key",
        keys="[" + ", ".join(f"{{id: {name}, sha256: {digest}}}" for name, digest in SECRETS.items()) + "]",
    ),
    "quota": _settings(limit=st.sampled_from(["2/day", "5/day"]), key=_KEY, on_missing_key="allow"),
    "event_filter": _settings(field="/type", allow="[a]", on_other=st.sampled_from(["refuse", "ack"])),
    "json_schema": _settings(schema="{type: object}", max_depth="5"),
    "replay_guard": _settings(key=st.sampled_from(['["header:X-Id"]', "[body.sha256]"]), ttl="1h",
                              on_duplicate=st.sampled_from(["ack", "refuse"])),
    "idempotency": _settings(
        key='["header:X-Id"]',
        on_in_flight=st.sampled_from(["refuse", "wait"]),
        on_unknown=st.sampled_from(["forget", "hold"]),
        pending_for="4s",
    ),
    "mask_errors": _settings(when=st.sampled_from(["stack_trace", "always"])),
    "concurrency": _settings(
        max=st.integers(1, 2),
        queue=st.sampled_from([None, "{size: 1, timeout: 300ms}", "{size: 3, timeout: 3s}"]),
    ),
    "retry": _settings(
        max_retries=st.integers(0, 3),
        methods=st.sampled_from([None, "[GET, POST]"]),
        backoff=st.sampled_from(["{base: 10ms, jitter: none}", "{base: 700ms, max: 2s, jitter: full}"]),
        classes=_CLASSES,
        body_limit=st.sampled_from([None, "8B"]),
        attempts_header="X-Attempts",
    ),
    "circuit_breaker": _BREAKER,
    "pace": _settings(limit=st.sampled_from(["1/s", "3/s"]), burst=st.integers(1, 2), key=_KEY,
                      on_missing_key="allow", max_wait=st.sampled_from(["500ms", "5s"])),
    "timeout": _settings(connect="1s", response=st.sampled_from(["300ms", "2s"]), idle="1s"),
}  # fmt: skip
_OFTEN = {
    "retry": 7,
    "timeout": 5,
    "circuit_breaker": 4,
    "concurrency": 4,
    "pace": 4,
    "idempotency": 3,
    "mask_errors": 3,
    "rate_limit": 3,
    "deadline": 3,
    "event_filter": 1,
    "json_schema": 1,
    "ip_list": 1,
}
"""In how many of ten stacks; two where nothing is said."""
_MODES = st.sampled_from(["enforce"] * 6 + ["shadow", '"50%"'])


@st.composite
def _policy(draw: st.DrawFn, kind: str) -> str:
    stated, mode = draw(POOL[kind]), draw(_MODES)
    if KINDS[kind].no_shadow:
        mode = "enforce"
    return f"{{{stated}, mode: {mode}}}"


@st.composite
def files(draw: st.DrawFn) -> str:
    """A policy file with one stack on two routes, which share the state of those that are named."""
    kinds = [kind for kind in sorted(POOL) if draw(st.integers(0, 9)) >= 10 - _OFTEN.get(kind, 2)]
    stated = {kind: draw(_policy(kind)) for kind in kinds}
    named = [kind for kind in kinds if draw(st.booleans())]
    places = draw(st.sampled_from([1, 100]))
    lines = [
        "version: 1",
        f'upstreams: {{app: {{url: "http://app:1", pool: {{max_connections: {places}, wait: 1s}}}},',
        '  backup: {url: "http://backup:1"}}',
        "policies:",
        *(f"  {kind}: {{shared: {stated[kind]}}}" for kind in named),
        "routes:",
    ]
    for route in "ab":
        lines += [
            f"  - name: {route}",
            f'    match: {{path: "/{route}"}}',
            "    upstream: app",
            "    policies:",
        ]
        lines += [f"      {kind}: {'shared' if kind in named else stated[kind]}" for kind in kinds]
        lines += ["      {}"] if not kinds else []
    text = (
        "\n".join(lines).replace("policies:\nroutes", "routes").replace("policies:\n      {}", "policies: {}")
    )
    return text + "\n"


@dataclass(frozen=True)
class Coming:
    """A client: when it comes after the one before, what it asks, and when it leaves, if it does."""

    after: float
    request: Request
    leaves: float | None


def _request(method: str, route: str, body: bytes, key: str, id_: str, ip: int) -> Request:
    named = [
        ("X-Key", key),
        ("X-Id", id_),
        ("Content-Type", "application/json"),
        ("Origin", "https://a.example"),
    ]
    headers = [(name, value) for name, value in named if value]
    return Request(method, f"/{route}", headers, body if method == "POST" else b"", f"192.0.2.{ip}")


CLIENTS = st.lists(
    st.builds(
        Coming,
        st.sampled_from([0.0, 0.0, 0.1, 0.6, 2.5]),
        st.builds(
            _request,
            st.sampled_from(["GET", "POST", "POST", "HEAD"]),
            st.sampled_from("ab"),
            st.sampled_from([b'{"type": "a"}', b'{"type": "a"}', b'{"type": "b"}', b"not JSON, longer"]),
            st.sampled_from(["one", "one", "two", "", "wrong"]),
            st.sampled_from(["i", "j", "k", ""]),
            st.sampled_from([1, 1, 2, 3, 9]),
        ),
        st.sampled_from([None] * 9 + [0.02, 0.25, 1.5]),
    ),
    min_size=1,
    max_size=7,
)
_TRACE = b"Traceback (most recent call last):\n  boom"
_ANSWER = st.builds(
    Answer,
    st.sampled_from([200, 200, 201, 204, 404, 429, 500, 503]),
    st.sampled_from([(), (("Retry-After", "1"),), (("X-Mark", "1"),)]),
    st.sampled_from([b"fine", b"try again", _TRACE, b""]),
    st.sampled_from([0.01, 0.05, 0.4, 1.7]),
    st.sampled_from([""] * 6 + ["refuse", "hang", "hang_connect", "hang_body", "reset", "reset_body"]),
)
SCRIPTS = st.lists(_ANSWER, min_size=1, max_size=6)
_APART = 1.37e-5
"""Seconds by which answers are apart that would come at the same moment; clients by more."""


def apart(script: Sequence[Answer]) -> list[Answer]:
    """The same, and then good ones, such that no two come equally late."""
    more = [*script, *[Answer(body=b"fine", latency=0.03)] * 60]
    return [replace(each, latency=each.latency + n * _APART) for n, each in enumerate(more)]
