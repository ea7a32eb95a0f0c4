"""What differs between two configurations, in words and as data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from proxy.config.configuration import Configuration
from proxy.config.difference import Difference, changes, in_words
from tests.config.kinds import ENV, START, loaded

TEXT = f"""{START}clients: {{trusted_proxies: [10.0.0.0/8]}}
policies:
  rate_limit: {{per_client: {{limit: 100}}}}
defaults: {{deadline: 30s}}
routes:
  - name: hook
    match: {{path: /hook, methods: [POST]}}
    policies:
      rate_limit: per_client
      webhook_signature: {{secrets: [{{env: SECRET}}]}}
  - name: orders
    match: {{path: "/orders/**"}}
    policies: {{rate_limit: {{limit: 5}}, security_headers: {{set: {{X-Tenant: "${{TENANT}}"}}}}}}
  - {{name: page, match: {{path: /}}, policies: {{rate_limit: per_client}}}}
no_route: {{security_headers: owasp}}
"""
REMOVED = "  - {name: page, match: {path: /}, policies: {rate_limit: per_client}}\n"


def told(folder: Path, *edits: tuple[str, str], before: str = TEXT) -> list[str]:
    """What `edits` of a file change, in words."""
    after = before
    for old, new in edits:
        assert old in after
        after = after.replace(old, new)
    return in_words(changes(loaded(before, folder), loaded(after, folder)))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("30s", "1m", ["hook, orders, page: deadline.total 30s → 1m"]),
        ("limit: 5", "limit: 6", ["orders: rate_limit.limit 5 → 6"]),
        ("limit: 100", "limit: 60", ["hook, page: rate_limit.limit 100 → 60"]),
        ("{limit: 5}", "{limit: 5, mode: shadow}", ["orders: rate_limit.mode enforce → shadow"]),
        ("{limit: 5}", "{limit: 5, mode: disabled}", ["orders: rate_limit.mode enforce → disabled"]),
        ("rate_limit: {limit: 5}", "deadline: null", ["orders: deadline 30s → removed",
                                                     "orders: rate_limit 5 → removed"]),
        ("rate_limit: {limit: 5}", "retry: {backoff: {base: 1s}}",
         ["orders: retry added: 1s", "orders: rate_limit 5 → removed"]),
        ("limit: 5}", "limit: 5, key: [auth.id]}", ["orders: rate_limit.key [client.ip] → [auth.id]"]),
        ("{limit: 5}", "per_client", ["orders: rate_limit.use added: per_client",
                                     "orders: rate_limit.limit 5 → 100"]),
        ("[POST]", "[POST, PUT]", ["hook: match.methods [POST] → [POST, PUT]"]),
        ("name: orders", "name: sales", ["sales: name orders → sales"]),
        (REMOVED, "", ["route page: removed"]),
        (REMOVED, REMOVED + REMOVED.replace("page", "two").replace("path: /", "path: /2"),
         ["route two: added"]),
        ("headers: owasp}", "headers: none}", ["no route: security_headers.preset owasp → none"]),
        ("/8]", "/8, 192.0.2.7]", ["clients.trusted_proxies [10.0.0.0/8] → [10.0.0.0/8, 192.0.2.7]"]),
        ('3000"', '3000", pool: {max_connections: 50}', ["upstreams.app.pool.max_connections 100 → 50"]),
        ("30s", "30000ms", []),
        ("limit: 5", "limit: 5, burst: 10", []),
        ("# ", "# ", []),
    ],
)  # fmt: skip
def test_an_edit_is_told_by_what_is_in_force_before_and_after(
    tmp_path: Path, old: str, new: str, words: list[str]
) -> None:
    before = TEXT + "# \n"

    assert words == told(tmp_path, (old, new), before=before)


def test_what_is_the_same_on_many_routes_is_said_once(tmp_path: Path) -> None:
    text = TEXT.replace(REMOVED, REMOVED + "  - {name: last, match: {path: /last}}\n")

    assert ["on 4 routes (hook, orders, page, ...): deadline.total 30s → 31s"] == told(
        tmp_path, ("30s", "31s"), before=text
    )


def test_several_routes_that_are_new_are_said_once(tmp_path: Path) -> None:
    new = "".join(f"  - {{name: r{n}, match: {{path: /r{n}}}}}\n" for n in range(4))

    assert ["4 routes (r0, r1, r2, ...): added"] == told(tmp_path, (REMOVED, REMOVED + new))
    assert ["routes hook, page: removed", "upstreams.other: added"] == told(
        tmp_path,
        (TEXT[TEXT.index("  - name: hook") : TEXT.index("  - name: orders")], ""),
        (REMOVED, ""),
        ("upstreams: {", 'upstreams: {other: {url: "http://127.0.0.1:1"}, '),
        ('match: {path: "/orders/**"}', 'match: {path: "/orders/**"}\n    upstream: app'),
    )


def test_no_secret_is_ever_shown(tmp_path: Path) -> None:
    before = loaded(TEXT, tmp_path)
    after = loaded(
        TEXT.replace("[{env: SECRET}]", "[{env: PORT}]"), tmp_path, env={**ENV, "TENANT": "other-tenant"}
    )
    differences = changes(before, after)
    shown = json.dumps([difference.as_data() for difference in differences])

    assert [
        "hook: webhook_signature.secrets: secret changed",
        "orders: security_headers.set.X-Tenant: secret changed",
    ] == in_words(differences)
    assert [True, True] == [difference.secret for difference in differences]
    assert not any(text in shown for text in (ENV["SECRET"], ENV["TENANT"], "other-tenant", '"3000"'))


def test_a_reference_to_the_same_secret_is_no_difference(tmp_path: Path) -> None:
    before = loaded(TEXT, tmp_path)
    after = loaded(TEXT.replace("env: SECRET", "env: MOVED"), tmp_path, env={**ENV, "MOVED": ENV["SECRET"]})

    assert () == changes(before, after)


def test_programs_get_data(tmp_path: Path) -> None:
    (difference,) = changes(loaded(TEXT, tmp_path), loaded(TEXT.replace("limit: 100", "limit: 60"), tmp_path))

    assert {
        "kind": "changed",
        "section": "routes",
        "path": "rate_limit.limit",
        "before": 100,
        "after": 60,
        "routes": ["hook", "page"],
        "secret": False,
        "words": "hook, page: rate_limit.limit 100 → 60",
    } == difference.as_data()


def test_of_very_many_differences_the_first_are_told_and_the_others_counted() -> None:
    differences = [Difference("added", "routes", "", routes=(f"r{number}",)) for number in range(5)]

    assert ["route r0: added", "route r1: added", "and 3 more"] == in_words(differences, most=2)
    assert 5 == len(in_words(differences, most=5))


def test_what_is_the_other_way_round_is_told_the_other_way_round(tmp_path: Path) -> None:
    before, after = loaded(TEXT, tmp_path), loaded(TEXT.replace("30s", "9s").replace(REMOVED, ""), tmp_path)

    def turned(old: Configuration, new: Configuration) -> set[tuple[str, str, str, str]]:
        return {(each.path, each.kind, str(each.before), str(each.after)) for each in changes(old, new)}

    other = {"added": "removed", "removed": "added", "changed": "changed"}
    assert turned(before, after) == {(p, other[k], a, b) for p, k, b, a in turned(after, before)}


CHECK = 'health: {checks: {db: {enabled: "${DB_CHECK:-false}", tcp: "${DB}", readiness: true}}}\n'


def test_a_check_that_is_switched_on_is_added_and_one_that_is_off_is_not_looked_at(tmp_path: Path) -> None:
    on = CHECK.replace('"${DB_CHECK:-false}"', "true").replace('"${DB}"', "'db:5432'")

    assert [
        "health.checks.db.enabled added: true",
        "health.checks.db.tcp added: db:5432",
        "health.checks.db.readiness added: true",
    ] == told(tmp_path, (CHECK, on), before=TEXT + CHECK)
    assert [] == told(tmp_path, (CHECK, ""), before=TEXT + CHECK)
    assert ['health.paths["/live"] added: liveness'] == told(
        tmp_path, ("health: {", "health: {paths: {/live: liveness}, "), before=TEXT + CHECK
    )
