"""Names are resolved once, and every address is checked before it is used."""

import ipaddress

import pytest

from provider_daemon.errors import Transient
from provider_daemon.sources import resolver as resolver_module
from provider_daemon.sources.addresses import Forbidden
from provider_daemon.sources.refusals import InputRefusal, InputRefused
from provider_daemon.sources.resolver import CheckedResolver, is_own
from tests.unit.sources.cases import PUBLIC, nobody


def resolver(*addresses: str, trusted: tuple[str, int] = ("", 0), own: str = "") -> CheckedResolver:
    async def lookup(host: str, port: int) -> list[str]:
        return list(addresses)

    return CheckedResolver(
        Forbidden.public_only(),
        frozenset({trusted}),
        lookup=lookup,
        own=lambda address: str(address) == own,
    )


async def test_public_addresses() -> None:
    """Each address once, in order, as numbers that need no further resolution."""
    found = await resolver(PUBLIC, "2606:4700::1111", PUBLIC).resolve("h.example", 443)
    assert [(each["host"], each["port"], each["hostname"]) for each in found] == [
        (PUBLIC, 443, "h.example"),
        ("2606:4700::1111", 443, "h.example"),
    ]


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "169.254.169.254", "::ffff:10.0.0.1", "fe80::1%eth0", "fd00::1"]
)
async def test_one_forbidden_address_refuses_the_name(address: str) -> None:
    """Also beside a public one; the address is not repeated to the customer."""
    with pytest.raises(InputRefused) as caught:
        await resolver(PUBLIC, address).resolve("h.example", 443)
    assert caught.value.reason is InputRefusal.ADDRESS
    assert address not in str(caught.value)


async def test_own_address() -> None:
    """The mover's host is refused although its address is public."""
    with pytest.raises(InputRefused, match="address of this host"):
        await resolver(PUBLIC, own=PUBLIC).resolve("h.example", 443)


async def test_trusted_is_a_host_and_a_port() -> None:
    """A host that the site allows may be private, but only at that port."""
    allowing = resolver("10.0.0.1", trusted=("h.example", 9000))
    assert [each["host"] for each in await allowing.resolve("h.example", 9000)] == ["10.0.0.1"]
    with pytest.raises(InputRefused):
        await allowing.resolve("h.example", 9001)


async def test_failed_query_is_temporary() -> None:
    """Neither a failed query nor an empty answer means that the name does not exist."""

    async def fails(host: str, port: int) -> list[str]:
        raise OSError("no answer")

    failing = CheckedResolver(Forbidden.public_only(), frozenset(), lookup=fails, own=nobody)
    for each in (failing, resolver()):
        with pytest.raises(Transient, match=r"no (answer|address)"):
            await each.resolve("h.example", 443)


def test_is_own() -> None:
    """This host's addresses are known without sending anything."""
    assert is_own(ipaddress.ip_address("127.0.0.1"))
    assert not is_own(ipaddress.ip_address(PUBLIC))
    assert not is_own(ipaddress.ip_address("2606:4700::1111"))


def test_is_own_with_nonlocal_bind(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a host that lets sockets bind to any address, not every address is its own."""
    monkeypatch.setattr(resolver_module, "_binds", lambda address: True)
    assert is_own(ipaddress.ip_address("127.0.0.1"))
    assert not is_own(ipaddress.ip_address(PUBLIC))
