"""The production proxy on a virtual loop."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.errors import ConfigError
from proxy.rehearsal import START, Answer, Rehearsal, Rehearsed, Request, Stuck, rehearse
from tests.rehearsal.plays import POLICIES, configured


def facts(got: Rehearsed) -> tuple[int, str, float, bool]:
    return got.status, got.reason, round(got.elapsed, 3), got.complete


def test_a_request_goes_through_and_its_answer_comes_back(tmp_path: Path) -> None:
    answer = Answer(201, [("X-A", "b")], b"body", latency=0.25)
    got = rehearse(
        configured(tmp_path), Request("POST", "/a?b=c", [("X-C", "d")], b"sent"), upstream=[answer]
    )

    assert ((201, "", 0.25, True), b"body", "b") == (facts(got), got.body, got.header("x-a"))
    (call,) = got.calls
    assert ("app", "POST", "/a?b=c", b"sent") == (call.upstream, call.method, call.target, call.body)
    assert ("X-C", "d") in call.headers


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(fault="refuse"), (502, "upstream.unreachable", 0.0, True)),
        (Answer(fault="hang_connect"), (504, "timeout.connect", 1.0, True)),
        (Answer(fault="hang"), (504, "timeout.response", 2.0, True)),
        (Answer(fault="reset", latency=1), (502, "upstream.reset", 1.0, True)),
        (Answer(fault="reset_body", body=b"abcd"), (200, "upstream.reset", 0.0, False)),
        (Answer(fault="hang_body", body=b"abcd"), (200, "timeout.idle", 3.0, False)),
    ],
    ids=["refused", "no connection", "no answer", "reset", "reset in the body", "half a body"],
)
def test_trouble_with_the_upstream_is_met_as_in_production(
    tmp_path: Path, answer: Answer, expected: tuple[int, str, float, bool]
) -> None:
    assert expected == facts(rehearse(configured(tmp_path), Request(), upstream=[answer]))


CHECKED = """\
version: 1
upstreams: {app: {url: "http://app", health_check: {path: /health, readiness: true}}}
health: {paths: {/ready: readiness}, checks: {db: {tcp: "db:5432", readiness: true}}}
routes: [{name: all, match: {path: "/**"}}]
"""


def test_no_check_is_made_and_readiness_is_as_if_all_had_passed(tmp_path: Path) -> None:
    got = rehearse(configured(tmp_path, CHECKED), Request("GET", "/ready"))

    assert (200, []) == (got.status, list(got.calls))


def test_a_refusal_comes_with_its_decision(tmp_path: Path) -> None:
    got = rehearse(configured(tmp_path), Request("POST", "/", body=b"x" * 2000))

    assert got.decision is not None
    assert ("size_limit.body", {"declared": 2000, "limit": 1024}, 0) == (
        got.decision.reason,
        got.decision.facts,
        got.upstream_calls,
    )
    assert "2026-01-05T09:00:00.000Z" == got.decision.time


def test_what_is_only_in_shadow_is_no_reason(tmp_path: Path) -> None:
    shadow = POLICIES.replace("size_limit: {body: 1KiB}", "size_limit: {body: 1KiB, mode: shadow}")
    got = rehearse(configured(tmp_path, shadow), Request("POST", "/", body=b"x" * 2000))

    assert (200, "", ["size_limit.body"]) == (got.status, got.reason, got.shadowed)


def test_a_request_that_goes_through_has_no_decision(tmp_path: Path) -> None:
    got = rehearse(configured(tmp_path), Request())

    assert (None, []) == (got.decision, got.shadowed)


def test_two_rehearsals_are_the_same(tmp_path: Path) -> None:
    def run() -> list[object]:
        seen: list[object] = []
        with Rehearsal(configured(tmp_path)) as rehearsal:
            rehearsal.script([Answer(latency=0.1), Answer(fault="reset"), Answer(body=b"x" * 200_000)])
            for _ in range(3):
                for got in rehearsal.send_at_once([Request("GET", f"/{n}") for n in range(5)]):
                    seen += [facts(got), got.reason or got.body, [call.target for call in got.calls]]
                rehearsal.wait(1.7)
        return seen

    assert run() == run()


def test_one_sees_what_the_last_one_left(tmp_path: Path) -> None:
    few = POLICIES.replace('3000"', '3000", pool: {max_connections: 1, wait: 1s}')
    with Rehearsal(configured(tmp_path, few)) as rehearsal:
        rehearsal.script([Answer(latency=1.5)])
        crowd = rehearsal.send_at_once([Request()] * 2)
        rehearsal.script([Answer()])
        after = rehearsal.send(Request())

    assert [(200, "", 1.5, True), (503, "upstream.busy", 1.0, True)] == sorted(map(facts, crowd))
    assert ((200, "", 0.0, True), 1) == (facts(after), after.upstream_calls)


def test_a_request_over_https_is_known_as_such(tmp_path: Path) -> None:
    policies = POLICIES.replace("defaults:\n", "defaults:\n  forwarded: {emit: [x-forwarded]}\n")
    got = rehearse(configured(tmp_path, policies), Request(https=True, client_ip="198.51.100.7"))

    assert {("X-Forwarded-Proto", "https"), ("X-Forwarded-For", "198.51.100.7")} <= set(got.calls[0].headers)


def test_an_upstream_with_tls_or_on_a_socket_is_played_too(tmp_path: Path) -> None:
    for url in ("https://api.example.com", "unix:/run/app.sock"):
        got = rehearse(configured(tmp_path, POLICIES.replace("http://127.0.0.1:3000", url)), Request())
        assert (200, "app") == (got.status, got.calls[0].upstream)


def test_certificates_need_not_be_there(tmp_path: Path) -> None:
    tls = ", tls: {ca_file: no/such.pem, client_cert: {cert_file: no/such.crt, key_file: no/such.key}}}"
    policies = POLICIES.replace('"http://127.0.0.1:3000"}', '"https://api.example.com"' + tls)
    files = "test_secrets: {files: {no/such.pem: '', no/such.crt: '', no/such.key: ''}}\n"

    assert 200 == rehearse(configured(tmp_path, policies, files), Request()).status


def test_time_passes_while_waiting_and_the_clock_with_it(tmp_path: Path) -> None:
    with Rehearsal(configured(tmp_path), at=START + 5) as rehearsal:
        rehearsal.wait(90)

        assert (90.0, START + 95) == (rehearsal.elapsed, rehearsal.clock.now())


def test_a_minute_of_traffic_is_a_matter_of_callbacks(tmp_path: Path) -> None:
    with Rehearsal(configured(tmp_path)) as rehearsal:
        statuses = []
        for _ in range(600):
            statuses.append(rehearsal.send(Request()).status)
            rehearsal.wait(0.1)

        assert ([200] * 600, 600, 60.0) == (statuses, rehearsal.upstream_calls, round(rehearsal.elapsed, 6))


def test_a_configuration_that_cannot_be_built_is_an_error(tmp_path: Path) -> None:
    policies = POLICIES.replace("deadline: 500ms", "deadline: {total: 1s, accept_from_clients: true}")
    with pytest.raises(ConfigError):
        Rehearsal(configured(tmp_path, policies))


def test_a_bug_in_a_callback_is_an_error(tmp_path: Path) -> None:
    with Rehearsal(configured(tmp_path)) as rehearsal:
        rehearsal._loop.call_later(1, lambda: 1 / 0)  # as a bug in the wire would be

        with pytest.raises(Stuck, match="division by zero"):
            rehearsal.wait(2)


def test_warnings_of_the_files_are_not_repeated(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    unused = configured(tmp_path, POLICIES, "policies: {deadline: {slow: 60s}}\n")
    rehearse(unused, Request())

    assert (1, "") == (len(unused.warnings), caplog.text)
