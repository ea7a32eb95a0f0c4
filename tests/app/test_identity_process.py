"""A real process that asks who is there: keys and users in files that change, and clients that lie."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import stat
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import bcrypt
import httpx
import pytest

from tests.app.seawall import Seawall, seawall
from tests.wire.harness import PATIENCE, Echo, RawUpstream

KEY, OTHER = "a" * 64, "b" * 64
POLICIES = """\
version: 1
upstreams: {{app: {{url: "http://127.0.0.1:{port}"}}}}
policies:
  authenticate:
    callers:
      methods: [POST, PUT, PATCH, DELETE]
      any_of:
        - api_key: {{format: "^[0-9a-f]{{64}}$", keys_file: keys.yaml}}
        - basic_auth: {{htpasswd: users}}
      forward: {{X-Auth-Id: auth.id, X-Auth-Method: auth.method}}
routes:
  - {{name: api, match: {{path: "/api/**"}}, policies: {{authenticate: callers}}}}
  - {{name: open, match: {{path: "/open/**"}}}}
"""


@pytest.fixture
async def application() -> Echo:
    return Echo()


@pytest.fixture
async def running(tmp_path: Path, application: Echo) -> AsyncIterator[Seawall]:
    async with RawUpstream(application) as upstream:
        path = tmp_path / "policies.yaml"
        path.write_text(POLICIES.format(port=upstream.port))
        write(tmp_path / "keys.yaml", keys({"acme": KEY}))
        write(tmp_path / "users", f"ann:{hashed('open:sesame')}\n")
        async with seawall(path) as process:
            yield process


def write(path: Path, text: str) -> None:
    draft = path.with_name(".draft")
    draft.write_text(text)
    draft.chmod(stat.S_IRUSR | stat.S_IWUSR)
    draft.replace(path)


def keys(callers: dict[str, str]) -> str:
    return json.dumps(
        {"keys": [{"id": id_, "sha256": sha256(key.encode()).hexdigest()} for id_, key in callers.items()]}
    )


def hashed(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(5)).decode().replace("$2b$", "$2y$")


async def curl(running: Seawall, path: str, *arguments: str) -> int:
    """The status that curl sees."""
    process = await asyncio.create_subprocess_exec(
        "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--noproxy", "*",
        "--max-time", f"{PATIENCE:g}", *arguments, f"http://127.0.0.1:{running.data}{path}",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    return int(out)


async def raw(running: Seawall, request: bytes) -> tuple[int, bytes]:
    """What comes back for these bytes: status, and all of it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", running.data)
    writer.write(request)
    async with asyncio.timeout(PATIENCE):
        head = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    return int(head[9:12]), head


def told(application: Echo) -> list[bytes]:
    """Lines that tell who somebody is, in any spelling, in heads and in trailers."""
    return re.findall(rb"(?im)^x[-_]auth[-_][^\r\n]*", b"\r\n".join(application.seen))


