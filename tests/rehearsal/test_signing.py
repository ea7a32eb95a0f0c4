"""Requests and answers of tests, and what a route wants to see of a request."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
import pytest
from msgspec import Meta

from proxy.app.compile import KINDS
from proxy.config.configuration import Configuration
from proxy.config.schema import PolicyConfig
from proxy.config.secrets import Secret
from proxy.config.simulated import SimulatedAnswer, SimulatedRequest
from proxy.config.units import Duration, Size
from proxy.errors import Rejection
from proxy.exchange import Exchange
from proxy.policies import PIPELINE_ORDER
from proxy.policy import PolicyType, Services, Unsigned
from proxy.rehearsal import START, Answer, Rehearsal, Request
from proxy.rehearsal.signing import answers_of, request_of, sign
from tests.rehearsal.plays import POLICIES, configured, played, wrong


class PasswordConfig(PolicyConfig, frozen=True, kw_only=True):
    known: Annotated[str, Meta(description="What a client must show, backwards.")] = "?"
    secret: Annotated[Secret | None, Meta(description="Another.")] = None


class Password:
    """Knows only what a password looks like backwards, as others know a hash."""

    def __init__(self, config: PasswordConfig, services: Services) -> None:
        del services
        secret = config.secret.reveal_text() if config.secret is not None else ""
        self._known = secret or config.known[::-1]

    def on_request(self, exchange: Exchange) -> None:
        if exchange.request.headers.get("X-Password") != self._known:
            raise Rejection(401, "password.wrong", "Wrong password.")


def shows(config: PasswordConfig, unsigned: Unsigned, credentials: Mapping[str, str]) -> None:
    if config.secret is not None:
        unsigned.headers.append(("X-Password", config.secret.reveal_text()))
    elif "alice" in credentials:
        unsigned.headers.append(("X-Password", credentials["alice"]))
    else:
        raise ValueError("no credential is called alice; expected one in test_secrets")


def knows(config: PasswordConfig, credentials: Mapping[str, str]) -> PasswordConfig:
    return msgspec.structs.replace(config, known=credentials.get("alice", config.known)[::-1])


PASSWORD = PolicyType("password", PasswordConfig, Password, sign=shows, rehearsed=knows)
GUARDED = POLICIES + (
    "  - {name: guarded, match: {path: /guarded}, policies: {password: {known: ecila}}}\n"
    "  - {name: also, match: {path: /also}, policies: {password: {use: shared}}}\n"
    "  - {name: too, match: {path: /too}, policies: {password: shared}}\n"
    "  - {name: off, match: {path: /off}, enabled: false}\n"
    "policies: {password: {shared: {secret: {env: WORD}}}}\n"
)
CREDENTIALS = "test_secrets: {env: {WORD: sesame}, credentials: {alice: wonderland}}\n"
SIGNED = "{request: {path: /guarded, sign: guarded}, expect: {status: 200}}"


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "password", PASSWORD)


def guarded(folder: Path, more: str = CREDENTIALS) -> Configuration:
    return configured(folder, GUARDED, more, kinds=(*PIPELINE_ORDER, PASSWORD))


def how(folder: Path, *steps: str, more: str = CREDENTIALS) -> tuple[str, dict[str, tuple[str, str]]]:
    """What a failure says, and what is not as expected."""
    result = played(folder, *steps, text=GUARDED, more=more, kinds=(*PIPELINE_ORDER, PASSWORD))
    return result.failure.error if result.failure else "", wrong(result)


def test_a_credential_of_the_tests_is_shown_and_known(tmp_path: Path) -> None:
    unsigned = "{request: {path: /guarded}, expect: {status: 401, reason: password.wrong}}"

    assert ("", {}) == how(tmp_path, SIGNED, unsigned)


def test_a_secret_of_the_tests_stands_for_that_of_the_environment(tmp_path: Path) -> None:
    also = "{request: {path: /also, sign: also}, expect: {status: 200}}"
    steps = [also, also.replace("also", "too")]

    assert ("", {}) == how(tmp_path, *steps)


def test_policies_that_share_their_settings_go_on_sharing_them(tmp_path: Path) -> None:
    with Rehearsal(guarded(tmp_path)) as rehearsal:
        shared = [
            route.policies[-1] for route in rehearsal.configuration.routes if route.name in ("also", "too")
        ]

        assert 1 == len({id(policy.config) for policy in shared})


def test_what_cannot_be_signed_is_a_failure_at_its_place(tmp_path: Path) -> None:
    result = played(
        tmp_path,
        "{wait: 1s}",
        "request:\n          path: /guarded\n          sign: guarded\n        expect: {status: 200}",
        text=GUARDED,
        more="test_secrets: {env: {WORD: sesame}}\n",
        kinds=(*PIPELINE_ORDER, PASSWORD),
    )

    assert result.failure is not None
    sign_line = (tmp_path / "a.yaml").read_text().splitlines().index("          sign: guarded") + 1
    assert (f"{tmp_path}/a.yaml:{sign_line}", 2, 0) == (
        result.failure.place,
        result.failure.step,
        result.requests,
    )
    assert "sign: no credential is called alice; expected one in test_secrets" == result.failure.error


@pytest.mark.parametrize(
    ("route", "message"),
    [
        ("all", "no policy of the route all asks for a signature or a credential"),
        ("off", "the route off is not enabled"),
    ],
)
def test_a_route_with_nothing_to_sign_is_an_error(tmp_path: Path, route: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sign(Unsigned("GET", "/"), route, guarded(tmp_path), {})


@pytest.mark.parametrize(
    ("stated", "sent"),
    [
        (SimulatedRequest(path="/a"), Request("GET", "/a", (("Host", "localhost"),))),
        (
            SimulatedRequest(method="POST", path="/", json={"a": ["ü", 1]}, https=True, client_ip="::1"),
            Request(
                "POST",
                "/",
                (("Host", "localhost"), ("Content-Type", "application/json")),
                '{"a":["ü",1]}'.encode(),
                "::1",
                https=True,
            ),
        ),
        (
            SimulatedRequest(path="/", json=[], headers={"HOST": "a", "content-type": "b"}),
            Request("GET", "/", (("HOST", "a"), ("content-type", "b")), b"[]"),
        ),
        (SimulatedRequest(path="/", body="ü"), Request("GET", "/", (("Host", "localhost"),), "ü".encode())),
        (
            SimulatedRequest(path="/", body_size=Size(3)),
            Request("GET", "/", (("Host", "localhost"),), b"xxx"),
        ),
    ],
    ids=["bare", "JSON", "headers of its own", "text", "a size"],
)
def test_a_request_is_what_the_test_states(tmp_path: Path, stated: SimulatedRequest, sent: Request) -> None:
    assert sent == request_of(stated, configured(tmp_path), {}, START)


@pytest.mark.parametrize(
    ("stated", "script"),
    [
        (None, (Answer(),)),
        (
            SimulatedAnswer(status=404, json=1),
            (Answer(404, (("Content-Type", "application/json"),), b"1"),),
        ),
        (
            SimulatedAnswer(json=1, headers={"Content-Type": "a"}),
            (Answer(200, (("Content-Type", "a"),), b"1"),),
        ),
        (
            (SimulatedAnswer(hang=True), SimulatedAnswer(hang="connect"), SimulatedAnswer(refuse=True)),
            (Answer(fault="hang"), Answer(fault="hang_connect"), Answer(fault="refuse")),
        ),
        (
            (SimulatedAnswer(reset=True, latency=Duration(1)), SimulatedAnswer(reset="body", body="a")),
            (Answer(latency=1.0, fault="reset"), Answer(body=b"a", fault="reset_body")),
        ),
        (SimulatedAnswer(hang="body", body_size=Size(2)), (Answer(body=b"xx", fault="hang_body"),)),
    ],
    ids=["nothing", "JSON", "a type of its own", "no connection", "resets", "half a body"],
)
def test_a_script_is_what_the_test_states(
    stated: SimulatedAnswer | tuple[SimulatedAnswer, ...] | None, script: tuple[Answer, ...]
) -> None:
    assert script == answers_of(stated)
