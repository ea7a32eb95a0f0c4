"""An example that plays an API over https: it is believed by who has its authority, and by nobody else."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from examples import certificates
from tests.ports import free_port
from tests.systems.pages import ROOT
from tests.systems.running import eventually, listens, started

APPLICATION = (
    "from examples.ingestion.app import Ingestion; from examples.answering import serve; serve(Ingestion, '')"
)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """Port of an example over https, and the folder of its certificates."""
    folder = tmp_path_factory.mktemp("api")
    subprocess.run([sys.executable, "-m", "examples.certificates", folder], cwd=ROOT, check=True)
    port = free_port()
    arguments = ("--port", str(port), "--certificate", str(folder / "server.pem"))
    with ExitStack() as stack:
        started(stack, {}, folder / "app", "-c", APPLICATION, *arguments)
        eventually(lambda: listens(port), "the application")
        yield port, folder


def ask(port: int, trusted: Path, name: str = "localhost") -> int:
    context = ssl.create_default_context(cafile=trusted)
    context.verify_flags |= ssl.VERIFY_X509_STRICT  # as newer versions of Python do by themselves
    url = f"https://{name}:{port}/health"
    return httpx.get(url, verify=context, trust_env=False).status_code


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_it_is_believed_by_who_trusts_its_authority(api: tuple[int, Path], name: str) -> None:
    port, folder = api

    assert 200 == ask(port, folder / "authority.pem", name)


def test_another_authority_of_the_same_name_is_another(api: tuple[int, Path], tmp_path: Path) -> None:
    certificates.make(tmp_path)

    with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
        ask(api[0], tmp_path / "authority.pem")


def test_who_never_shakes_hands_holds_up_nobody(api: tuple[int, Path]) -> None:
    port, folder = api
    with socket.create_connection(("127.0.0.1", port)):
        assert 200 == ask(port, folder / "authority.pem")


def test_others_cannot_read_its_key(api: tuple[int, Path]) -> None:
    assert 0o600 == (api[1] / "server.pem").stat().st_mode & 0o777
