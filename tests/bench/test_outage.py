"""What an outage looks like for clients: the generator, the figures, the picture."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast
from xml.etree import ElementTree as ET

import pytest

from bench.outage.__main__ import DIRECT, Outage, scaled, spread, table
from bench.outage.figures import GOOD, NONE, QUICK, SLOW, Run, bins, middle, outcome, summary
from bench.outage.load import BROKEN, GAVE_UP, Asked, Load
from bench.outage.picture import draw
from bench.outage.upstream import ANSWER, Application

NAMESPACE = "{http://www.w3.org/2000/svg}"


def run(asked: Sequence[Asked], arrived: Sequence[float] = ()) -> Run:
    """Four seconds, of which the second one hangs."""
    return Run("seawall", 4.0, 1.0, [(1.0, 2.0)], asked, arrived)


@asynccontextmanager
async def application() -> AsyncIterator[tuple[Application, int]]:
    app = Application()
    async with await asyncio.start_server(app.accept, "127.0.0.1", 0) as server:
        yield app, server.sockets[0].getsockname()[1]
    app.recover()
    await others()


async def others() -> None:
    """All that other tasks still have to do."""
    await asyncio.gather(*(asyncio.all_tasks() - {cast("asyncio.Task[None]", asyncio.current_task())}))
    await asyncio.sleep(0.01)  # transports close in their own time


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        pytest.param(Asked(0.0, 3.0, 200), GOOD, id="an answer, however late"),
        pytest.param(Asked(0.0, 0.01, 503), QUICK, id="a refusal at once"),
        pytest.param(Asked(0.0, 0.2, 504), SLOW, id="a refusal after a wait"),
        pytest.param(Asked(0.0, 1.0, GAVE_UP), NONE, id="nobody answered"),
        pytest.param(Asked(0.0, 0.01, BROKEN), QUICK, id="a connection that was refused"),
    ],
)
def test_what_became_of_a_request(asked: Asked, expected: str) -> None:
    assert expected == outcome(asked)


def test_figures_tell_the_hang_from_the_rest() -> None:
    asked = [Asked(0.5, 0.01, 200), Asked(1.5, 0.01, 503), Asked(1.6, 1.0, GAVE_UP), Asked(2.5, 0.3, 200)]

    found = summary(run(asked, arrived=[0.5, 1.0, 1.6, 2.0, 2.5]))

    assert (0.5, 0.0, 1.0) == (found.success, found.success_hung, found.success_well)
    assert (1.0, 0.3) == (found.p99, found.p99_answered)
    assert (1, 1, 2) == (found.quick, found.slow, found.arrived_hung)


def test_it_is_back_with_the_first_second_of_which_nearly_all_succeed() -> None:
    after = [Asked(2.0 + number / 100, 0.01, 503 if number < 50 else 200) for number in range(200)]

    (recovery,) = summary(run(after)).recovery

    assert recovery is not None
    assert 0.5 == round(recovery, 6)


def test_what_never_comes_back_is_not_given_a_time() -> None:
    after = [Asked(2.0 + number / 100, 0.01, 503) for number in range(200)]

    assert (None,) == tuple(summary(run(after)).recovery)
    assert (None, 2.0, 3.0) == (middle([1.0, None]), middle([1.0, 2.0, 3.0]), middle([1.0, 3.0, None]))


def test_columns_are_seconds_of_the_full_scale() -> None:
    asked = [Asked(0.05, 0.01, 200), Asked(0.15, 0.01, 200), Asked(0.19, 0.01, 503)]
    tenth = Run("seawall", 0.4, 0.1, [(0.1, 0.2)], asked, [])

    assert [{GOOD: 1}, {GOOD: 1, QUICK: 1}, {}, {}] == bins(tenth)


def test_times_are_scaled_and_said_in_both_ways() -> None:
    values = scaled(10)

    assert ("200", "0.200") == (values["RESPONSE"], values["RESPONSESECONDS"])


def test_hangs_end_at_other_moments_each_and_are_as_long_as_is_said_on_average() -> None:
    offsets = [spread(cycle, 5) for cycle in range(5)]

    assert (5, 0.0, True) == (len(set(offsets)), round(sum(offsets), 6), max(map(abs, offsets)) < 3.5)


def test_a_run_survives_being_written() -> None:
    before = run([Asked(0.5, 0.01, 200)], [0.5])

    assert before == Run.of_json(json.loads(json.dumps(before.as_json())))


def test_the_picture_has_a_panel_for_each_with_the_hang_behind_its_columns() -> None:
    asked = [Asked(0.5, 0.01, 200), Asked(1.5, 0.01, 503)]

    root = ET.fromstring(draw([run(asked), run([])], 1.0, "Measured & drawn."))

    panels = [text.text for text in root.iter(f"{NAMESPACE}text") if text.get("class") == "panel"]
    shades = [each for each in root.iter(f"{NAMESPACE}rect") if each.get("fill") == "#f4b6b0"]
    assert (["seawall"] * 2, 3) == (panels, len(shades))
    assert all(
        0 <= float(each.attrib["y"]) < float(root.attrib["height"]) for each in root.iter(f"{NAMESPACE}text")
    )


def test_the_table_has_a_line_for_each() -> None:
    lines = table([run([Asked(0.5, 0.01, 200)], [0.5])]).splitlines()

    assert ["seawall", "100.0%"] == lines[1].split()[:2]


async def test_requests_come_when_they_are_due_though_nobody_answers() -> None:
    async with application() as (app, port):
        app.hang()
        load = Load(port, patience=0.2)
        await load.run(100, time.monotonic(), 0.3)
        load.close()

    assert {GAVE_UP} == {one.status for one in load.asked}
    assert (30, 30) == (len(load.asked), len(app.seen))


async def test_connections_are_used_again_and_broken_answers_are_told() -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        for answer in (ANSWER, ANSWER, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        load = Load(server.sockets[0].getsockname()[1], patience=5.0)
        await load.run(20, time.monotonic(), 0.15)
        load.close()
        await others()

    assert (1, [200, 200, BROKEN]) == (connections, [one.status for one in load.asked])


async def test_a_short_outage_spares_the_upstream_what_it_would_have_been_asked(tmp_path: Path) -> None:
    outage = Outage(tmp_path, scale=30.0, rate=100.0, cycles=1)

    direct, seawall = [await outage.run(name) for name in (DIRECT, "seawall")]

    assert summary(seawall).arrived_hung < summary(direct).arrived_hung / 2
    assert summary(seawall).p99 < summary(direct).p99
    assert summary(seawall).quick > 0
