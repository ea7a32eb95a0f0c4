"""Limits that do nothing, or not what was meant, are told of, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from proxy.app.limit_advice import limit_advice
from proxy.cli import main
from proxy.config.loader import load
from proxy.policies import PIPELINE_ORDER
from tests.app.trial import UPSTREAM, Files, routes

KEYED = "api_key: {keys: [{id: a, sha256: " + "0" * 64 + "}]}"
SIGNED = "webhook_signature: {scheme: github, secrets: [{env: S}]}"
NOBODY = "no policy of this route proves who calls, so that {}; expected one that does"
FEW = (
    "a provider sends all its webhooks from a few addresses, so that this limits them all together; "
    "expected `key: [route.name]`, for what the service can bear, or to say `key: [client.ip]`"
)
LONGER = (
    "max_wait",
    "nobody waits so long on a, since `deadline` ends the whole exchange after 10s; expected less",
)
SLOWER = ("max_wait", "most who come too early are refused at once, as a token takes 30s to come")
NEVER = ("limit", "it is never reached: rate_limit/a lets at most 150 through in that time")


@pytest.mark.parametrize(
    ("text", "warnings"),
    [
        pytest.param(routes(a=f"{{{KEYED}, quota: 10/day}}"), [], id="a plan for those who are known"),
        pytest.param(
            routes(a="{quota: 10/day}"), [("key", NOBODY.format("everybody is refused"))], id="for nobody"
        ),
        pytest.param(
            routes(a="{quota: {limit: 10/day, on_missing_key: allow}}"),
            [("key", NOBODY.format("nobody is counted by it"))],
            id="for nobody, and all may pass",
        ),
        pytest.param(routes(a="{quota: {limit: 10/day, key: [client.ip]}}"), [], id="by address"),
        pytest.param(
            routes(
                a="{rate_limit: {limit: 100/day, burst: 50, key: [constant]}, "
                "quota: {limit: 151/day, key: [client.ip]}}"
            ),
            [NEVER],
            id="a quota that the rate for all never reaches",
        ),
        pytest.param(
            routes(a="{rate_limit: {limit: 100/day, burst: 50}, quota: {limit: 151/day, key: [client.ip]}}"),
            [NEVER],
            id="or the rate for the same client",
        ),
        pytest.param(
            routes(a="{rate_limit: {limit: 100/day, burst: 50}, quota: {limit: 150/day, key: [client.ip]}}"),
            [],
            id="just reached",
        ),
        pytest.param(
            routes(a=f"{{{KEYED}, rate_limit: {{limit: 100/day, burst: 50}}, quota: 151/day}}"),
            [],
            id="a caller may have many addresses",
        ),
        pytest.param(
            routes(
                a="{rate_limit: {limit: 100/day, burst: 50, mode: shadow}, "
                "quota: {limit: 151/day, key: [client.ip]}}"
            ),
            [],
            id="a rate in shadow",
        ),
        pytest.param(
            "policies: {quota: {q: {limit: 151/day, key: [client.ip]}}}\n"
            + routes(a="{rate_limit: {limit: 100/day, burst: 50}, quota: q}", b="{quota: q}"),
            [],
            id="another route counts, too",
        ),
        pytest.param(
            routes(a=f"{{{SIGNED}, rate_limit: {{limit: 5/s, key: [client.ip]}}}}"),
            [],
            id="webhooks by address, where that is said",
        ),
        pytest.param(
            routes(a=f"{{{SIGNED}, rate_limit: 5/s}}"),
            [("", FEW)],
            id="webhooks by address, since nothing is said",
        ),
        pytest.param(
            routes(a=f"{{{SIGNED}, rate_limit: {{limit: 5/s, key: [route.name]}}}}"), [], id="as they should"
        ),
        pytest.param(
            routes(a="{deadline: 10s, pace: {limit: 2/s, max_wait: 30s}}"),
            [LONGER],
            id="too long",
        ),
        pytest.param(routes(a="{deadline: 10s, pace: {limit: 2/s, max_wait: 9s}}"), [], id="not too long"),
        pytest.param(routes(a="{deadline: 10s, pace: 2/s}"), [], id="nobody said how long"),
        pytest.param(routes(a="{pace: {limit: 2/min, max_wait: 29s}}"), [SLOWER], id="shorter than a turn"),
        pytest.param(routes(a="{pace: {limit: 2/min, max_wait: 30s}}"), [], id="as long as a turn"),
    ],
)
def test_a_limit_that_is_not_what_was_meant_is_told_of(
    files: Files, text: str, warnings: list[tuple[str, str]]
) -> None:
    files.write(UPSTREAM + text)
    found = limit_advice(load(files.folder, PIPELINE_ORDER, env={"S": "secret of a sender"}), survives=True)

    assert warnings == [(path, message) for _, path, message in found]


@pytest.mark.parametrize(
    ("quota", "store", "told"),
    [
        pytest.param("limit: 10/day", ["--store", "memory://"], (1, "warning"), id="memory"),
        pytest.param("limit: 10/day", [], (0, "note"), id="nobody said which"),
        pytest.param("limit: 10/day", ["--store", "sqlite:///data/s.db"], (0, ""), id="a file"),
        pytest.param("limit: 10/day", ["--store", "redis://cache"], (0, ""), id="a server"),
        pytest.param("limit: 10/min", [], (0, "note"), id="a minute of the calendar"),
        pytest.param("limit: 10/min, reset: rolling", [], (0, ""), id="back within a minute"),
        pytest.param("limit: 10/61s, reset: rolling", [], (0, "note"), id="back a second later"),
    ],
)
def test_a_plan_that_a_restart_forgets_is_told_of_by_check(
    tmp_path: Path, quota: str, store: list[str], told: tuple[int, str]
) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(UPSTREAM + routes(a=f"{{quota: {{{quota}, key: [client.ip]}}}}"))
    result = CliRunner().invoke(main, ["check", "--strict", *store, str(file)])

    found = [line for line in result.output.splitlines() if "a restart forgets what is used" in line]
    assert told == (result.exit_code, "".join(line.partition(":")[0] for line in found))