async def until_status(running: Seawall, status: int, *arguments: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while await curl(running, "/api/x", "-X", "POST", *arguments) != status:
            await asyncio.sleep(0.05)


async def test_who_may_come_in_over_real_sockets(running: Seawall, application: Echo) -> None:
    statuses = [
        await curl(running, "/api/x"),
        await curl(running, "/api/x", "-I"),
        await curl(running, "/api/x", "-X", "POST"),
        await curl(running, "/api/x", "-X", "POST", "-H", f"X-API-Key: {KEY}"),
        await curl(running, "/api/x", "-X", "POST", "-H", f"X-API-Key: {OTHER}"),
        await curl(running, "/api/x", "-X", "POST", "-u", "ann:open:sesame"),
        await curl(running, "/api/x", "-X", "POST", "-u", "ann:wrong"),
        await curl(running, "/api/x", "-X", "POST", "-u", "eve:open:sesame"),
        await curl(running, "/api/x", "-u", "ann:wrong"),
        await curl(running, "/api/x", "-X", "POST", "-u", "ann:wrong", "-H", f"X-API-Key: {KEY}"),
        await curl(running, "/api/x", "-X", "DELETE", "-d", "x", "-H", "Expect: 100-continue"),
    ]

    assert [200, 200, 401, 200, 401, 200, 401, 401, 401, 401, 401] == statuses
    assert [
        b"X-Auth-Id: acme",
        b"X-Auth-Method: api_key",
        b"X-Auth-Id: ann",
        b"X-Auth-Method: basic_auth",
    ] == told(application)


async def test_keys_and_users_are_live_once_their_files_change(running: Seawall) -> None:
    folder = running.policies.parent
    new = ("-H", f"X-API-Key: {OTHER}")
    before = await curl(running, "/api/x", "-X", "POST", *new)

    write(folder / "keys.yaml", keys({"acme": KEY, "globex": OTHER}))
    await until_status(running, 200, *new)
    write(folder / "users", f"bob:{hashed('builder')}\n")
    await until_status(running, 200, "-u", "bob:builder")

    assert (401, 401) == (before, await curl(running, "/api/x", "-X", "POST", "-u", "ann:open:sesame"))


async def test_a_file_with_a_mistake_is_refused_whole_and_those_from_before_stay(running: Seawall) -> None:
    folder = running.policies.parent

    write(folder / "keys.yaml", keys({"globex": OTHER}).replace("globex", "glo\\nbex"))
    await running.said(r"keys\.yaml:1:\d+")
    write(folder / "keys.yaml", keys({"acme": KEY}))
    write(folder / "users", f"ann:{hashed('open:sesame')}\nbob:hunter2\n")
    said = await running.said(r"users:2:1: the password of 'bob' is crypt, or in clear")
    statuses = [
        await curl(running, "/api/x", "-X", "POST", *shown)
        for shown in (
            ("-H", f"X-API-Key: {KEY}"),
            ("-H", f"X-API-Key: {OTHER}"),
            ("-u", "ann:open:sesame"),
            ("-u", "bob:hunter2"),
        )
    ]

    assert ([200, 401, 200, 401], False) == (statuses, "hunter2" in said.string + "".join(running.log))


LIES = b"X-Auth-Id: root\r\nx_auth_id: root\r\nX-AUTH_ID: root\r\nX_Auth-Method: root\r\n"


@pytest.mark.parametrize(
    ("request_", "status", "expected"),
    [
        pytest.param(
            b"GET /api/x HTTP/1.1\r\nHost: a\r\n%b\r\n", 200, [], id="where no credential is needed"
        ),
        pytest.param(b"GET /open/x HTTP/1.1\r\nHost: a\r\n%b\r\n", 200, [], id="on a route that asks nobody"),
        pytest.param(
            b"OPTIONS /api/x HTTP/1.1\r\nHost: a\r\nOrigin: https://evil.example\r\n"
            b"Access-Control-Request-Method: POST\r\n%b\r\n",
            200,
            [],
            id="with a preflight",
        ),
        pytest.param(
            b"GET /api/x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n%b\r\n",
            200,
            [],
            id="with an upgrade",
        ),
        pytest.param(
            b"POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nX-API-Key: "
            + KEY.encode()
            + b"\r\n%b\r\n",
            200,
            [b"X-Auth-Id: acme", b"X-Auth-Method: api_key"],
            id="beside a key",
        ),
        pytest.param(
            b"POST /api/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nX-API-Key: "
            + KEY.encode()
            + b"\r\n%b\r\n0\r\nX-Auth-Id: root\r\nX_Auth_Id: root\r\n\r\n",
            200,
            [b"X-Auth-Id: acme", b"X-Auth-Method: api_key"],
            id="in a trailer",
        ),
        pytest.param(
            b"POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: x-auth-id, x-api-key\r\n"
            b"X-API-Key: " + KEY.encode() + b"\r\n%b\r\n",
            401,
            None,
            id="by naming the key in Connection",
        ),
        pytest.param(
            b"POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n%b\r\n", 401, None, id="alone"
        ),
        pytest.param(
            b"GET /api/x HTTP/1.1\r\nHost: a\r\nX-HTTP-Method-Override: DELETE\r\n%b\r\n",
            401,
            None,
            id="as another",
        ),
        pytest.param(b"TRACE /api/x HTTP/1.1\r\nHost: a\r\n%b\r\n", 200, [], id="with TRACE"),
    ],
)
async def test_no_client_says_itself_who_it_is(
    running: Seawall, application: Echo, request_: bytes, status: int | None, expected: list[bytes] | None
) -> None:
    got, head = await raw(running, request_ % LIES)

    assert (status, expected) == (got, told(application) if application.seen else None), (
        head,
        application.seen,
    )


async def test_operators_see_who_it_was_and_what_was_wrong(running: Seawall) -> None:
    header = base64.b64encode(b"ann:hunter2").decode()
    async with httpx.AsyncClient(trust_env=False) as client:
        refused = await client.post(
            f"http://127.0.0.1:{running.data}/api/x", headers={"Authorization": f"Basic {header}"}
        )
        decisions = await client.get(f"http://127.0.0.1:{running.admin}/api/decisions")
        metrics = await client.get(f"http://127.0.0.1:{running.status}/metrics")
    decision = decisions.json()["decisions"][0]

    assert ["ApiKey", "Basic"] == [value.split()[0] for value in refused.headers.get_list("www-authenticate")]
    assert ("authenticate.invalid", "basic_auth.invalid: user or password are wrong") == (
        decision["reason"],
        decision["cause"],
    )
    everything = refused.text + decisions.text + metrics.text + "".join(running.log)
    assert (False, False) == ("hunter2" in everything, header in everything)
    assert "basic_auth" not in refused.text
