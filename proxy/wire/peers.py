"""Who is calling: the address of the client, as far as it can be believed."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

Network = IPv4Network | IPv6Network


class TrustedPeers:
    """The proxies whose word about clients is believed (`clients.trusted_proxies`)."""

    def __init__(self, networks: Sequence[Network] = ()) -> None:
        self._networks = tuple(networks)

    def trusts(self, address: str) -> bool:
        """Whether `address` is one of them; nothing that is no address is."""
        if not self._networks:
            return False
        try:
            ip = ip_address(address)
        except ValueError:
            return False
        return any(ip.version == network.version and ip in network for network in self._networks)

    def client_of(self, peer: str, forwarded_for: str | None) -> str:
        """The right-most hop that is not trusted; `peer` where there is none to be believed.

        `forwarded_for` is the X-Forwarded-For of a trusted peer. What stands left of an
        untrusted hop was written by that hop, so nothing there counts.
        """
        if not forwarded_for:
            return peer
        client = peer
        for hop in reversed(forwarded_for.split(",")):
            address = plain_address(hop.strip())
            if address is None:
                return client
            client = address
            if not self.trusts(address):
                return client
        return client


def plain_address(text: str) -> str | None:
    """An address without port and brackets, IPv4-mapped IPv6 as IPv4; None for anything else."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        ip = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(ip, "ipv4_mapped", None)
    return str(mapped or ip)
