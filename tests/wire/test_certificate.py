"""TLS on the data port, and its renewal without a restart."""

from __future__ import annotations

import asyncio
import os
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from proxy.wire.certificate import Certificate
from tests.wire.harness import Echo, RawUpstream, wire


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


def issue(authority: trustme.CA, directory: Path, name: str = "localhost") -> bytes:
    """Write a new pair; returns the certificate as a client would see it."""
    issued = authority.issue_cert(name)
    (directory / "tls.key").write_bytes(issued.private_key_pem.bytes())
    chain = b"".join(pem.bytes() for pem in issued.cert_chain_pems)
    # Renewed as a kubelet does it: the new file takes the old one's place at once.
    (directory / "new").write_bytes(chain)
    os.replace(directory / "new", directory / "tls.crt")  # noqa: PTH105  # one call, atomic
    return ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())


async def shown(port: int, authority: trustme.CA) -> tuple[bytes, bytes]:
    """Which certificate the port shows, and the status line of an answer."""
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=trusting, server_hostname="localhost"
    )
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return certificate, answer.partition(b"\r\n")[0]


async def test_a_renewed_certificate_is_taken_for_new_connections(
    authority: trustme.CA, tmp_path: Path
) -> None:
    first = issue(authority, tmp_path)
    certificate = Certificate(tmp_path)
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, tls=certificate.context) as running:
        before = await shown(running.port, authority)
        unchanged = certificate.refresh()
        second = issue(authority, tmp_path)
        changed = certificate.refresh()
        after = await shown(running.port, authority)

    assert (first, b"HTTP/1.1 200 OK") == before
    assert (False, True) == (unchanged, changed)
    assert (second, b"HTTP/1.1 200 OK") == after


def test_it_is_known_when_the_first_of_the_chain_ends(authority: trustme.CA, tmp_path: Path) -> None:
    soon, late = (datetime(2040, month, 1, tzinfo=UTC) for month in (1, 2))
    between = authority.create_child_ca()
    ends = []
    for last in (late, soon):
        issued = between.issue_cert("localhost", not_after=last)
        (tmp_path / "tls.key").write_bytes(issued.private_key_pem.bytes())
        (tmp_path / "tls.crt").write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
        if not ends:
            certificate = Certificate(tmp_path)
        else:
            certificate.refresh()
        ends.append(certificate.expires)

    assert [late.timestamp(), soon.timestamp()] == ends


@pytest.mark.parametrize(
    ("good", "odd"),
    [
        pytest.param(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x01", id="version 2"),
        pytest.param(b"400101000000Z", b"400132000000Z", id="a day that there is not"),
    ],
)
def test_one_that_openssl_takes_and_that_cannot_be_read_serves_all_the_same(
    authority: trustme.CA, tmp_path: Path, good: bytes, odd: bytes
) -> None:
    issued = authority.issue_cert("localhost", not_after=datetime(2040, 1, 1, tzinfo=UTC))
    der = ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())
    (tmp_path / "tls.key").write_bytes(issued.private_key_pem.bytes())
    (tmp_path / "tls.crt").write_text(ssl.DER_cert_to_PEM_cert(der.replace(good, odd)), encoding="ascii")

    assert good in der
    assert Certificate(tmp_path).expires is None


async def test_a_bad_pair_changes_nothing(
    authority: trustme.CA, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = issue(authority, tmp_path)
    certificate = Certificate(tmp_path)
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, tls=certificate.context) as running:
        (tmp_path / "tls.key").write_bytes(authority.issue_cert("localhost").private_key_pem.bytes())
        taken = certificate.refresh()
        after = await shown(running.port, authority)

    assert not taken
    assert (first, b"HTTP/1.1 200 OK") == after
    assert [
        "the old ones stay" in record.message for record in caplog.records if record.name == "seawall"
    ] == [True]


def test_files_that_vanish_change_nothing(authority: trustme.CA, tmp_path: Path) -> None:
    issue(authority, tmp_path)
    certificate = Certificate(tmp_path)
    (tmp_path / "tls.crt").unlink()

    assert not certificate.refresh()


@pytest.mark.parametrize("content", [None, b"", b"no pem"], ids=["no file", "empty", "no certificate"])
def test_without_a_good_pair_there_is_no_start(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "tls.crt").write_bytes(content)
        (tmp_path / "tls.key").write_bytes(content)

    with pytest.raises(ValueError, match=r"no usable tls\.crt and tls\.key in"):
        Certificate(tmp_path)


async def test_who_came_by_https_is_known(authority: trustme.CA, tmp_path: Path) -> None:
    class Secure:
        def on_request(self, exchange) -> None:
            self.seen = exchange.request.secure

    issue(authority, tmp_path)
    secure = Secure()
    certificate = Certificate(tmp_path)
    async with (
        RawUpstream(Echo()) as upstream,
        wire(upstream.port, secure, tls=certificate.context) as running,
    ):
        await shown(running.port, authority)

    assert secure.seen
