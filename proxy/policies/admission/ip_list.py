"""Admit clients by their address: some networks only, or all but some.

```yaml
ip_list:
  allow: [10.0.0.0/8, "2001:db8::/32"]
  deny: [10.6.6.0/24]
```

`deny` wins over `allow`. With `allow`, whoever is on neither list is refused; with `deny`
alone, everybody else is admitted.

**Lists in files**, for those that something else writes: `files: {deny: [lists/drop.txt]}`, with an
address or a network in each line, and comments behind `#`. They count as if they stood under `allow`
and `deny`. A file is read when the policies are loaded, and again when it changes; one with a mistake
in it is refused with its line, and the lists from before stay.

**Lists in variables**: `allow: ["${ALLOWED_NETWORKS...}"]`, with commas between them; an empty variable is
a mistake, and never an open door.

**Whose address.** The client's, as `clients` in the policy file settles it: the peer's, or
where the peer is a trusted proxy, the last address in `X-Forwarded-For` that is not one. An
IPv4 address written as IPv6 (`::ffff:192.0.2.1`) counts as IPv4, in requests and in lists.
A client without an address (on a unix socket) is on no list.

**What the client sees.** `403`, without a word about the lists.

**State.** The verdicts on the last 1024 addresses, in memory; nothing that could fail.

**Hardened against.** Other spellings of a listed address; a list of thousands of networks
costs as much for each request as one of a few, since networks are looked up by the lengths
of their prefixes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Annotated, ClassVar

from msgspec import Meta

from proxy.config.documents import Document, LineFault
from proxy.config.schema import PolicyConfig, Schema
from proxy.config.spelling import listed
from proxy.config.units import Network
from proxy.errors import Change, Rejection
from proxy.exchange import Exchange
from proxy.policy import Services

DENIED = (403, "ip_list.denied", "This address may not use this service.")

REASONS = (DENIED,)

_VERDICTS_MAX = 1024
_UNLISTED = "not in allow"
_MAPPED = IPv6Network("::ffff:0:0/96")  # RFC 4291, section 2.5.5.2


class NetworksFile(Document):
    """A file with a network in each line."""

    schema: ClassVar[type[Schema] | None] = None
    public: ClassVar[bool] = True
    example: ClassVar[str] = "lists/drop.txt"

    @classmethod
    def read(cls, text: str) -> tuple[object, list[LineFault]]:
        """The networks, and what is wrong in which line."""
        networks, faults = [], []
        for number, line in enumerate(text.splitlines(), 1):
            written = line.partition("#")[0].strip()
            try:
                networks += [Network.parse(written)] if written else []
            except ValueError as error:
                faults.append(LineFault(number, str(error)))
        return tuple(networks), faults

    @property
    def networks(self) -> tuple[Network, ...]:
        """Of a loaded file; none where it was not loaded."""
        return self.content if isinstance(self.content, tuple) else ()


class FilesConfig(Schema, frozen=True, kw_only=True):
    """Lists that stand elsewhere."""

    allow: Annotated[
        tuple[NetworksFile, ...], Meta(min_length=1, description="Files with networks that are admitted.")
    ] = ()
    deny: Annotated[
        tuple[NetworksFile, ...], Meta(min_length=1, description="Files with networks that are refused.")
    ] = ()


class IpListConfig(PolicyConfig, frozen=True, kw_only=True):
    """See the module's docstring."""

    allow: Annotated[
        tuple[Network, ...],
        Meta(min_length=1, description="Networks and addresses that are admitted, and nobody else."),
    ] = ()
    deny: Annotated[
        tuple[Network, ...], Meta(min_length=1, description="Networks and addresses that are refused.")
    ] = ()
    files: Annotated[FilesConfig, Meta(description="Files with more of both.")] = FilesConfig()

    def check(self) -> Iterator[tuple[str, str]]:
        """A list without an entry is a mistake."""
        files = self.files
        if not (self.allow or self.deny or files.allow or files.deny):
            yield "", "nobody is listed; expected a network under `allow` or `deny`"
        for index, file in enumerate(files.allow):
            if file.content == ():
                yield f"files.allow[{index}]", "there is no network in it; expected one in each line"

    def in_words(self) -> Sequence[str]:
        """Who may come in."""
        allow, deny = _words(self.allow, self.files.allow), _words(self.deny, self.files.deny)
        if not allow:
            return (f"everybody may come in but {deny}",)
        return (f"{allow} may come in{f' but {deny}' if deny else ''}", "nobody else")


def _words(networks: Sequence[Network], files: Sequence[NetworksFile]) -> str:
    """Networks as they are, and of files how many there are in each."""
    return listed([*networks, *(f"{len(file.networks)} in {file}" for file in files)])


class IpList:
    """See the module's docstring."""

    def __init__(self, config: IpListConfig, services: Services) -> None:
        self._name = services.name
        files = config.files
        self._allow = _Networks(_all(config.allow, files.allow)) if config.allow or files.allow else None
        self._deny = _Networks(_all(config.deny, files.deny))
        self._verdict = lru_cache(maxsize=_VERDICTS_MAX)(self._decide)

    def on_request(self, exchange: Exchange) -> None:
        refused_by = self._verdict(exchange.client_ip)
        if refused_by is not None:
            address = exchange.client_ip
            facts = {"client_ip": address, "refused_by": refused_by}
            # Whoever is on `deny` was put there: to take them off is nobody's smallest edit.
            listable = refused_by == _UNLISTED and re.fullmatch(Network.pattern, address)
            change = Change("allow", address, "add") if listable else None
            raise Rejection(*DENIED, facts=facts, change=change, policy=self._name)

    def _decide(self, client_ip: str) -> str | None:
        """None to admit; else what the decision says of why not."""
        address = _address(client_ip)
        denied = self._deny.find(address) if address is not None else None
        if denied is not None:
            return f"deny: {denied}"
        if self._allow is None or (address is not None and self._allow.find(address) is not None):
            return None
        return _UNLISTED


class _Networks:
    """Membership in a step for each length of a prefix, however many networks there are."""

    def __init__(self, networks: Iterable[Network]) -> None:
        by_length: dict[tuple[int, int], dict[int, str]] = {}
        for written in networks:
            network = _unmapped(written.network)
            host_bits = network.max_prefixlen - network.prefixlen
            prefixes = by_length.setdefault((network.version, host_bits), {})
            prefixes[int(network.network_address) >> host_bits] = str(written)
        self._by_version = {
            version: tuple((bits, by_length[v, bits]) for v, bits in sorted(by_length) if v == version)
            for version in (4, 6)
        }

    def find(self, address: IPv4Address | IPv6Address) -> str | None:
        """The narrowest network that has `address`, as it was written; None where none has."""
        number = int(address)
        for host_bits, prefixes in self._by_version[address.version]:
            found = prefixes.get(number >> host_bits)
            if found is not None:
                return found
        return None


def _all(networks: Iterable[Network], files: Iterable[NetworksFile]) -> Iterator[Network]:
    yield from networks
    for file in files:
        yield from file.networks


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _unmapped(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        return IPv4Network((int(network.network_address) & 0xFFFFFFFF, network.prefixlen - 96))
    return network
