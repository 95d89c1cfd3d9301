"""The network addresses that provd never connects to for a customer.

The ranges are those of IANA's special-purpose registries. They are listed here because the answer of
`ipaddress` (`is_private`, `is_global`) differs between versions of Python.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

RANGES = {
    "0.0.0.0/8": "this network",
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "shared by a carrier",
    "127.0.0.0/8": "loopback",
    "169.254.0.0/16": "link-local",
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "protocol assignments",
    "192.0.2.0/24": "documentation",
    "192.31.196.0/24": "AS112",
    "192.52.193.0/24": "AMT",
    "192.88.99.0/24": "6to4 relay",
    "192.168.0.0/16": "private",
    "192.175.48.0/24": "AS112",
    "198.18.0.0/15": "benchmarks",
    "198.51.100.0/24": "documentation",
    "203.0.113.0/24": "documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved",
    "2001::/23": "protocol assignments",
    "2001:db8::/32": "documentation",
    "2002::/16": "6to4",
    "2620:4f:8000::/48": "AS112",
    "3fff::/20": "documentation",
}
"""Network -> its use. IPv6 outside UNICAST is forbidden whole, so its other ranges need no row."""

UNICAST = IPv6Network("2000::/3")
NAT64 = IPv6Network("64:ff9b::/96")
"""A translator turns these into the IPv4 address in the last 32 bits, which is the one that counts."""


@dataclass(frozen=True, slots=True)
class Forbidden:
    """A set of networks; `why` names the first one that holds an address."""

    networks: tuple[tuple[Network, str], ...]

    @classmethod
    def public_only(cls, also: Iterable[str] = ()) -> "Forbidden":
        """Returns every range that is not public, and the networks `also` (the site's own).

        Raises ValueError for a network that is not one, for example with bits set behind its prefix.
        """
        rows = RANGES | dict.fromkeys(also, "a network of this site")
        return cls(tuple((ipaddress.ip_network(network), use) for network, use in rows.items()))

    def why(self, address: Address) -> str | None:
        """Returns why the address is forbidden, or None for one that is not."""
        if isinstance(address, IPv6Address):
            if address.scope_id is not None:
                return "an address with a zone"
            if address in NAT64:
                return self.why(IPv4Address(int(address) & 0xFFFFFFFF))
            if address not in UNICAST:
                return "not a public IPv6 address"
        return next((use for network, use in self.networks if address in network), None)


def literal(host: str) -> Address | None:
    """Returns the address that a host of a URL is, or None for a name. IPv6 is without brackets."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
