"""What an operator reads before enforcing a policy."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.exchange import RouteFacts
from proxy.telemetry import shadow_report
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.shadow_report import MOST_CALLERS, MOST_EXAMPLES, ShadowReport
from tests.telemetry.shadowed import AT, IN_SHADOW, configuration, follow, route, would_be_refused

LATER = AT + 60


class Counters(dict[str, dict[str, int]]):
    """What metrics have counted."""

    def report(self) -> ShadowReport:
        return ShadowReport(lambda: self)


@pytest.fixture
def counted() -> Counters:
    return Counters()


@pytest.fixture
def report(counted: Counters) -> ShadowReport:
    return counted.report()


def only(report: ShadowReport, **chosen: Any) -> shadow_report.ShadowedPolicy:
    (policy,) = report.summary(**chosen)
    return policy


def live(report: ShadowReport, *entries: str, at: float = AT) -> None:
    report.follow(configuration(f"routes:\n{''.join(entries)}"), at)


def test_one_knows_how_much_would_be_refused_since_when_and_of_how_much(
    report: ShadowReport, counted: Counters
) -> None:
    follow(report, ["tickets"])
    counted["/tickets/{id}"] = {"GET": 150, "HEAD": 50, "POST": 1000}
    for number in range(4):
        report.add(would_be_refused(f"d-{number}"), AT + number)

    policy = only(report)

    assert ("tickets", "size_limit/tickets", "size_limit", "shadow", "2023-11-14T22:13:20.000Z", 200, 4) == (
        policy.route,
        policy.policy,
        policy.kind,
        policy.mode,
        policy.since,
        policy.requests,
        policy.would_have_refused,
    )
    (finding,) = policy.findings
    assert ("size_limit.body", "would have refused", 4, 0.02, 1, False) == (
        finding.reason,
        finding.effect,
        finding.count,
        finding.share,
        finding.callers,
        finding.more_callers,
    )
    assert ("2023-11-14T22:13:20.000Z", "2023-11-14T22:13:23.000Z") == (finding.first, finding.last)


def test_a_policy_that_would_have_refused_nothing_is_listed(report: ShadowReport, counted: Counters) -> None:
    follow(report, ["tickets"])
    counted["/tickets/{id}"] = {"GET": 12345}

    assert (12345, 0, []) == (
        only(report).requests,
        only(report).would_have_refused,
        only(report).findings,
    )


@pytest.mark.parametrize(
    ("mode", "listed"),
    [("shadow", True), ("10%", True), ("0%", True), ("100%", False), ("enforce", False), ("disabled", False)],
)
def test_what_is_not_in_shadow_for_anybody_is_not_listed(
    report: ShadowReport, mode: str, listed: bool
) -> None:
    live(report, route("tickets", f"{{size_limit: {{body: 1KiB, mode: '{mode}'}}}}"))

    assert listed is bool(report.summary())


def test_an_exchange_counts_once_however_often_a_policy_reports_it(report: ShadowReport) -> None:
    follow(report, ["tickets"])

    report.add(would_be_refused(times=3), AT)

    assert 1 == only(report).would_have_refused


def test_what_would_only_have_been_answered_or_was_skipped_is_no_refusal(report: ShadowReport) -> None:
    follow(report, ["tickets"])
    for reason in ("size_limit.body", "size_limit.answered", "size_limit.skipped"):
        report.add(would_be_refused(reason=reason), AT)

    assert (1, ["would have refused", "would have answered", "skipped"]) == (
        only(report).would_have_refused,
        [finding.effect for finding in only(report).findings],
    )


def test_what_began_under_an_earlier_revision_is_not_held_against_this_one(report: ShadowReport) -> None:
    follow(report, ["tickets"])

    report.add(would_be_refused(route="gone"), AT)
    report.add(would_be_refused(policy="jwt"), AT)

    assert [] == only(report).findings


class TestReload:
    @pytest.fixture(autouse=True)
    def some_requests(self, report: ShadowReport, counted: Counters) -> None:
        live(report, route("tickets"))
        counted["/tickets/{id}"] = {"GET": 10}
        report.add(would_be_refused(), AT)

    @pytest.mark.parametrize(
        "entries",
        [
            pytest.param(route("tickets"), id="nothing edited"),
            pytest.param(route("first", path="/x") + route("tickets"), id="other lines"),
            pytest.param(
                route("tickets", f"{{deadline: 3s, {IN_SHADOW[1:]}"), id="another policy of the route"
            ),
        ],
    )
    def test_the_count_goes_on_where_the_policy_is_as_before(
        self, report: ShadowReport, entries: str
    ) -> None:
        live(report, entries, at=LATER)

        policy = only(report, route="tickets")
        assert ("2023-11-14T22:13:20.000Z", 10, 1) == (
            policy.since,
            policy.requests,
            policy.would_have_refused,
        )

    @pytest.mark.parametrize(
        "entries",
        [
            pytest.param(route("tickets", "{size_limit: {body: 2KiB, mode: shadow}}"), id="another limit"),
            pytest.param(route("tickets", "{size_limit: {body: 1KiB, mode: '10%'}}"), id="another mode"),
            pytest.param(route("tickets", methods="[GET, POST]"), id="another match"),
        ],
    )
    def test_an_edit_of_the_policy_begins_the_count_anew(
        self, report: ShadowReport, counted: Counters, entries: str
    ) -> None:
        live(report, entries, at=LATER)
        counted["/tickets/{id}"]["GET"] += 5

        policy = only(report)

        assert ("2023-11-14T22:14:20.000Z", 5, 0) == (
            policy.since,
            policy.requests,
            policy.would_have_refused,
        )

    def test_a_place_follows_the_lines_of_the_file(self, report: ShadowReport) -> None:
        before = only(report).place

        live(report, route("first", "{}", path="/x"), route("tickets"), at=LATER)

        moved = int(only(report).place.rpartition(":")[2]) - int(before.rpartition(":")[2])
        assert 3 == moved


def test_routes_that_metrics_cannot_tell_apart_are_named(report: ShadowReport) -> None:
    live(
        report,
        route("tickets"),
        "  - {name: internal, match: {path: '/tickets/{id}', hosts: [internal.example]}}\n",
        route("writing", "{}", methods="[POST]"),
        route("others", "{}", path="/others"),
    )

    assert ["internal"] == only(report).counted_with


def test_what_has_no_route_is_left_out_since_nothing_can_refuse_it(report: ShadowReport) -> None:
    no_route = "no_route: {ip_list: {deny: [192.0.2.0/24], mode: shadow}}\n"

    report.follow(configuration(f"{no_route}routes:\n{route('tickets', '{}')}"), AT)

    assert [] == report.summary()


def test_a_share_of_requests_that_were_not_counted_is_unknown(report: ShadowReport) -> None:
    follow(report, ["tickets"])

    report.add(would_be_refused(), AT)

    assert [None] == [finding.share for finding in only(report).findings]


def test_what_would_refuse_most_comes_first_and_the_most_frequent_reason_too(report: ShadowReport) -> None:
    follow(report, ["tickets", "others"])
    for reason in ("size_limit.url", "size_limit.body", "size_limit.body"):
        report.add(would_be_refused(route="others", reason=reason), AT)

    summary = report.summary()

    assert ["others", "tickets"] == [policy.route for policy in summary]
    assert ["size_limit.body", "size_limit.url"] == [finding.reason for finding in summary[0].findings]


class TestBounds:
    def test_callers_are_counted_up_to_a_number(self, report: ShadowReport) -> None:
        follow(report, ["tickets"])
        seen = []
        for number in (*range(MOST_CALLERS), 0, MOST_CALLERS):
            report.add(would_be_refused(client_ip=f"192.0.2.{number}"), AT)
            (finding,) = only(report).findings
            seen.append((finding.callers, finding.more_callers))

        assert [(MOST_CALLERS, False), (MOST_CALLERS, False), (MOST_CALLERS, True)] == seen[-3:]

    def test_a_caller_is_who_it_was_proved_to_be(self, report: ShadowReport) -> None:
        follow(report, ["tickets"])
        for number in range(3):
            report.add(would_be_refused(client_ip=f"192.0.2.{number}", identity="partner"), AT)

        assert [1] == [finding.callers for finding in only(report).findings]

    def test_the_flood_of_one_caller_leaves_the_examples_of_others(self, report: ShadowReport) -> None:
        follow(report, ["tickets"])
        report.add(would_be_refused("quiet", client_ip="192.0.2.1"), AT)
        for number in range(50):
            report.add(would_be_refused(f"flood-{number}", client_ip="192.0.2.2"), AT)

        (finding,) = only(report).findings

        assert ["flood-49", "quiet"] == [example.decision_id for example in finding.examples]

    def test_examples_are_the_latest(self, report: ShadowReport) -> None:
        follow(report, ["tickets"])
        for number in range(MOST_EXAMPLES + 2):
            report.add(would_be_refused(f"d-{number}", client_ip=f"192.0.2.{number}"), AT)

        (finding,) = only(report).findings

        assert [f"d-{number}" for number in range(MOST_EXAMPLES + 1, 1, -1)] == [
            example.decision_id for example in finding.examples
        ]
        assert ("Too large.", {"limit": 1024}) == (finding.examples[0].detail, finding.examples[0].facts)

    def test_reasons_beyond_the_bound_are_counted_and_not_kept(
        self, report: ShadowReport, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(shadow_report, "MOST_FINDINGS", 2)
        follow(report, ["tickets"])
        for number in range(5):
            report.add(would_be_refused(reason=f"size_limit.{number}"), AT)

        assert (2, 3) == (len(only(report).findings), only(report).unlisted)

    def test_a_reload_makes_room_for_others(
        self, report: ShadowReport, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(shadow_report, "MOST_FINDINGS", 1)
        follow(report, ["tickets"])
        report.add(would_be_refused(), AT)

        follow(report, ["others"])
        report.add(would_be_refused(route="others"), AT)

        assert (1, 0) == (len(only(report).findings), only(report).unlisted)


def test_a_route_s_requests_are_those_that_prometheus_sees() -> None:
    metrics = Metrics(namespace="ingestion")
    for status in (200, 413):
        metrics.in_flight += 1
        metrics.finished(RouteFacts("tickets", "/tickets/{id}"), "GET", status, 0.1)

    assert {"/tickets/{id}": {"GET": 2}} == metrics.exchanges()
