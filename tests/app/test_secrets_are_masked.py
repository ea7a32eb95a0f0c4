"""No secret is printed anywhere, whatever goes right or wrong.

Policies are found by their schemas and configured as on their pages, so that a new one is
tried without a word here.
"""

from __future__ import annotations

import asyncio
import re
import time
from base64 import b64encode
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from click.testing import CliRunner

from proxy.admin.endpoints import ENDPOINTS
from proxy.cli import main
from proxy.config.configuration import Configuration
from proxy.config.loader import load
from proxy.policies import PIPELINE_ORDER
from proxy.policy import Unsigned
from proxy.rehearsal.signing import sign
from tests.app import masked
from tests.app.masked import CANARY, SEAL_KEY, kinds_with_secrets, policy_file
from tests.app.seawall import Seawall, seawall
from tests.wire.harness import Echo, RawUpstream

BROKEN = """\
  - name: broken
    match: {path: /broken, methods: [get]}
    policies:
      webhook_signature: {scheme: github, secrets: [hunter2-in-clear, {sealed: hunter2}, {envy: hunter2}]}
      basic_auth: {credentials: hunter2-in-clear, realm: [hunter2
"""
URL = 'app: {url: "http://hunter2-user:hunter2@127.0.0.1:1/${HEADER_CANARY}"}'


@pytest.mark.parametrize("kind", kinds_with_secrets())
def test_the_page_of_a_policy_has_an_example_for_each_field_with_a_secret(kind: str) -> None:
    """Else this test would not cover it."""
    fields = [field for field in masked.fields_of(kind) if not field.startswith("any_of.")]  # have pages
    text = "\n".join(masked.examples(kind))
    missing = [field for field in fields if not re.search(rf"\b{field.rpartition('.')[2]}:", text)]

    assert ([], True) == (missing, bool(text) or not fields)


def test_there_are_policies_with_secrets() -> None:
    assert {"basic_auth", "webhook_signature"} <= set(kinds_with_secrets())
    assert {"secrets"} == masked.fields_of("webhook_signature")


def environment() -> dict[str, str]:
    names = [*masked.names_in(policy_file(1)), "HEADER_CANARY"]
    return {name: masked.secret_of(name) for name in names} | {"SEAWALL_SEAL_KEY": SEAL_KEY}


def spellings(configuration: Configuration, env: dict[str, str]) -> set[str]:
    """Every text that tells a secret: itself, and as encodings and clients write it."""
    values = {value.encode() for name, value in env.items() if CANARY in value} | {SEAL_KEY.encode()}
    found = {CANARY, SEAL_KEY, masked.API_KEY, *masked.hidden_values()}
    for value in values:
        found |= {value.hex(), b64encode(value).decode(), quote(value.decode(), safe="")}
    for route in configuration.routes:
        found |= {
            value
            for name, value in signed(configuration, route.name).headers
            if name not in ("Host", "Content-Type") and len(value) > 16 and not value.isdigit()
        }
    return found


def signed(configuration: Configuration, route: str) -> Unsigned:
    unsigned = Unsigned(
        "POST",
        f"/{route}",
        [("Host", "localhost"), ("X-Acme-Id", "1")],
        b'{"a": 1}',
        time.time(),  # the process verifies by the real clock
    )
    sign(unsigned, route, configuration, masked.Everyone())
    return unsigned


async def requests(running: Seawall, configuration: Configuration) -> list[int]:
    """Good ones, and bad ones of many kinds, to every route; the statuses of the good ones."""
    statuses = []
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.data}", trust_env=False) as client:
        for route in configuration.routes:
            good = signed(configuration, route.name)
            path = good.target
            sent = await client.post(path, headers=good.headers, content=good.body)
            statuses.append(sent.status_code)
            for headers in bad_headers(good):
                await client.post(f"{path}?token={CANARY}&api_key={CANARY}", headers=headers, content=b"x")
            await client.get(f"{path}?access_token={CANARY}")
            await client.get(f"{path}?next=%2Fcb%3Ftoken%3D{CANARY}&t%256Fken={CANARY}")
            await client.get(f"{path};jsessionid={CANARY}/a%3Fapi_key%3D{CANARY}")
            await client.delete(f"{path}/no-such/route?password={CANARY}")
    await malformed(running)
    return statuses


