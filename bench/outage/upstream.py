"""An application that hangs when it is told to: `upstream.py PORT CONTROL_PORT`.

Eight workers take ten milliseconds for each request. While it hangs they do nothing; what was
asked meanwhile is worked off afterwards, also where nobody waits for it any more: most applications don't
look. `/quick` is answered at once, for finding out what the load generator can do.

The other port takes one word: `hang`, `well`, or `seen`, which is answered with when each request came.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import closing, suppress

WORKERS = 8
SECONDS = 0.01
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class Application:
    """Its workers, and what they were asked."""

    def __init__(self) -> None:
        self._well = asyncio.Event()
        self._well.set()
        self._workers = asyncio.Semaphore(WORKERS)
        self.seen: list[float] = []

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Requests of one connection, in turn."""
        with closing(writer), suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if not head.startswith(b"GET /quick "):
                    self.seen.append(time.monotonic())
                    await self._work()
                writer.write(ANSWER)
                await writer.drain()

    async def _work(self) -> None:
        async with self._workers:
            await self._well.wait()
            await asyncio.sleep(SECONDS)

    def hang(self) -> None:
        """From now on, until it is told that it is well."""
        self._well.clear()

    def recover(self) -> None:
        """Work off what has come meanwhile."""
        self._well.set()

    async def control(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one word."""
        word = (await reader.readline()).strip()
        if word == b"hang":
            self.hang()
        elif word == b"well":
            self.recover()
        writer.write(json.dumps(self.seen if word == b"seen" else time.monotonic()).encode())
        writer.close()


async def _main(port: int, control: int) -> None:
    app = Application()
    told = await asyncio.start_server(app.control, "127.0.0.1", control)
    async with await asyncio.start_server(app.accept, "127.0.0.1", port, backlog=4096) as server, told:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), int(sys.argv[2])))
