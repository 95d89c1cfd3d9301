"""DNS for connections that a customer's URI leads to: resolved once, checked, and only then connected to."""

import asyncio
import errno
import ipaddress
import socket
from collections.abc import Awaitable, Callable

from aiohttp.abc import AbstractResolver, ResolveResult

from provider_daemon.errors import Transient
from provider_daemon.sources.addresses import Address, Forbidden, literal
from provider_daemon.sources.refusals import InputRefusal, InputRefused
from provider_daemon.sources.weburl import WebUrl

Lookup = Callable[[str, int], Awaitable[list[str]]]
"""Host and port -> addresses as text. Raises OSError."""

_ELSEWHERE = {4: ipaddress.ip_address("192.0.2.1"), 6: ipaddress.ip_address("2001:db8::1")}
"""Addresses for documentation, which no host has."""


async def system_lookup(host: str, port: int) -> list[str]:
    """Asks the system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def is_own(address: Address) -> bool:
    """Returns whether the address belongs to this host: a socket can be bound to it. Nothing is sent."""
    if not _binds(address):
        return False
    # With the sysctl ip_nonlocal_bind a socket can be bound to any address. Then the route to it decides.
    return not _binds(_ELSEWHERE[address.version]) or _routes_to_itself(address)


def _binds(address: Address) -> bool:
    try:
        with _probe(address) as probe:
            probe.bind((str(address), 0))
    except OSError as error:
        return error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
    return True


def _routes_to_itself(address: Address) -> bool:
    try:
        with _probe(address) as probe:
            probe.connect((str(address), 9))
            return str(probe.getsockname()[0]) == str(address)
    except OSError:
        return False


def _probe(address: Address) -> socket.socket:
    return socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET, socket.SOCK_DGRAM)


class CheckedResolver(AbstractResolver):
    """The resolver of one fetch. The addresses that aiohttp connects to are those that were checked here.

    `trusted`: hosts and ports whose addresses are not checked. One forbidden address refuses the whole name:
    a name that mixes public and private addresses has no use but an attack.
    """

    def __init__(
        self,
        forbidden: Forbidden,
        trusted: frozenset[tuple[str, int]],
        *,
        lookup: Lookup = system_lookup,
        own: Callable[[Address], bool] = is_own,
    ) -> None:
        self._forbidden = forbidden
        self._trusted = trusted
        self._lookup = lookup
        self._own = own

    def check_literal(self, url: WebUrl) -> None:
        """Refuses a URL whose host is a forbidden address: aiohttp resolves no literal address.

        Raises InputRefused.
        """
        address = literal(url.host)
        if address is not None and url.authority not in self._trusted:
            self._check(url.host, address)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Raises InputRefused for a name with a forbidden address, Transient if it does not resolve."""
        try:
            found = [ipaddress.ip_address(text) for text in await self._lookup(host, port)]
        except (OSError, UnicodeError) as error:
            raise Transient(f"{host}: the name does not resolve: {error}") from None
        except ValueError:
            raise InputRefused(InputRefusal.ADDRESS, f"{host}: resolves to an address with a zone") from None
        if not found:
            raise Transient(f"{host}: the name has no address")
        if (host, port) not in self._trusted:
            for address in found:
                self._check(host, address)
        return [_result(host, port, address) for address in dict.fromkeys(found)]

    def _check(self, host: str, address: Address) -> None:
        why = self._forbidden.why(address) or ("an address of this host" if self._own(address) else None)
        if why:
            # The address itself is left out: it would tell a customer how the site's network is built.
            raise InputRefused(InputRefusal.ADDRESS, f"{host}: its address is {why}, and not accepted")

    async def close(self) -> None:
        """Nothing is held."""


def _result(host: str, port: int, address: Address) -> ResolveResult:
    return ResolveResult(
        hostname=host,
        host=str(address),
        port=port,
        family=socket.AF_INET6 if address.version == 6 else socket.AF_INET,
        proto=socket.IPPROTO_TCP,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )
