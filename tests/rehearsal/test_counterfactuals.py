"""What a decision says would have let a request pass does, and one less does not."""

from __future__ import annotations

import copy
import hmac
import inspect
import json
import re
import sys
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.config.loader import load
from proxy.config.secrets import Secret
from proxy.policies import PIPELINE_ORDER
from proxy.policies.identity.message_signature import MessageSignatureConfig
from proxy.policies.identity.message_signature.keys import KeyConfig
from proxy.policies.identity.message_signature.names import KeyId
from proxy.policies.identity.message_signature.signing import sign_message
from proxy.policies.limiter import Reasons
from proxy.policy import AnyPolicyType, Unsigned
from proxy.rehearsal import START, Answer, Rehearsal, Rehearsed, Request
from proxy.telemetry.decisions import Edit

SECRET = "correct-horse-battery-staple-is-long-enough"
A_FORM = ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
JSON = ("Content-Type", "application/json")
PREFLIGHT = (("Origin", "https://app.example"), ("Access-Control-Request-Method", "PUT"))


class Refused(NamedTuple):
    """A policy, and the request that it refuses after all that stand before it."""

    kind: str
    policy: dict[str, Any]
    requests: Sequence[Request]
    key: str
    """Of the edit that the decision names."""


def post(body: bytes, *fields: tuple[str, str]) -> list[Request]:
    return [Request("POST", "/", fields, body)]


def preflight(*fields: tuple[str, str]) -> list[Request]:
    return [Request("OPTIONS", "/", fields)]


def signed_as_slack(ago: int) -> list[Request]:
    """Signed that many seconds before the rehearsal begins."""
    time = str(int(START) - ago)
    signature = hmac.new(SECRET.encode(), f"v0:{time}:a=b".encode(), "sha256").hexdigest()
    return post(b"a=b", ("X-Slack-Request-Timestamp", time), ("X-Slack-Signature", f"v0={signature}"))


def signed_as_rfc_9421(ago: int, **leeway: str) -> Refused:
    """Signed that many seconds before the rehearsal begins."""
    key = KeyConfig(algorithm="hmac-sha256", secret=Secret(SECRET))
    unsigned = Unsigned("GET", "/", [("Host", "app.example")], now=START - ago)
    sign_message(MessageSignatureConfig(keys={KeyId("me"): key}), unsigned, {})
    policy = {"keys": {"me": {"algorithm": "hmac-sha256", "secret": {"env": "SECRET"}}}, **leeway}
    asked = Request("GET", "/", unsigned.headers)
    return Refused("message_signature", policy, [asked], "max_age" if ago > 0 else "leeway")


def issued(ago: int) -> list[Request]:
    """With a token that was issued that many seconds before the rehearsal begins."""
    claims = {"sub": "ann", "iat": int(START) - ago, "exp": int(START) + 600}
    return [Request(headers=[("Authorization", f"Bearer {jwt.encode(claims, SECRET, 'HS256')}")])]


def with_a_key(hidden: str = SECRET) -> list[Request]:
    return [Request(headers=[("X-API-Key", hidden)])]


EXPIRED = {"id": "acme", "sha256": sha256(SECRET.encode()).hexdigest(), "expires": "2020-01-01T00:00:00Z"}
LASTING = {"id": "globex", "sha256": sha256(b"x").hexdigest()}
BY_TOKEN = {"algorithms": ["HS256"], "secrets": [{"env": "SECRET"}], "max_age": "5m"}
BY_SIGNATURE = {"scheme": "slack", "secrets": [{"env": "SECRET"}]}

CASES = [
    pytest.param(
        Refused("api_key", {"keys": [LASTING, EXPIRED]}, with_a_key(), "keys[1].expires"),
        id="a key that has expired",
    ),
    pytest.param(Refused("jwt", BY_TOKEN, issued(1000), "max_age"), id="a token that has grown old"),
    pytest.param(signed_as_rfc_9421(1000), id="a signature by RFC 9421 that has grown old"),
    pytest.param(signed_as_rfc_9421(-99, leeway="10s"), id="one of a clock that is fast"),
    pytest.param(
        Refused(
            "authenticate",
            {"any_of": [{"api_key": {"keys": [LASTING]}}, {"webhook_signature": BY_SIGNATURE}]},
            signed_as_slack(1000),
            "any_of[1].webhook_signature.tolerance",
        ),
        id="a signature that has grown old, as one of several ways",
    ),
    pytest.param(
        Refused(
            "authenticate",
            {"any_of": [{"jwt": BY_TOKEN}, {"api_key": {"keys": [EXPIRED]}}]},
            with_a_key(),
            "any_of[1].api_key.keys[0].expires",
        ),
        id="a key that has expired, as one of several ways",
    ),
    pytest.param(Refused("size_limit", {"body": "5B"}, post(b"x" * 6), "body"), id="a body of a byte more"),
    pytest.param(Refused("size_limit", {"body": "1KiB"}, post(b"x" * 5000), "body"), id="a body of some KiB"),
    pytest.param(
        Refused("size_limit", {"body": "1MiB"}, post(b"x" * 1_234_567), "body"), id="a body of some MiB"
    ),
    pytest.param(
        Refused("size_limit", {"url": "10B"}, [Request(target="/" + "a" * 2000)], "url"), id="a long URL"
    ),
    pytest.param(
        Refused("size_limit", {"headers": "20B"}, [Request(headers=(("X-A", "a" * 1500),))], "headers"),
        id="large headers",
    ),
    pytest.param(
        Refused("size_limit", {"header_count": 3}, [Request(headers=[("X-A", "a")] * 9)], "header_count"),
        id="many headers",
    ),
    pytest.param(
        Refused("size_limit", {"content_types": ["text/*"]}, post(b"a=b", A_FORM), "content_types"),
        id="a body of another type",
    ),
    pytest.param(
        Refused("ip_list", {"allow": ["10.0.0.0/8"]}, [Request(client_ip="192.0.2.9")], "allow"),
        id="an address that is not listed",
    ),
    pytest.param(
        Refused("ip_list", {"allow": ["10.0.0.0/8"]}, [Request(client_ip="2001:db8::9")], "allow"),
        id="an IPv6 address that is not listed",
    ),
    pytest.param(
        Refused(
            "cors",
            {"origins": ["https://other.example"], "methods": ["PUT"]},
            preflight(*PREFLIGHT),
            "origins",
        ),
        id="a preflight from another origin",
    ),
    pytest.param(
        Refused("cors", {"origins": ["https://app.example"]}, preflight(*PREFLIGHT), "methods"),
        id="a preflight for another method",
    ),
    pytest.param(
        Refused(
            "cors",
            {"origins": ["https://app.example"], "methods": ["PUT"]},
            preflight(*PREFLIGHT, ("Access-Control-Request-Headers", "content-type, X-B")),
            "headers",
        ),
        id="a preflight for other headers",
    ),
    pytest.param(
        Refused(
            "webhook_signature",
            {"scheme": "slack", "secrets": [{"env": "SECRET"}]},
            signed_as_slack(1000),
            "tolerance",
        ),
        id="a signature that has grown old",
    ),
    pytest.param(
        Refused(
            "csrf",
            {"origins": ["https://other.example"]},
            post(b"", ("Origin", "https://app.example"), ("Sec-Fetch-Site", "cross-site")),
            "origins",
        ),
        id="a page of another origin",
    ),
    pytest.param(
        Refused("json_schema", {"max_depth": 2}, post(b"[[[[1]]]]", JSON), "max_depth"), id="a deep body"
    ),
    pytest.param(
        Refused("json_schema", {"max_keys": 3}, post(b'{"a": [1, 2, 3], "b": {}}', JSON), "max_keys"),
        id="a crowded body",
    ),
    pytest.param(
        Refused("csrf", {"on_missing": "refuse"}, post(b""), "on_missing"), id="a request without an origin"
    ),
    pytest.param(
        Refused(
            "event_filter",
            {"header": "X-Event", "allow": ["push"]},
            post(b"", ("X-Event", "true")),
            "allow",
        ),
        id="an event that is not listed",
    ),
    pytest.param(
        Refused(
            "event_filter",
            {"field": "/type", "allow": ["push"], "on_other": "ack"},
            post(b'{"type": "7"}'),
            "allow",
        ),
        id="an event in a body that is acknowledged only",
    ),
    pytest.param(
        Refused("rate_limit", {"limit": "100/min", "burst": 10}, [Request()] * 11, "burst"),
        id="one request more than a burst",
    ),
    pytest.param(
        Refused("rate_limit", {"limit": "7/s", "burst": 5, "cost": 3}, [Request()] * 2, "burst"),
        id="requests that cost several tokens",
    ),
    pytest.param(
        Refused(
            "rate_limit",
            {"limit": "7/s", "key": ["header:X-Tenant"], "on_missing_key": "refuse"},
            [Request()],
            "on_missing_key",
        ),
        id="a request that does not say whose it is",
    ),
    pytest.param(
        Refused(
            "quota",
            {"limit": "7/day", "burst": 3, "key": ["client.ip"], "reset": "rolling"},
            [Request()] * 4,
            "burst",
        ),
        id="a rolling quota that is used up",
    ),
    pytest.param(
        Refused("quota", {"limit": "3/day", "key": ["client.ip"], "cost": 2}, [Request()] * 2, "limit"),
        id="a quota of this day that is used up",
    ),
]


