"""Files of secrets that every user of the machine can read."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import pytest
from msgspec import Meta, field

from proxy.app import exposed
from proxy.app.exposed import exposed_secrets
from proxy.config.loader import load
from proxy.config.schema import PolicyConfig, Schema
from proxy.config.secrets import PublicText, Secret
from tests.config.kinds import AKind


class Inner(Schema, frozen=True, kw_only=True):
    secret: Secret


class HoldingConfig(PolicyConfig, frozen=True, kw_only=True):
    one: Annotated[Secret | None, Meta(description="One.")] = None
    many: list[Secret] = field(default_factory=list)
    named: dict[str, Inner] = field(default_factory=dict)
    public: Annotated[PublicText | None, Meta(description="Not secret.")] = None
    note: str = ""


KINDS = (AKind("holding", HoldingConfig),)


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that everybody can enter, as pytest's own is not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name).resolve()


def told(folder: Path, policy: str, upstream: str = "") -> list[str]:
    text = (
        f'version: 1\nupstreams: {{app: {{url: "https://127.0.0.1:3000"{upstream}}}}}\n'
        f"routes:\n  - name: only\n    match: {{path: /a}}\n    policies: {{holding: {policy}}}\n"
    )
    file = folder / "a.yaml"
    file.write_text(text, encoding="utf-8")
    return [node.path for node, _ in exposed_secrets(load(file, KINDS, env={"S": "hunter2"}))]


def secret_file(folder: Path, mode: int = 0o644) -> None:
    (folder / "secret").write_text("hunter2", encoding="utf-8")
    (folder / "secret").chmod(mode)


@pytest.mark.parametrize(
    ("policy", "path"),
    [
        ("{one: {file: secret}}", "one.file"),
        ("{many: [{env: S}, {file: secret}]}", "many[1].file"),
        ("{named: {a: {secret: {file: secret}}}}", "named.a.secret.file"),
    ],
)
def test_a_file_that_everybody_can_read_is_told_of_wherever_it_is_named(
    folder: Path, policy: str, path: str
) -> None:
    secret_file(folder)

    assert [f"routes[0].policies.holding.{path}"] == told(folder, policy)


def test_the_key_for_an_upstream_is_a_secret_too(folder: Path) -> None:
    secret_file(folder)
    upstream = ", tls: {client_cert: {cert_file: a.yaml, key_file: secret}}"

    assert ["upstreams.app.tls.client_cert.key_file"] == told(folder, "{note: secret}", upstream)


@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_a_file_that_is_not_for_everybody_is_fine(folder: Path, mode: int) -> None:
    secret_file(folder, mode)

    assert [] == told(folder, "{one: {file: secret}}")


def test_a_file_in_a_folder_that_is_not_for_everybody_is_fine(folder: Path) -> None:
    secret_file(folder)
    folder.chmod(0o700)

    assert [] == told(folder, "{one: {file: secret}}")


def test_what_the_kubelet_mounts_is_not_told_of(folder: Path) -> None:
    data = folder / "..2026_01_31_12_00_00.123456789"
    data.mkdir(mode=0o755)
    secret_file(data)
    (folder / "secret").symlink_to(data / "secret")

    assert [] == told(folder, "{one: {file: secret}}")


def test_the_place_of_mounted_secrets_is_not_told_of(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret_file(folder)
    monkeypatch.setattr(exposed, "MOUNTED", (f"{folder}/",))

    assert [] == told(folder, "{one: {file: secret}}")


def test_a_secret_of_the_environment_has_no_file(folder: Path) -> None:
    assert [] == told(folder, "{one: {env: S}, many: [{env: S}]}")


def test_a_public_key_is_for_everybody(folder: Path) -> None:
    (folder / "public.pem").write_text("-----BEGIN PUBLIC KEY-----")
    (folder / "public.pem").chmod(0o644)

    assert [] == told(folder, "{public: {file: public.pem}}")
