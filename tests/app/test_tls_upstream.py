"""An https upstream as a policy file names it: whom Seawall believes, what it shows, what name it expects."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from tests.app.served import Served, served
from tests.app.trial import Files
from tests.wire.harness import Echo, RawUpstream

POLICIES = """\
version: 1
upstreams:
  app: {{url: "https://127.0.0.1:{port}", tls: {tls}}}
routes:
  - {{name: all, match: {{path: "/**"}}, policies: {{}}}}
"""
CA = "ca_file: {folder}/ca.pem"
NAME = "server_name: app.test"
SHOWN = "client_cert: {{cert_file: {folder}/client.pem, key_file: {folder}/client.key}}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of an authority, of the upstream, and of a client; and of somebody else's authority."""
    folder = tmp_path_factory.mktemp("pki")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    trustme.CA().cert_pem.write_to_path(str(folder / "other.pem"))
    for name in ("app", "client"):
        issued = authority.issue_cert(f"{name}.test")
        issued.cert_chain_pems[0].write_to_path(str(folder / f"{name}.pem"))
        issued.private_key_pem.write_to_path(str(folder / f"{name}.key"))
    return folder


@asynccontextmanager
async def in_front_of_tls(files: Files, folder: Path, tls: str, echo: Echo) -> AsyncIterator[Served]:
    """Seawall before an upstream that is app.test, and that asks who calls."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "app.pem", folder / "app.key")
    context.load_verify_locations(folder / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    upstream = RawUpstream(echo)
    upstream._server = await asyncio.start_server(upstream._accept, "127.0.0.1", 0, ssl=context)
    files.write(POLICIES.format(port=upstream.port, tls=tls.format(folder=folder)))
    try:
        async with served(files) as running:
            yield running
    finally:
        await upstream.__aexit__(None)


@pytest.mark.parametrize(
    ("tls", "status"),
    [
        pytest.param(f"{{{{{CA}, {NAME}, {SHOWN}}}}}", 200, id="all that it takes"),
        pytest.param(f"{{{{verify: false, {SHOWN}}}}}", 200, id="not verified, and the file says so"),
        pytest.param(f"{{{{{NAME}, {SHOWN}}}}}", 502, id="verified by default, by the system's authorities"),
        pytest.param(f"{{{{ca_file: {{folder}}/other.pem, {NAME}, {SHOWN}}}}}", 502, id="another authority"),
        pytest.param(f"{{{{{CA}, {SHOWN}}}}}", 502, id="not the name in the URL"),
        pytest.param(f"{{{{{CA}, server_name: other.test, {SHOWN}}}}}", 502, id="another name"),
        pytest.param(f"{{{{{CA}, {NAME}}}}}", 502, id="nothing to show"),
    ],
)
async def test_it_is_asked_only_where_both_sides_are_who_they_should_be(
    files: Files, folder: Path, tls: str, status: int
) -> None:
    echo = Echo()
    async with in_front_of_tls(files, folder, tls, echo) as running:
        answer = await running.get("/a")

    assert (status, int(status == 200)) == (answer.status_code, len(echo.seen))