def bad_headers(good: Unsigned) -> Iterable[list[tuple[str, str]]]:
    yield good.headers  # the body is another
    for index, (name, value) in enumerate(good.headers):
        if name == "Host":
            continue  # which the client refuses to send twice
        rest = good.headers[:index] + good.headers[index + 1 :]
        yield rest
        yield [*rest, (name, value[:-2] + "AA")]
        yield [*good.headers, (name, value)]
        yield [*rest, (name, CANARY)]
    yield [("Authorization", f"Bearer {CANARY}"), ("X-API-Key", CANARY), ("Cookie", f"session={CANARY}")]
    yield [("Authorization", f"Basic {b64encode(f'u:{CANARY}'.encode()).decode()}")]


async def malformed(running: Seawall) -> None:
    for raw in (
        f"GET /x HTTP/1.1\r\nHost: a\r\nAuthorization {CANARY}\r\n\r\n",
        f"GET http://u:{CANARY}@a/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        f"POST /x HTTP/1.1\r\nHost: a\r\nAuthorization: {CANARY}\r\nContent-Length: {CANARY}\r\n\r\n",
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", running.data)
        writer.write(raw.encode())
        await reader.read()
        writer.close()


async def told(running: Seawall) -> str:
    """All that the side ports say."""
    said = []
    async with httpx.AsyncClient(trust_env=False) as client:
        paths = [each.path for each in ENDPOINTS if each.method == "GET" and not each.in_path]
        admin = f"http://127.0.0.1:{running.admin}"
        recent = (await client.get(f"{admin}/api/decisions?limit=1000")).json()["decisions"]
        assert len(recent) > 20
        paths += [f"/api/decisions/{each['id']}" for each in recent] + ["/api/decisions?limit=1000"]
        said += [(await client.get(admin + path)).text for path in paths]
        said.append((await client.post(f"{admin}/api/reload")).text)
        status = f"http://127.0.0.1:{running.status}"
        said += [(await client.get(status + path)).text for path in ("/livez", "/readyz", "/metrics")]
    return "\n".join(said)


def commands(file: Path, broken: Path, running: Seawall, decision: str) -> str:
    """What every command prints that looks at policy files or at a running Seawall."""
    admin = ["--admin", f"127.0.0.1:{running.admin}"]
    arguments: list[list[str]] = [["status", *admin], ["explain", *admin, decision]]
    for path in map(str, (file, broken)):
        arguments += [
            ["check", path],
            ["test", path],
            ["effective", "--policies", path],
            ["diff", path, str(file)],
            [
                "explain",
                "--policies",
                path,
                "--path",
                f"/webhook_signature-0?token={CANARY}",
                "--method",
                "POST",
            ],
        ]
    runner, said = CliRunner(), []
    for each in arguments:
        for output in ("text", "json"):
            result = runner.invoke(main, [*each, "--format", output])
            assert result.exception is None or isinstance(result.exception, SystemExit), (each, result)
            said.append(result.output)
    return "\n".join(said)


@pytest.mark.parametrize("sealed", [False, True], ids=["from the environment", "sealed"])
async def test_nothing_that_is_printed_has_a_secret_in_it(
    sealed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = environment()
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    file, broken, out = tmp_path / "a.yaml", tmp_path / "broken.yaml", tmp_path / "stdout"
    async with RawUpstream(Echo()) as upstream:
        file.write_text(policy_file(upstream.port, sealed=sealed))
        broken.write_text(file.read_text().replace("app: {url", f"{URL}\n  other: {{url") + BROKEN)
        configuration = load(file, PIPELINE_ORDER, env=env)
        with out.open("wb") as stdout:
            audit = tmp_path / "audit.log"
            arguments = ["--log-level", "debug", "--watch", "off", "--audit-log", str(audit)]
            async with seawall(file, *arguments, stdout=stdout) as running:
                statuses = await requests(running, configuration)
                everything = await told(running)
                decision = re.search(r'"decision_id": ?"([^"]+)"|"id": ?"([^"]+)"', everything)
                assert decision is not None
                everything += await asyncio.to_thread(
                    commands, file, broken, running, decision[1] or decision[2]
                )
                file.write_text(broken.read_text())
                everything += await told(running)  # with a reload, which is refused
                everything += await asyncio.to_thread(
                    commands, broken, broken, running, decision[1] or decision[2]
                )
                running.process.terminate()
                await running.exit_code()
                everything += "".join(running.log) + out.read_text() + audit.read_text()

    assert [200] * len(configuration.routes) == statuses
    assert ("config.refused" in everything, "the old policies stay" in everything) == (True, True)
    assert [] == shown(everything, spellings(configuration, env))


def shown(everything: str, secrets: Iterable[str]) -> list[str]:
    """The lines with a secret in them."""
    has_one: Callable[[str], bool] = lambda line: any(secret in line for secret in secrets)  # noqa: E731
    return [line for line in everything.splitlines() if has_one(line)]
