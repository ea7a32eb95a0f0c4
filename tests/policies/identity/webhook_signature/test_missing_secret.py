"""A developer who does not have the sender's secret, and everybody else who does not."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from proxy.config.configuration import Configuration
from proxy.config.loader import load
from proxy.errors import ConfigError
from proxy.policies import PIPELINE_ORDER
from proxy.policies.identity.webhook_signature import WebhookSignature, WebhookSignatureConfig
from proxy.policies.identity.webhook_signature.signing import sign_as_provider
from proxy.policy import Unsigned
from proxy.testing import exchange, fake_services, route
from tests.app.seawall import seawall
from tests.policies.reading import refusal
from tests.wire.harness import Echo, RawUpstream

FILE = """\
version: 1
upstreams: {{app: {{url: "http://127.0.0.1:{port}"}}}}
routes:
  - name: hook
    match: {{path: /hook}}
    policies:
      {policy}
"""
ALLOW = (
    "webhook_signature: {scheme: github, secrets: [{env: SEAWALL_NO_SUCH_SECRET}], on_missing_secret: allow}"
)


def a_file(folder: Path, policy: str, port: int = 3000) -> Path:
    file = folder / "policies.yaml"
    file.write_text(FILE.format(policy=policy, port=port))
    return file


def loaded(folder: Path, policy: str, environment: str = "dev", **env: str) -> Configuration:
    return load(a_file(folder, policy), PIPELINE_ORDER, env=env, environment=environment)


def refused(folder: Path, policy: str, environment: str = "dev") -> list[tuple[str, str]]:
    with pytest.raises(ConfigError) as error:
        loaded(folder, policy, environment)
    return [(problem.path.rpartition(".")[2], problem.message) for problem in error.value.problems]


@pytest.mark.parametrize("environment", ["prod", "staging", "Dev", ""])
def test_only_a_developer_goes_on_without_it(tmp_path: Path, environment: str) -> None:
    problems = dict(refused(tmp_path, ALLOW, environment))

    assert {"env", "on_missing_secret"} == set(problems)
    assert "or the option --env dev" in problems["on_missing_secret"]


def test_what_would_let_everybody_in_some_day_is_refused_before_that_day(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        loaded(tmp_path, ALLOW, "prod", SEAWALL_NO_SUCH_SECRET="here")

    (problem,) = error.value.problems
    assert "is refused even where none is" in problem.message
    assert problem.message.endswith("${ON_MISSING_SECRET:-reject}")


@pytest.mark.parametrize(
    "policy",
    [
        pytest.param(ALLOW.replace("allow", "reject"), id="reject"),
        pytest.param(ALLOW.replace(", on_missing_secret: allow", ""), id="nothing said"),
        pytest.param("basic_auth: {credentials: [{env: SEAWALL_NO_SUCH_SECRET}]}", id="another policy"),
    ],
)
def test_a_secret_that_is_missing_refuses_the_file_with_dev_too(tmp_path: Path, policy: str) -> None:
    assert ["env"] == [path for path, _ in refused(tmp_path, policy)]


@pytest.mark.parametrize("secrets", ["[]", "[{env: 3}]", "[{file: x, env: Y}]", "[in-clear]"])
def test_what_is_no_secret_at_all_is_wrong_all_the_same(tmp_path: Path, secrets: str) -> None:
    assert refused(tmp_path, ALLOW.replace("[{env: SEAWALL_NO_SUCH_SECRET}]", secrets))


def test_no_way_of_authenticate_lets_everybody_in(tmp_path: Path) -> None:
    problems = refused(tmp_path, f"authenticate: {{any_of: [{{{ALLOW}}}]}}")

    assert [
        ("on_missing_secret", "one way would let everybody in; expected reject, or a policy of its own")
    ] == problems


def test_each_load_warns_of_it(tmp_path: Path) -> None:
    configuration = loaded(tmp_path, ALLOW)

    assert [True] == ["NOTHING is verified" in str(warning) for warning in configuration.warnings]
    (policy,) = configuration.routes[0].policies
    assert ("every request is admitted unverified, since no secret is there",) == policy.config.in_words()


def test_a_secret_that_is_there_is_used(tmp_path: Path) -> None:
    configuration = loaded(tmp_path, ALLOW, SEAWALL_NO_SUCH_SECRET="s3cret")
    (policy,) = configuration.routes[0].policies

    assert ((), 1) == (configuration.warnings, len(policy.config.secrets))  # type: ignore[attr-defined]


@pytest.mark.parametrize("headers", [{}, {"X-Hub-Signature-256": "nonsense"}], ids=["unsigned", "nonsense"])
async def test_every_request_passes_and_is_told_of_and_nobody_is_known(headers: dict[str, str]) -> None:
    policy = WebhookSignature(WebhookSignatureConfig(scheme="github", secrets=()), fake_services())
    asked = exchange("POST", headers=headers)

    passed = refusal(await route(policy).respond(asked))

    assert asked.shadowed is not None
    assert ((200, None), ["webhook_signature.unverified"], None) == (
        passed,
        [each.reason for each in asked.shadowed],
        asked.identity,
    )


def test_a_rehearsal_signs_nothing_then() -> None:
    unsigned = Unsigned("POST", "/")

    sign_as_provider(WebhookSignatureConfig(scheme="github", secrets=()), unsigned, {})

    assert [] == unsigned.headers


async def test_a_running_seawall_says_so_in_log_and_metrics(tmp_path: Path) -> None:
    async with (
        RawUpstream(Echo()) as upstream,
        seawall(a_file(tmp_path, ALLOW, upstream.port), "--env", "dev") as running,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        await running.said("NOTHING is verified")
        answer = await client.post(f"http://127.0.0.1:{running.data}/hook")
        metrics = await client.get(f"http://127.0.0.1:{running.status}/metrics")

    counted = 'seawall_refusals_total{mode="shadow",reason="webhook_signature.unverified",route="hook"} 1.0'
    assert (200, True) == (answer.status_code, counted in metrics.text)
