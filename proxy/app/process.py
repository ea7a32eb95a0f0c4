"""The life of the process: ports open, signals heard, everything ended in good order."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from aiohttp import web

from proxy.admin.access import check_admin_address, read_token
from proxy.admin.api import admin_app
from proxy.admin.site import serve
from proxy.admin.status import status_app
from proxy.app.breakers import log_store
from proxy.app.heap import HEAP
from proxy.app.mounts import mounts, never_updated
from proxy.app.proxy import Proxy, read_policies
from proxy.app.settings import Settings
from proxy.app.watching import Watcher
from proxy.clock import Clock, SystemClock
from proxy.config.inputs import Inputs
from proxy.errors import ConfigError
from proxy.stores.guarded import Patience
from proxy.stores.opening import close_store, open_store
from proxy.wire.certificate import Certificate
from proxy.wire.server import Listener

_log = logging.getLogger("seawall")

_LOOK_FOR_CERTIFICATE = 10.0
_LONGEST_LOOK = 2.0
"""Seconds that the end waits for a file system that hangs."""

OK, PROBLEMS, USAGE = 0, 1, 2
"""Exit codes of every command."""


def run(settings: Settings) -> int:
    """Serve until a signal says otherwise; returns the exit code."""
    _tune_malloc()
    factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    with suppress(ImportError):  # plain asyncio where it is missing
        import uvloop  # noqa: PLC0415

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(_serve(settings))


async def _serve(settings: Settings) -> int:
    signals = _hear_signals()
    try:
        patience = Patience(settings.store_timeout, settings.store_failures, settings.store_open_for)
        store = await open_store(settings.store, SystemClock(), patience, log_store)
    except ValueError as error:
        return _wrong_usage(error)
    try:
        inputs = Inputs(settings.policies)
        with inputs.reading():
            proxy = Proxy(settings, read_policies(settings), store=store)
    except ConfigError as error:
        print(error, file=sys.stderr)  # noqa: T201  # for the operator, as `seawall check` says it
        await close_store(store)
        return PROBLEMS
    except ValueError as error:
        await close_store(store)
        return _wrong_usage(error)
    proxy.inputs = inputs
    try:
        return await _serve_until_stopped(proxy, signals)
    finally:
        await proxy.close()
        await close_store(store)


async def _serve_until_stopped(proxy: Proxy, signals: Signals) -> int:
    settings = proxy.settings
    sides: list[web.AppRunner] = []
    renewal: asyncio.Task[None] | None = None
    proxy.watcher = watcher = _watcher(proxy)
    try:
        try:
            certificate = None if settings.tls_cert_dir is None else Certificate(settings.tls_cert_dir)
            proxy.certificate = certificate
            tls = None if certificate is None else certificate.context
            listener = Listener(proxy.server, drain=settings.drain, tls=tls)
            address = await _open_ports(proxy, listener, sides)
        except ValueError as error:
            return _wrong_usage(error)
        _log.info(
            "listening on %s, status on %s, admin on %s; revision %s, %d route%s",
            address,
            *(_name(runner.addresses[0]) for runner in sides),
            proxy.configuration.short_revision,
            len(proxy.configuration.routes),
            "s" * (len(proxy.configuration.routes) != 1),
        )
        if certificate is not None:
            renewal = asyncio.create_task(_renew(certificate, proxy.clock))
        _warn_of_mounts(proxy.inputs)
        HEAP.settle()
        watcher.start()
        return await _until_stopped(proxy, listener, signals)
    finally:
        if renewal is not None:
            renewal.cancel()
        await asyncio.to_thread(watcher.stop, _LONGEST_LOOK)
        for runner in sides:
            await runner.cleanup()


def _wrong_usage(error: ValueError) -> int:
    """One clear line, no traceback."""
    print(f"seawall: {error}", file=sys.stderr)  # noqa: T201  # for the operator
    return USAGE


def _watcher(proxy: Proxy) -> Watcher:
    """Reloads on this loop what it sees to have changed."""
    loop = asyncio.get_running_loop()

    def reload() -> None:
        with suppress(ConfigError):  # logged, counted, and told by /healthz
            asyncio.run_coroutine_threadsafe(proxy.reload(watched=True), loop).result()

    return Watcher(lambda: proxy.inputs, reload, proxy.settings.watch, proxy.clock.monotonic)


def _warn_of_mounts(inputs: Inputs) -> None:
    """Of what will never be seen to change; of a folder once, and not of each file in it."""
    table, told = mounts(), set[Path]()
    for path in inputs.paths:
        if path.parent not in told and (why := never_updated(path, table)):
            told.add(path)
            _log.warning("%s", why)


async def _renew(certificate: Certificate, clock: Clock) -> None:
    """Look for a new certificate every few seconds: they come once in weeks, from a symbolic link's swap."""
    while True:
        await clock.sleep(_LOOK_FOR_CERTIFICATE)
        certificate.refresh()


