"""What memory is measured of: a real Seawall, real connections, a small gigabyte."""

from __future__ import annotations

import re

import pytest

from bench import memory


def test_it_says_what_connections_and_bodies_hold(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(memory, "GIB", 4 * len(memory.PIECE))
    memory.main(["--connections", "50"])
    figures = re.findall(
        r"^ +([\d.]+) (MiB|KiB)  (?:resident|for each)", capsys.readouterr().out, re.MULTILINE
    )

    assert ["MiB", "KiB", "KiB", "MiB", "MiB"] == [unit for _, unit in figures]
    assert all(float(figure) > 0 for figure, unit in figures if unit == "MiB")
