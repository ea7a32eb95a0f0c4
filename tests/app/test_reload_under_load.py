"""Files are edited under load: every request is answered, by one revision whole, and nothing is forgotten."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from dataclasses import dataclass, field
from functools import partial

import pytest

from proxy.app import watching
from proxy.app.process import _watcher
from tests.app.served import Served, served
from tests.app.test_watching import kubelet_volume
from tests.app.test_writing import leases_work
from tests.app.trial import Files
from tests.wire.harness import Peer, RawUpstream, until

EDITS = 200
CALLERS = 4

# What stands in one file names what stands in the other; both carry the number of the edit.
DEFINITIONS = """\
version: 1
upstreams: {{app: {{url: "http://127.0.0.1:{port}"}}}}
policies:
  trial: {{counted: {{after: {after}}}}}
  security_headers: {{shared: {{preset: none, set: {{X-Definition: "{number}"}}}}}}
"""
ROUTES = """\
version: 1
routes:
  - name: r{number}
    match: {{path: "/**"}}
    policies:
      trial: counted
      security_headers: {{use: shared, set: {{X-Route: "{number}"}}}}
"""


@dataclass
class Seen:
    """What clients got."""

    statuses: Counter[int] = field(default_factory=Counter)
    revisions: set[tuple[str, str]] = field(default_factory=set)
    """X-Definition and X-Route of a response."""
    counts: list[int] = field(default_factory=list)
    """X-Trial: how many requests there were so far, by the state that reloads keep."""

    def take(self, head: bytes) -> None:
        fields = dict(re.findall(rb"\r\n([^:]+): ([^\r]*)", head))
        self.statuses[int(head.split()[1])] += 1
        self.revisions.add((fields[b"X-Definition"].decode(), fields[b"X-Route"].decode()))
        self.counts.append(int(fields[b"X-Trial"].split()[1]))

    @property
    def newest(self) -> int:
        return max((int(route) for _, route in self.revisions), default=-1)


def save(files: Files, upstream: RawUpstream, number: int) -> None:
    """One edit of both files at once. Every other one changes the policy that counts, too."""
    kubelet_volume(
        files.folder,
        a=DEFINITIONS.format(port=upstream.port, number=number, after=10**6 + number // 2),
        b=ROUTES.format(number=number),
    )


async def call(running: Served, seen: Seen, done: asyncio.Event) -> None:
    """Ask over one connection, again and again."""
    peer = Peer(*await asyncio.open_connection("127.0.0.1", running.port))
    while not done.is_set():
        peer.send(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
        head, body = await peer.message()
        assert body == b"ok"
        seen.take(head)
    peer.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Edits follow each other faster than people type."""
    monkeypatch.setattr(watching, "_SETTLED", 0.001)
    monkeypatch.setattr(watching, "_MOST_LOOKS", 5000)
    monkeypatch.setattr(watching, "_STEP_MS", 1)
    monkeypatch.setattr(watching, "LOOK_OFTEN", 0.01)


@pytest.mark.usefixtures("built", "impatient")
async def test_hundreds_of_edits_under_load_drop_nothing_and_forget_nothing(
    files: Files, upstream: RawUpstream
) -> None:
    seen, done = Seen(), asyncio.Event()
    save(files, upstream, 0)
    async with served(files) as running:
        await running.proxy.reload()  # from now on, it is known what was read
        watcher = _watcher(running.proxy)
        watcher.start()
        calling = [asyncio.create_task(call(running, seen, done)) for _ in range(CALLERS)]

        def arrived(number: int) -> bool:
            return seen.newest == number or any(task.done() for task in calling)

        try:
            for number in range(1, EDITS + 1):
                save(files, upstream, number)
                await until(partial(arrived, number))
        finally:
            done.set()
            await asyncio.to_thread(watcher.stop, 5.0)
            await asyncio.gather(*calling)
        await until(lambda: running.proxy.in_flight == 0)

    assert {200: len(seen.counts)} == seen.statuses
    assert {(f"{number}", f"{number}") for number in range(EDITS + 1)} == seen.revisions
    # Every request was counted, by a state that no reload has made anew.
    assert len(seen.counts) == max(seen.counts)
    assert upstream.connections <= CALLERS


@pytest.mark.skipif(not leases_work(), reason="this file system does not tell who writes")
@pytest.mark.usefixtures("built", "impatient")
async def test_a_file_whose_first_half_would_do_is_not_taken_before_the_second_is_there(
    files: Files, upstream: RawUpstream
) -> None:
    seen, done = Seen(), asyncio.Event()
    save(files, upstream, 0)
    async with served(files) as running:
        await running.proxy.reload()
        watcher = _watcher(running.proxy)
        watcher.start()
        calling = asyncio.create_task(call(running, seen, done))
        whole = ROUTES.format(number=1)
        half = whole[: whole.index("  - name")] + "  - {name: other, match: {path: /other}}\n"
        try:
            with (files.folder / "..data" / "b.yaml").open("w") as file:
                file.write(half)
                file.flush()
                await asyncio.sleep(0.5)
                file.write(whole[whole.index("  - name") :])
            await until(lambda: seen.newest == 1 or calling.done())
        finally:
            done.set()
            await asyncio.to_thread(watcher.stop, 5.0)
            await calling

    assert ({200: len(seen.counts)}, len(seen.counts)) == (seen.statuses, max(seen.counts))


BROKEN = [
    pytest.param(lambda path: path.write_text("version: 1\nroutes: ["), "not YAML", id="half a file"),
    pytest.param(lambda path: path.write_text(""), "is empty", id="an empty file"),
    pytest.param(lambda path: path.unlink(), "no policy file", id="no file"),
    pytest.param(lambda path: (path.unlink(), path.symlink_to(path.name)), "symbolic", id="a loop of links"),
]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("damage", "says"), BROKEN)
async def test_whatever_is_on_disk_it_goes_on_and_says_so_and_recovers(
    files: Files, upstream: RawUpstream, damage: object, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(files, upstream) as running:
        path = files.folder / "a.yaml"
        text = path.read_text()
        await running.proxy.reload()
        watcher = _watcher(running.proxy)
        watcher.start()
        try:
            damage(path)  # type: ignore[operator]
            await until(lambda: not running.proxy.details().last_reload.ok)
            meanwhile = await running.get()
            failed, told = running.metrics(), running.proxy.details().last_reload.problems
            path.unlink(missing_ok=True)
            path.write_text(text)
            await until(lambda: running.proxy.details().last_reload.ok)
            mended = running.metrics()
        finally:
            await asyncio.to_thread(watcher.stop, 5.0)

    assert (200, "one") == (meanwhile.status_code, meanwhile.headers["X-Revision"])
    assert ("0.0", "1.0") == tuple(each["seawall_config_last_reload_success"] for each in (failed, mended))
    assert says in told[0]
    assert says in caplog.text
