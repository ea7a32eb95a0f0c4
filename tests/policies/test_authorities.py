"""Certificates in a file beside the policies."""

from __future__ import annotations

import trustme

from proxy.policies.authorities import AuthoritiesFile, authorities_in

PEM = trustme.CA().cert_pem.bytes()


def test_certificates_are_held_as_they_are() -> None:
    content, faults = AuthoritiesFile.read(PEM.decode())

    assert (PEM, 0) == (authorities_in(AuthoritiesFile("ca.crt").holding(content)), len(faults))


def test_what_is_no_certificate_is_told() -> None:
    for text in ("hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        assert "expected PEM" in AuthoritiesFile.read(text)[1][0].message


def test_without_a_file_those_of_the_system_count() -> None:
    assert [b"", b""] == [authorities_in(None), authorities_in(AuthoritiesFile("ca.crt"))]
