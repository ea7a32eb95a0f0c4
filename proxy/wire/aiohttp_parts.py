"""Everything that the wire takes from aiohttp beyond its documented API, in one place.

`tests/wire/test_aiohttp_parts.py` holds what is relied upon, and says what to look at when
aiohttp moves; `pyproject.toml` pins the series that it was checked with.

`RequestHandler`: we subclass it for what it knows of a server's life (registration,
`pre_shutdown`, graceful `shutdown`) and replace `data_received` and `start`. Used of its
attributes: `_manager`, `_loop`, `_close`, `_force_close`, `_request_in_progress`,
`_handler_waiter`, `_task_handler`, `_parser`, `transport`.

Its parser is not used: `parser` says why.
"""

from __future__ import annotations

from aiohttp.web_protocol import RequestHandler
from aiohttp.web_server import Server

__all__ = ["RequestHandler", "Server"]
