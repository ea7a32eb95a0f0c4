"""Ways to end a connection that `transport.close()` alone does not know."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import struct
from contextlib import suppress

_NO_LINGER = struct.pack("ii", 1, 0)


def close_when_written(
    loop: asyncio.AbstractEventLoop, transport: asyncio.Transport, patience: float
) -> None:
    """Close once all is written; cut it off where for `patience` seconds nothing of it was taken.

    Else who doesn't read would hold the connection, and what is written to it, for ever.
    """
    if transport.is_closing():
        return  # asyncio's TLS transport forgets its buffer when it is closed twice
    transport.close()
    left = transport.get_write_buffer_size()
    if left:
        loop.call_later(patience, _cut_off_stalled, loop, transport, patience, left)


def _cut_off_stalled(
    loop: asyncio.AbstractEventLoop, transport: asyncio.Transport, patience: float, before: int
) -> None:
    left = transport.get_write_buffer_size()
    if not left:
        return
    if left < before:
        loop.call_later(patience, _cut_off_stalled, loop, transport, patience, left)
    else:
        transport.abort()


def reset(transport: asyncio.Transport) -> None:
    """Break off with a TCP reset, so that the end can't be taken for that of a body.

    Only what the body's own framing does not say needs this; a reset may cost the other side
    some of what it has already been sent.
    """
    with suppress(OSError), _socket_of(transport) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()


def is_end(transport: asyncio.Transport) -> bool:
    """Whether the other side has said that it ends here; to be asked in `eof_received`.

    Anybody on the way can end a TCP connection, and with it a body that ends with the connection: over
    TLS only a closure alert is an end (RFC 9112, section 9.8). asyncio calls `eof_received` without one,
    too; uvloop does not.
    """
    secured = transport.get_extra_info("ssl_object")
    if secured is None:
        return True
    try:
        return not secured.read(1)
    except ssl.SSLError:  # it wants to read more, which after an alert it does not
        return False


def last_words(transport: asyncio.Transport, limit: int) -> bytes:
    """What had arrived when writing failed; to be asked for in `connection_lost`.

    A server that answers early and closes, as with 413 to an upload, resets the connection.
    The write that then fails ends the transport before it has read the answer.
    """
    words = b""
    if transport.get_extra_info("sslcontext") is None:
        with suppress(OSError), _socket_of(transport) as connection:
            while len(words) < limit and (piece := connection.recv(65536)):
                words += piece
    return words


def _socket_of(transport: asyncio.Transport) -> socket.socket:
    """A socket of our own for the same connection: what transports hand out can do next to nothing."""
    return socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))
