"""Where upstreams are, and whom they are trusted by."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from tests.app.trial import Files, routes


@pytest.mark.parametrize(
    ("url", "authority", "host", "port", "unix", "server_name"),
    [
        pytest.param("http://a.test", "a.test", "a.test", 80, "", None, id="http"),
        pytest.param("http://a.test:8080", "a.test:8080", "a.test", 8080, "", None, id="another port"),
        pytest.param("https://a.test", "a.test", "a.test", 443, "", "a.test", id="https"),
        pytest.param("https://a.test:80", "a.test:80", "a.test", 80, "", "a.test", id="https on 80"),
        pytest.param("https://a.test.", "a.test", "a.test.", 443, "", "a.test", id="a name without a search"),
        pytest.param("http://[::1]:81", "[::1]:81", "::1", 81, "", None, id="IPv6"),
        pytest.param("http://[::1]", "[::1]", "::1", 80, "", None, id="IPv6 on the usual port"),
        pytest.param("unix:/run/a.sock", "localhost", "", 0, "/run/a.sock", None, id="a socket"),
    ],
)
def test_a_url_says_where_an_upstream_is(
    files: Files, url: str, authority: str, host: str, port: int, unix: str, server_name: str | None
) -> None:
    files.write(f'version: 1\nupstreams: {{app: {{url: "{url}"}}}}\n' + routes(a="{}"))

    address = files.compile().addresses["app"]

    assert (authority, host, port, unix, server_name) == (
        address.authority,
        address.host,
        address.port,
        address.unix,
        address.server_name,
    )
    assert (address.tls is not None) is (server_name is not None)


CLIENT = "client_cert: {{cert_file: @{}, key_file: @{}}}"


class Pki:
    """Certificates and keys in files, good ones and others."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        for name in ("mine", "other"):
            issued = authority.issue_cert(f"{name}.test")
            issued.cert_chain_pems[0].write_to_path(str(folder / f"{name}.pem"))
            issued.private_key_pem.write_to_path(str(folder / f"{name}.key"))
        (folder / "garbage").write_text("nothing to see here")
        key = serialization.load_pem_private_key((folder / "mine.key").read_bytes(), None)
        (folder / "locked.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(b"a password"),
            )
        )


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


def with_tls(files: Files, pki: Pki, tls: str) -> None:
    """An upstream with these settings, in which `@` is the folder of certificates."""
    files.write(
        "version: 1\nupstreams:\n  app:\n    url: https://127.0.0.1:8443\n"
        f"    tls: {tls.replace('@', f'{pki.folder}/')}\n" + routes(a="{}")
    )


def test_tls_trusts_the_authorities_that_are_named_and_shows_a_certificate(files: Files, pki: Pki) -> None:
    with_tls(
        files,
        pki,
        "{ca_file: @ca.pem, client_cert: {cert_file: @mine.pem, key_file: @mine.key}, server_name: b.test}",
    )

    address = files.compile().addresses["app"]

    assert address.tls is not None
    assert (1, ssl.CERT_REQUIRED, True) == (
        len(address.tls.get_ca_certs()),
        address.tls.verify_mode,
        address.tls.check_hostname,
    )
    assert "b.test" == address.server_name


def test_verification_ends_only_where_the_file_says_so(files: Files, pki: Pki) -> None:
    with_tls(files, pki, "{verify: false}")

    tls = files.compile().addresses["app"].tls

    assert tls is not None
    assert (ssl.CERT_NONE, False) == (tls.verify_mode, tls.check_hostname)


@pytest.mark.parametrize(
    ("tls", "where", "says"),
    [
        pytest.param(
            "{ca_file: @none}", "5:20: upstreams.app.tls.ca_file", "cannot be read", id="a file that is away"
        ),
        pytest.param(
            "{ca_file: @garbage}",
            "5:20: upstreams.app.tls.ca_file",
            "no authorities can be read",
            id="no certificates",
        ),
        pytest.param(
            f"{{{CLIENT.format('mine.pem', 'other.key')}}}",
            "5:24: upstreams.app.tls.client_cert",
            "key values mismatch",
            id="somebody else's key",
        ),
        pytest.param(
            f"{{{CLIENT.format('garbage', 'mine.key')}}}",
            "5:24: upstreams.app.tls.client_cert",
            "expected a chain and its key in PEM",
            id="no certificate to show",
        ),
        pytest.param(
            f"{{{CLIENT.format('mine.pem', 'locked.key')}}}",
            "5:24: upstreams.app.tls.client_cert",
            "no password",
            id="a key with a password, which nobody is asked for",
        ),
    ],
)
def test_files_of_tls_that_cannot_be_used_are_said_where_they_are_named(
    files: Files, pki: Pki, tls: str, where: str, says: str
) -> None:
    with_tls(files, pki, tls)

    (problem,) = files.problems()

    assert problem.startswith(f"a.yaml:{where}: ")
    assert says in problem


def test_a_file_that_vanishes_after_it_was_checked_is_said_too(
    files: Files, pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    def vanished(**_: object) -> ssl.SSLContext:
        raise FileNotFoundError(2, "No such file or directory")

    with_tls(files, pki, "{ca_file: @ca.pem}")
    monkeypatch.setattr(ssl, "create_default_context", vanished)

    (problem,) = files.problems()

    assert "upstreams.app.tls.ca_file: no authorities can be read: No such file" in problem
