"""The peers' configurations."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from bench import servers, templates
from bench.checks import DENIED_ADDRESS, ORIGIN, RESPONSE_HEADERS, WITHOUT
from bench.outage.__main__ import scaled
from bench.scenarios import KEY, KEY_HEADER, routes_yaml
from proxy.cli import main

DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
VALUES = {"PORT": 8080, "UPSTREAM": 3000, "ROUTES": routes_yaml(10), "JSON": "{}"}
VALUES |= {"KEY": KEY, **scaled(10), "DIGEST": DIGEST, "LIMIT": 4711}
CONFIGURED = [name for name in servers.PROXIES if name != "naive"]
FILES = sorted(path for path in templates.PEERS.rglob("*") if path.is_file())


def name_of(path: Path) -> str:
    return str(path.relative_to(templates.PEERS))


def test_names_are_replaced() -> None:
    assert "listen 127.0.0.1:8080; # a@b @x" == templates.fill("listen 127.0.0.1:@PORT@; # a@b @x", VALUES)


def test_a_name_without_a_value_is_an_error() -> None:
    with pytest.raises(KeyError, match="POTR"):
        templates.fill("@POTR@", VALUES)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_file_can_be_filled_in(path: Path) -> None:
    text = templates.fill(path.read_text(), {**VALUES, "FOLDER": "/run/bench"})

    assert [] == re.findall(r"@[A-Z]+@", text)


@pytest.mark.parametrize("path", [path for path in FILES if path.suffix == ".yaml"], ids=name_of)
def test_yaml_is_yaml(path: Path) -> None:
    filled = templates.fill(path.read_text(), {**VALUES, "FOLDER": "/run/bench"})

    assert isinstance(yaml.safe_load(filled), dict)


@pytest.mark.parametrize("variant", ["plain", "policies"])
@pytest.mark.parametrize("proxy", CONFIGURED)
def test_every_proxy_has_a_configuration_that_names_both_ports(
    proxy: str, variant: str, tmp_path: Path
) -> None:
    templates.render(proxy, variant, VALUES, tmp_path)

    text = "".join(path.read_text() for path in tmp_path.iterdir())
    assert ("8080" in text, "3000" in text) == (proxy != "seawall", True)


@pytest.mark.parametrize("proxy", CONFIGURED)
def test_the_policies_of_every_proxy_are_about_the_same_things(proxy: str) -> None:
    text = "".join(path.read_text() for path in templates.templates_of(proxy, "policies")).lower()
    spelled_otherwise = {"traefik": {"x-content-type-options", "x-frame-options", "referrer-policy"}}
    words = {name.lower() for name in RESPONSE_HEADERS} - spelled_otherwise.get(proxy, set())
    if proxy == "traefik":
        words = {word.replace("-", "") if word not in text else word for word in words}

    assert set() == {word for word in {*words, ORIGIN, "127.0.0.0"} if word not in text}


@pytest.mark.parametrize("proxy", CONFIGURED)
def test_every_proxy_asks_for_the_key_and_limits_who_has_it(proxy: str, tmp_path: Path) -> None:
    templates.render(proxy, "policies", VALUES, tmp_path)

    text = "".join(path.read_text() for path in tmp_path.iterdir())
    wanted = DIGEST if proxy == "seawall" else KEY  # Seawall's files hold no keys
    by_default = proxy == "seawall" or KEY_HEADER.lower().replace("-", "_") in text
    assert (True, True) == (wanted in text, by_default or KEY_HEADER in text)
    assert ("4711" in text) == ("rate limit" != WITHOUT.get(proxy))


def test_who_is_denied_in_a_check_is_in_a_network_that_is_denied() -> None:
    text = "".join(path.read_text() for path in templates.templates_of("seawall", "policies"))

    assert f"deny: [{DENIED_ADDRESS.rpartition('.')[0]}.0/24]" in text


def test_a_name_that_begins_as_anothers_is_not_confused() -> None:
    assert ["traefik-routes.yaml", "traefik.yaml"] == [
        path.name for path in templates.templates_of("traefik", "plain")
    ]
    assert [] == templates.templates_of("trae", "plain")


@pytest.mark.parametrize("variant", ["plain", "policies", "routes", "outage"])
def test_seawall_accepts_its_own(variant: str, tmp_path: Path) -> None:
    templates.render("seawall", variant, VALUES, tmp_path)

    checked = CliRunner().invoke(main, ["check", str(tmp_path / "seawall.yaml")])

    assert (0, "") == (checked.exit_code, checked.output if checked.exit_code else "")
