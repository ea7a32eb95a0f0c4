"""While a circuit breaker is open, another upstream of the files answers: over real sockets."""

from __future__ import annotations

import asyncio

import pytest

from tests.app.served import served
from tests.app.trial import Files
from tests.wire.harness import Echo, Peer, RawUpstream, once, until

BACKED = """\
version: 1
upstreams:
  app: {{url: "http://127.0.0.1:{app}"}}
  backup: {{url: "http://localhost:{backup}", pool: {{max_connections: 1}}}}
policies:
  circuit_breaker:
    app: {{trip: {{consecutive_failures: 2}}, open_for: 1h, on_open: {{upstream: backup}}}}
defaults: {{forwarded: {{host: {host}}}}}
routes:
  - {{name: all, match: {{path: "/**"}}, upstream: app, policies: {{circuit_breaker: app}}}}
"""
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nbackup"


def backed(app: int, backup: int, host: str = "upstream") -> str:
    return BACKED.format(app=app, backup=backup, host=host)


async def test_the_other_upstream_answers_while_the_first_is_down(files: Files) -> None:
    async with RawUpstream(Echo(answer=ANSWER)) as backup:
        files.write(backed(1, backup.port))
        async with served(files) as running:
            answers = [await running.get(method="POST") for _ in range(5)]
            metrics = running.metrics()

    assert [502, 502, 200, 200, 200] == [each.status_code for each in answers]
    assert "backup" == answers[-1].text
    attempts = "seawall_upstream_attempts_total"
    assert ("2.0", "3.0") == (
        metrics[attempts + '{outcome="upstream.unreachable",upstream="app"}'],
        metrics[attempts + '{outcome="200",upstream="backup"}'],
    )
    assert "1.0" == metrics['seawall_circuit_breaker_state{name="app"}']


@pytest.mark.parametrize(("host", "named"), [("upstream", "localhost:{port}"), ("preserve", "example.com")])
async def test_its_host_is_named_as_forwarded_says(files: Files, host: str, named: str) -> None:
    echo = Echo(answer=ANSWER)
    async with RawUpstream(echo) as backup:
        files.write(backed(1, backup.port, host))
        async with served(files) as running:
            for _ in range(3):
                await running.client.get("/", headers={"Host": "example.com"})

        assert f"host: {named.format(port=backup.port)}\r\n".encode() in echo.seen[0].lower()


async def test_the_other_upstream_has_limits_of_its_own(files: Files) -> None:
    async def silent(peer: Peer) -> None:
        await peer.rest()

    async with RawUpstream(silent) as backup:
        files.write(backed(1, backup.port))
        running_edit = ("max_connections: 1", "max_connections: 1, wait: 100ms")
        async with served(files) as running:
            running.edit(*running_edit)
            await running.proxy.reload()
            for _ in range(2):
                await running.get()
            hanging = asyncio.ensure_future(running.get())
            while not backup.connections:
                await asyncio.sleep(0.001)
            refused = await running.get()
            hanging.cancel()

    assert "upstream.busy" == refused.json()["reason"]


async def test_a_failure_of_the_other_is_told_with_its_name_and_not_counted(files: Files) -> None:
    async with RawUpstream(once(b"")) as backup:
        files.write(backed(1, backup.port))
        async with served(files) as running:
            for _ in range(2):
                await running.get()
            running.proxy.force_breaker("app", None)
            before = running.proxy.breakers_seen()["app"]
            failed = await running.get()
            decision = running.proxy.decisions.recent(1)[0]

            assert before.numbers == running.proxy.breakers_seen()["app"].numbers | {
                "seconds_left": before.numbers["seconds_left"]
            }
    assert ("upstream.reset", "backup") == (failed.json()["reason"], decision.upstream)


async def test_a_reload_while_it_is_half_open_gives_no_second_probe_a_place(files: Files) -> None:
    asked, answer = list[Peer](), asyncio.Event()

    async def slow(peer: Peer) -> None:
        while True:
            await peer.message()
            asked.append(peer)
            await answer.wait()
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\napp")

    async with RawUpstream(slow) as app, RawUpstream(Echo(answer=ANSWER)) as backup:
        files.write(backed(app.port, backup.port))
        async with served(files) as running:
            running.proxy.force_breaker("app", "open")
            elsewhere = (await running.get()).text
            running.edit("open_for: 1h", "open_for: 2h")
            await running.proxy.reload()
            open_still = (await running.get()).text
            running.proxy.force_breaker("app", None)  # from open: by probes
            probe = asyncio.ensure_future(running.get())
            await until(lambda: len(asked) == 1)
            running.edit("open_for: 2h", "open_for: 3h")
            await running.proxy.reload()
            others = [(await running.get()).text for _ in range(5)]
            answer.set()
            probed = (await probe).text

            assert "closed" == running.proxy.breakers()["app"]
    assert ("backup", "backup", ["backup"] * 5, "app", 1) == (
        elsewhere,
        open_still,
        others,
        probed,
        len(asked),
    )


async def test_the_access_log_says_who_answered(files: Files, capfd: pytest.CaptureFixture[str]) -> None:
    async with RawUpstream(Echo(answer=ANSWER)) as backup:
        files.write(backed(1, backup.port))
        async with served(files, access_log=True) as running:
            for _ in range(3):
                await running.get()

    lines = [line for line in capfd.readouterr().out.splitlines() if "decision_id" in line]
    assert [False, False, True] == ['"upstream":"backup"' in line for line in lines]


def test_an_upstream_that_is_none_is_refused_where_it_stands(files: Files) -> None:
    files.write(backed(1, 2).replace("{upstream: backup}", "{upstream: bakcup}"))

    (problem,) = files.problems()
    where, what = "a.yaml:7:78: policies.circuit_breaker.app.on_open.upstream", "is not an upstream"
    assert f'{where}: "bakcup" {what}; did you mean `backup`?' == problem


def test_the_routes_own_upstream_is_refused_as_another(files: Files) -> None:
    files.write(backed(1, 2).replace("upstream: app,", "upstream: backup,"))

    (problem,) = files.problems()
    assert '"backup" is what the route "all" calls anyway; expected another' in problem


def test_an_upstream_that_only_a_breaker_calls_is_not_called_unused_and_no_request_needs_a_task(
    files: Files,
) -> None:
    files.write(backed(1, 2))
    plan = files.compile()

    assert () == plan.configuration.warnings
    assert plan.routes[0].pipeline.plain
