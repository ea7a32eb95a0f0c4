"""The keys of limits and memories (`proxy.config.keys`), read from an exchange.

An IPv6 address counts by its network, since one subscriber has all of it: `client.ip` by
`clients.ipv6_prefix` (64 where nothing else is said), `client.net` by its /64. `client.net`
of an IPv4 address is its /24.

A parameter, a header or a cookie that comes several times counts as all its values, joined by commas.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import sha256
from ipaddress import IPv6Address, ip_address
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from proxy.config.keys import Key
from proxy.exchange import Exchange, ExchangeKey

Reader = Callable[[Exchange, bytes], str | None]
"""The key of an exchange, given the request's body where a fact is in it; None where one is missing."""

IPV6_PREFIX = 64
_IPV4_NET = 24
SIGNATURE = ExchangeKey[str]("signature")
"""What the fact `signature` is: the digest in hex that was verified, whatever its spelling was."""
_OPEN = ("client.ip", "client.net", "route.name", "constant")
"""What a decision may show as it is; anything else could be a secret."""


def reader(keys: Sequence[Key], ipv6_prefix: int = IPV6_PREFIX) -> Reader:
    """Bound once, at load. Raises ValueError where a key cannot be read from an exchange."""
    parts = [_part(key, ipv6_prefix) for key in keys]
    if len(parts) == 1:
        return parts[0]

    def read(exchange: Exchange, body: bytes) -> str | None:
        values = [part(exchange, body) for part in parts]
        if None in values:
            return None
        # With its length, each ends in one place only, whatever characters clients put into it.
        return "".join([f"{len(value)}:{value}" for value in values if value is not None])

    return read


def needs_body(keys: Sequence[Key]) -> bool:
    """One of them is only known once the body is."""
    return any(key.fact in ("body", "body.sha256") for key in keys)


def shown(keys: Sequence[Key], exchange: Exchange, body: bytes = b"", ipv6_prefix: int = IPV6_PREFIX) -> str:
    """Each fact and its value, for a decision; of what may be a secret, the beginning of its hash."""
    return ", ".join(_shown(key, _part(key, ipv6_prefix)(exchange, body)) for key in keys)


def _shown(key: Key, value: str | None) -> str:
    if value is None:
        return f"{key} is missing"
    if key.fact in _OPEN:
        return f"{key} {value}"
    return f"{key} sha256:{sha256(value.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


def _part(key: Key, ipv6_prefix: int) -> Reader:
    if key == "client.ip":
        return _address(32, ipv6_prefix)
    if key == "client.net":
        return _address(_IPV4_NET, IPV6_PREFIX)
    try:
        return _READERS[key.fact](key.name)
    except KeyError:
        raise ValueError(f"`key` asks for {key}, which nothing on this route tells") from None


def _address(ipv4_prefix: int, ipv6_prefix: int) -> Reader:
    def read(exchange: Exchange, _: bytes) -> str | None:
        address = exchange.client_ip
        if ":" in address or ipv4_prefix < 32:
            return _network(address, ipv4_prefix, ipv6_prefix) or None
        return address or None

    return read


@lru_cache(maxsize=4096)
def _network(text: str, ipv4_prefix: int, ipv6_prefix: int) -> str:
    try:
        address = ip_address(text)
    except ValueError:
        return text
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    prefix = ipv6_prefix if address.version == 6 else ipv4_prefix
    host_bits = address.max_prefixlen - prefix
    if not host_bits:
        return str(address)
    return f"{type(address)(int(address) >> host_bits << host_bits)}/{prefix}"


def _route_name(_: str) -> Reader:
    return lambda exchange, _: exchange.route.name or "no_route"


def _constant(_: str) -> Reader:
    return lambda _exchange, _body: "*"


def _caller(_: str) -> Reader:
    return lambda exchange, _: exchange.identity.id if exchange.identity else None


def _path(name: str) -> Reader:
    return lambda exchange, _: exchange.params.get(name) or None


def _header(name: str) -> Reader:
    return lambda exchange, _: exchange.request.headers.get(name) or None


def _cookie(name: str) -> Reader:
    """RFC 6265: the case counts, and HTTP/2 gateways may send a line for each."""

    def read(exchange: Exchange, _: bytes) -> str | None:
        lines = exchange.request.headers.get_all("Cookie")
        pairs = [pair.partition("=") for line in lines for pair in line.split(";")]
        return ",".join([value.strip() for found, _, value in pairs if found.strip() == name]) or None

    return read


def _query(name: str) -> Reader:
    def read(exchange: Exchange, _: bytes) -> str | None:
        fields = parse_qsl(exchange.request.query, keep_blank_values=True, errors="surrogateescape")
        return ",".join([value for field, value in fields if field == name]) or None

    return read


def _signature(_: str) -> Reader:
    return lambda exchange, _: exchange.recall(SIGNATURE)


def _digest(_: str) -> Reader:
    return lambda _exchange, body: sha256(body).hexdigest()


def _pointer(pointer: str) -> Reader:
    """RFC 6901."""
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]

    def read(_: Exchange, body: bytes) -> str | None:
        try:
            found = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        for step in steps:
            found = _child(found, step)
        if isinstance(found, str):
            return found or None
        return msgspec.json.encode(found).decode() if isinstance(found, bool | int | float) else None

    return read


def _child(value: Any, step: str) -> Any:
    if isinstance(value, dict):
        return value.get(step)
    if isinstance(value, list) and step.isascii() and step.isdecimal() and len(step) < 10:
        return value[int(step)] if int(step) < len(value) else None
    return None


_READERS: dict[str, Callable[[str], Reader]] = {
    "route.name": _route_name,
    "constant": _constant,
    "auth.id": _caller,
    "path": _path,
    "header": _header,
    "cookie": _cookie,
    "query": _query,
    "body": _pointer,
    "body.sha256": _digest,
    "signature": _signature,
}