class Trial:
    """One policy on the only route of a policy file."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.file = folder / "trial.yaml"
        self.kind = kind

    def last(self, policy: dict[str, Any], requests: Sequence[Request], wait: float = 0.0) -> Rehearsed:
        """The last of `requests`, `wait` seconds after those before it."""
        with self.rehearsal(policy) as rehearsal:
            for request in requests[:-1]:
                rehearsal.send(request)
            rehearsal.wait(wait)
            return rehearsal.send(requests[-1])

    def rehearsal(self, policy: dict[str, Any]) -> Rehearsal:
        document = {
            "version": 1,
            "upstreams": {"app": {"url": "http://127.0.0.1:3000"}},
            "test_secrets": {"env": {"SECRET": SECRET}},
            "routes": [{"name": "all", "match": {"path": "/**"}, "policies": {self.kind: policy}}],
        }
        self.file.write_text(json.dumps(document))  # which is YAML too
        return Rehearsal(load(self.file, PIPELINE_ORDER, env={}, rehearsal=True))


def edited(policy: dict[str, Any], edit: Edit, value: Any) -> dict[str, Any]:
    """`policy` with `value` where the edit wants something, as an operator would write it."""
    policy = copy.deepcopy(policy)
    *above, last = re.findall(r"[^.\[\]]+", edit.key)
    at: Any = policy
    for step in above:
        at = at[int(step)] if step.isdigit() else at.setdefault(step, {})
    if edit.how == "add":
        at[last] = [*at.get(last, []), *(value if isinstance(value, list) else [value])]
    else:
        at[last] = value
    return policy


def one_less(value: Any) -> Any:
    """The next smaller value of as many digits; of a list, all but one."""
    if isinstance(value, list):
        return value[1:]
    if isinstance(value, int):
        return value - 1
    number, unit = re.fullmatch(r"([\d.]+)(.*)", value).groups()  # type: ignore[union-attr]
    digits = len(number.partition(".")[2])
    return f"{float(number) - 10**-digits:.{digits}f}{unit}"


@pytest.mark.parametrize("case", CASES)
def test_with_the_edit_that_the_decision_names_the_request_passes_and_with_one_less_it_does_not(
    case: Refused, tmp_path: Path
) -> None:
    trial = Trial(tmp_path, case.kind)
    refused = trial.last(case.policy, case.requests)
    edit = refused.decision.change if refused.decision else None

    assert edit is not None
    assert (case.kind, case.key) == (refused.reason.partition(".")[0], edit.key)
    assert "" == trial.last(edited(case.policy, edit, edit.value), case.requests).reason
    if edit.how == "at_least" or isinstance(edit.value, list):
        less = edited(case.policy, edit, one_less(edit.value))
        assert refused.reason == trial.last(less, case.requests).reason


@settings(deadline=None, max_examples=25)
@given(size=st.integers(1, 3_000_000), limit=st.integers(0, 2_000_000))
def test_the_limit_that_a_body_needs_is_known_to_a_thousandth(
    tmp_path_factory: pytest.TempPathFactory, size: int, limit: int
) -> None:
    limit = min(limit, size - 1)
    trial, request = Trial(tmp_path_factory.getbasetemp(), "size_limit"), post(b"x" * size)
    decision = trial.last({"body": f"{limit}B"}, request).decision

    assert decision is not None
    assert decision.change is not None
    value = decision.change.value
    assert "" == trial.last({"body": value}, request).reason
    assert "size_limit.body" == trial.last({"body": one_less(value)}, request).reason


@settings(deadline=None, max_examples=25)
@given(limit=st.integers(1, 1000), period=st.sampled_from(["s", "min", "h"]), burst=st.integers(1, 20))
def test_after_the_wait_that_the_decision_names_the_request_passes_and_a_millisecond_before_it_does_not(
    tmp_path_factory: pytest.TempPathFactory, limit: int, period: str, burst: int
) -> None:
    trial = Trial(tmp_path_factory.getbasetemp(), "rate_limit")
    policy, requests = {"limit": f"{limit}/{period}", "burst": burst}, [Request()] * (burst + 1)
    refused = trial.last(policy, requests).decision

    assert refused is not None
    assert refused.retry_after is not None
    again = [*requests, Request()]
    assert "" == trial.last(policy, again, refused.retry_after).reason
    sooner = trial.last(policy, again, refused.retry_after - 0.001).reason
    assert ("rate_limit.exceeded" if refused.retry_after >= 0.001 else "") == sooner


def test_after_a_penalty_the_wait_is_still_the_one_that_is_named(tmp_path: Path) -> None:
    trial, requests = Trial(tmp_path, "rate_limit"), [Request()] * 9
    policy = {"limit": "60/min", "burst": 2, "penalty": {"after": 3, "factor": 2}}
    refused = trial.last(policy, requests).decision

    assert refused is not None
    assert refused.retry_after is not None
    assert (True, None) == (refused.retry_after > 1, refused.change)
    waits = (refused.retry_after, refused.retry_after - 0.001)
    assert ["", "rate_limit.exceeded"] == [
        trial.last(policy, [*requests, Request()], wait).reason for wait in waits
    ]


def test_a_breaker_that_is_open_lets_a_call_through_after_the_wait_that_is_named_and_not_before(
    tmp_path: Path,
) -> None:
    waited = {}
    for short in (0.0, 0.001):
        policy = {"trip": {"consecutive_failures": 2}, "open_for": "30s"}
        with Trial(tmp_path, "circuit_breaker").rehearsal(policy) as rehearsal:
            rehearsal.script([Answer(503), Answer(503), Answer()])
            for _ in range(2):
                rehearsal.send(Request())
            rehearsal.wait(7.25)
            refused = rehearsal.send(Request()).decision
            assert refused is not None
            assert refused.retry_after is not None
            rehearsal.wait(refused.retry_after - short)
            waited[short] = refused.retry_after, rehearsal.send(Request()).reason

    assert {0.0: (22.75, ""), 0.001: (22.75, "circuit_breaker.open")} == waited


NOT_ONE_EDIT = [
    pytest.param(
        "authenticate",
        {"any_of": [{"jwt": BY_TOKEN}, {"api_key": {"keys": [EXPIRED]}}]},
        Request(headers=[*issued(1000)[0].headers, *with_a_key()[0].headers]),
        id="two credentials that have expired",
    ),
    pytest.param(
        "size_limit",
        {"body": "5B"},
        Request("POST", headers=(("Transfer-Encoding", "chunked"),), body=b"6\r\n123456\r\n0\r\n\r\n"),
        id="a chunked body, whose length is not known",
    ),
    pytest.param("size_limit", {"content_types": ["text/*"]}, post(b"a=b")[0], id="a body that says no type"),
    pytest.param(
        "json_schema",
        {"schema": {"type": "object"}},
        post(b"[]", JSON)[0],
        id="a body that a schema describes otherwise",
    ),
    pytest.param(
        "size_limit",
        {"content_types": ["text/*"]},
        post(b"a=b", ("Content-Type", "image/*"))[0],
        id="a type that would be all of its subtypes",
    ),
    pytest.param("ip_list", {"deny": ["192.0.2.0/24"]}, Request(), id="an address that is denied"),
    pytest.param(
        "cors", {"origins": ["https://b.example"]}, preflight(*PREFLIGHT)[0], id="two things at once"
    ),
    pytest.param(
        "cors",
        {"origins": ["https://b.example"]},
        preflight(("Origin", "https://A.example"), ("Access-Control-Request-Method", "GET"))[0],
        id="an origin that no browser writes so",
    ),
    pytest.param(
        "cors",
        {"origins": ["https://app.example"], "methods": ["PUT"]},
        preflight(*PREFLIGHT, ("Access-Control-Request-Headers", ",".join(f"x-{n}" for n in range(20))))[0],
        id="more headers than anybody would list",
    ),
]


@pytest.mark.parametrize(("kind", "policy", "request_"), NOT_ONE_EDIT)
def test_where_no_single_edit_is_the_right_one_none_is_named(
    kind: str, policy: dict[str, Any], request_: Request, tmp_path: Path
) -> None:
    done = Trial(tmp_path, kind).last(policy, [request_])

    assert done.decision is not None
    assert (kind, None) == (done.reason.partition(".")[0], done.decision.change)


def sources(kind: AnyPolicyType) -> Iterator[str]:
    """Of all modules that the policy has for itself."""
    name = kind.config.__module__
    for each in list(sys.modules):
        if each == name or each.startswith(f"{name}."):
            yield inspect.getsource(sys.modules[each])


def test_every_policy_that_names_edits_is_tried_here() -> None:
    naming = {
        kind.name
        for kind in PIPELINE_ORDER
        if any(re.search(r"\bChange\(|\bkey=.*\bchange\.key", source) for source in sources(kind))
        or isinstance(sys.modules[kind.config.__module__].REASONS, Reasons)  # by the code that limits share
    }

    assert naming == {case.values[0].kind for case in CASES}  # type: ignore[union-attr]
