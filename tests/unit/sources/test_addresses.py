"""Which addresses are forbidden."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.sources.addresses import RANGES, Forbidden

PUBLIC = Forbidden.public_only()


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::7f00:1",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "2606:4700::1111%eth0",
        "fec0::1",
        "ff02::1",
    ],
)
def test_forbidden(address: str) -> None:
    """Private, loopback, link-local and special addresses, and IPv6 forms that lead to them."""
    assert PUBLIC.why(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "8.8.8.8", "93.184.216.34", "172.32.0.1", "2606:4700::1111", "64:ff9b::8.8.8.8"]
)
def test_public(address: str) -> None:
    """Public addresses are accepted, also through a NAT64 translator."""
    assert PUBLIC.why(ipaddress.ip_address(address)) is None


def test_own_networks() -> None:
    """A site's public networks are forbidden, and the reason says so; NAT64 does not hide them."""
    site = Forbidden.public_only(["93.184.216.0/24", "2606:4700::/32"])
    for address in ("93.184.216.34", "2606:4700::1111", "64:ff9b::93.184.216.34"):
        assert site.why(ipaddress.ip_address(address)) == "a network of this site"
    with pytest.raises(ValueError, match="host bits"):
        Forbidden.public_only(["93.184.216.34/24"])


@given(st.ip_addresses(v=4))
def test_never_private_ipv4(address: ipaddress.IPv4Address) -> None:
    """No address that Python knows as not global is accepted."""
    if not address.is_global or address.is_multicast:
        assert PUBLIC.why(address)


@given(st.ip_addresses(v=6))
def test_never_private_ipv6(address: ipaddress.IPv6Address) -> None:
    """As for IPv4; and nothing outside 2000::/3 is accepted but the NAT64 prefix."""
    if not address.is_global or address.is_multicast:
        assert PUBLIC.why(address) or address in ipaddress.ip_network("64:ff9b::/96")
    if int(address) >> 125 != 1:
        assert PUBLIC.why(address) or address in ipaddress.ip_network("64:ff9b::/96")


@given(st.sampled_from(sorted(RANGES)), st.data())
def test_every_range_is_forbidden_to_its_ends(network: str, data: st.DataObject) -> None:
    """First, last and any address between, also behind NAT64 for IPv4."""
    known = ipaddress.ip_network(network)
    offset = data.draw(st.integers(0, known.num_addresses - 1))
    for address in (known[0], known[-1], known[offset]):
        assert PUBLIC.why(address)
        if address.version == 4:
            assert PUBLIC.why(ipaddress.ip_address(f"64:ff9b::{address}"))
            assert PUBLIC.why(ipaddress.ip_address(f"::ffff:{address}"))
