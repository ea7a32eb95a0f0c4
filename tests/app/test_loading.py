"""What is loaded stood on disk like that at one moment."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import pytest

from proxy.app import loading
from proxy.app.loading import load_steadily
from proxy.config.inputs import Inputs
from proxy.errors import ConfigError, Problem
from proxy.testing import FakeClock


class Disk:
    """Two files, of which the second is written while they are read, `times` times."""

    def __init__(self, folder: Path, times: int) -> None:
        self.first, self.second = folder / "first", folder / "second"
        self.first.write_text("0")
        self.second.write_text("0")
        self.times = times
        self.readings = 0

    def inputs(self) -> Inputs:
        return Inputs(self.first, self.second)

    def load(self) -> str:
        self.readings += 1
        read = self.first.read_text()
        if self.readings <= self.times:
            self.first.write_text(f"{self.readings}")
            self.second.write_text(f"{self.readings}")
        return read + self.second.read_text()

    def refuse(self) -> str:
        text = self.load()
        if text[0] != text[1]:
            raise ConfigError([Problem("first", 0, 0, "", f"does not fit: {text}")])
        return text


class ImpatientClock(FakeClock):
    """Nobody has to advance it."""

    async def sleep(self, seconds: float) -> None:
        pass


async def test_what_stays_as_it_is_is_read_once(tmp_path: Path) -> None:
    disk = Disk(tmp_path, times=0)

    assert ("00", 1) == (
        await load_steadily(disk.load, list.clear, disk.inputs, ImpatientClock()),
        disk.readings,
    )


@pytest.mark.parametrize("load", [Disk.load, Disk.refuse], ids=["half of it fits", "half of it is refused"])
async def test_what_is_written_meanwhile_is_read_again(tmp_path: Path, load: object) -> None:
    disk = Disk(tmp_path, times=2)

    loaded = await load_steadily(lambda: load(disk), list.clear, disk.inputs, ImpatientClock())  # type: ignore[operator]

    assert ("22", 3) == (loaded, disk.readings)


async def test_what_never_stays_as_it_is_does_not_hold_up_for_ever(tmp_path: Path) -> None:
    disk = Disk(tmp_path, times=1000)

    with pytest.raises(ConfigError, match="does not fit"):
        await load_steadily(disk.refuse, list.clear, disk.inputs, ImpatientClock())

    assert disk.readings < 10


async def test_it_is_read_again_only_when_whoever_writes_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, asked = Disk(tmp_path, times=1), []

    def being_written(files: tuple[Path, ...]) -> bool:
        asked.append((files, disk.readings))
        return len(asked) < 5

    monkeypatch.setattr(loading, "being_written", being_written)
    await load_steadily(disk.load, list.clear, disk.inputs, ImpatientClock())

    assert [((disk.first, disk.second), 1)] * 5 == asked


async def test_who_never_is_done_does_not_hold_up_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(tmp_path, times=1)
    monkeypatch.setattr(loading, "being_written", lambda _: True)

    assert "11" == await load_steadily(disk.load, list.clear, disk.inputs, ImpatientClock())


async def test_nothing_is_collected_while_loading_and_all_is_as_before_afterwards(tmp_path: Path) -> None:
    disk = Disk(tmp_path, times=0)
    before = gc.isenabled(), sys.getswitchinterval()

    def load() -> tuple[bool, float]:
        return gc.isenabled(), sys.getswitchinterval()

    collecting, turn = await load_steadily(load, list.clear, disk.inputs, ImpatientClock())

    assert (False, True) == (collecting, turn < before[1])
    assert before == (gc.isenabled(), sys.getswitchinterval())