async def _open_ports(proxy: Proxy, listener: Listener, sides: list[web.AppRunner]) -> str:
    """Open all three; returns the address of the data port. Raises ValueError."""
    settings = proxy.settings
    token = None if settings.admin_token_file is None else read_token(settings.admin_token_file)
    admin_host, admin_port = _split(settings.admin)
    check_admin_address(admin_host, token)
    with _naming(settings.listen):  # first: who is told that we are ready may connect
        address = await listener.open(settings.listen)
    try:
        with _naming(settings.status):
            sides.append(await serve(status_app(proxy), *_split(settings.status)))
        with _naming(settings.admin):
            sides.append(await serve(_admin(proxy, token), admin_host, admin_port))
    except ValueError:
        await listener.close()
        raise
    return address


def _admin(proxy: Proxy, token: str | None) -> web.Application:
    return admin_app(proxy, token=token, origins=proxy.settings.admin_origin)


@contextmanager
def _naming(address: str) -> Iterator[None]:
    """What the system says about an address names it, too."""
    try:
        yield
    except OSError as error:
        # Of a name that is not found, the number is getaddrinfo's own and negative.
        number = error.errno or 0
        reason = os.strerror(number) if number > 0 else error.strerror or str(error)
        raise ValueError(f"cannot listen on {address}: {reason}") from None


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _name(address: tuple[str, int]) -> str:
    return f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"


Signals = asyncio.Queue[signal.Signals]


def _hear_signals() -> Signals:
    """From the first moment on: one that comes while starting is acted upon when that is done."""
    loop = asyncio.get_running_loop()
    signals: Signals = asyncio.Queue()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, signals.put_nowait, number)
    return signals


async def _until_stopped(proxy: Proxy, listener: Listener, signals: Signals) -> int:
    """Wait for a signal, then drain; a second one stops at once."""
    while await signals.get() == signal.SIGHUP:
        with suppress(ConfigError):  # logged, counted, and told by /healthz
            await proxy.reload()
    proxy.draining = True
    _log.info("draining: %d in flight, at most %g s", proxy.in_flight, proxy.settings.drain)
    draining = asyncio.create_task(listener.close())
    second = asyncio.create_task(_next_stop(signals))
    await asyncio.wait({draining, second}, return_when=asyncio.FIRST_COMPLETED)
    if draining.done():
        second.cancel()
        _log.info("stopped")
        return OK
    draining.cancel()
    with suppress(asyncio.CancelledError):
        await draining
    _log.warning("stopped at once by a second signal; %d were in flight", proxy.in_flight)
    return PROBLEMS


async def _next_stop(signals: Signals) -> None:
    while await signals.get() == signal.SIGHUP:
        _log.warning("not reloading: stopping")


def _tune_malloc() -> None:
    """Keep freed memory for the next body: giving it back each time costs more than all policies.

    glibc's mallopt(3), as MALLOC_TRIM_THRESHOLD_, _TOP_PAD_ and _MMAP_THRESHOLD_ would set it.
    """
    trim_threshold, top_pad, mmap_threshold = -1, -2, -3
    with suppress(OSError, AttributeError):  # another C library: its own defaults
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(mmap_threshold, 32 * 2**20)
        mallopt(trim_threshold, 64 * 2**20)
        mallopt(top_pad, 1 * 2**20)
