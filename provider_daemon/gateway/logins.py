"""Logins: the tokens room joined with the chain, which knows the accounts' public keys."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from secrets import token_bytes
from typing import Protocol

import structlog

from provider_daemon.errors import Refused, Transient
from provider_daemon.ports import Clock, Cluster
from provider_daemon.tokens.challenge import NONCE_BYTES
from provider_daemon.tokens.identity import Audience
from provider_daemon.tokens.login import Authenticator
from provider_daemon.tokens.replay import ReplayGuard
from provider_daemon.tokens.session import SessionKey

log = structlog.get_logger("provd.gateway")

KNOWN_SECONDS, UNKNOWN_SECONDS = 300.0, 10.0  # for which a public key, or its absence, is remembered
KEYS = 10_000  # remembered
QUERIES = 8  # of the chain at once
_NO_CHAIN = "the gateway has not reached the chain yet, which it needs for logins"


class Accounts(Protocol):
    """The chain, as far as logins need it. Both may raise Transient and Unreadable."""

    async def public_key(self, address: str) -> bytes:
        """Returns b"" for an account without a key. Raises Refused for an unknown account."""
        ...

    async def cluster(self, cluster_id: str) -> Cluster | None: ...


class PublicKeys:
    """Public keys by address. Strangers cannot make it query the chain for one account again and again."""

    def __init__(self, accounts: Accounts, clock: Clock) -> None:
        self._accounts, self._clock = accounts, clock
        self._known: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self._queries = asyncio.Semaphore(QUERIES)

    async def of(self, address: str) -> bytes | None:
        """Returns the compressed key; None without one. Raises Transient, and Refused for a multisig."""
        key, until = self._known.get(address, (b"", 0.0))
        if self._clock.now() >= until:
            async with self._queries:
                key = await self._asked(address)
            self._remember(address, key)
        return key or None

    async def _asked(self, address: str) -> bytes:
        try:
            return await self._accounts.public_key(address)
        except Refused as error:
            if error.code:  # the chain does not know the account
                return b""
            raise

    def _remember(self, address: str, key: bytes) -> None:
        self._known[address] = (key, self._clock.now() + (KNOWN_SECONDS if key else UNKNOWN_SECONDS))
        self._known.move_to_end(address)
        if len(self._known) > KEYS:
            self._known.popitem(last=False)


class Logins:
    """The authenticator exists as soon as the chain has named the providers of the configured clusters."""

    def __init__(
        self,
        accounts: Accounts,
        clock: Clock,
        *,
        url: str,
        chain_id: str,
        clusters: Sequence[str],
        secret: Callable[[int], bytes] = token_bytes,
    ) -> None:
        self._accounts, self._clock = accounts, clock
        self._url, self._chain_id, self._clusters = url, chain_id, tuple(clusters)
        self._keys = PublicKeys(accounts, clock)
        self._session_key = SessionKey(secret(32))
        self._replay = ReplayGuard(clock.now())
        self._secret = secret
        self._authenticator: Authenticator | None = None
        self._audience: Audience | None = None

    async def start(self) -> Audience:
        """Reads the providers' addresses from the chain. Raises Transient, Unreadable, and Refused."""
        found = [await self._accounts.cluster(cluster_id) for cluster_id in self._clusters]
        missing = [name for name, cluster in zip(self._clusters, found, strict=True) if cluster is None]
        if missing:
            raise Refused(
                f"not on chain: cluster {', '.join(missing)}; register the cluster, or correct clusters.id"
            )
        providers = frozenset(cluster.provider for cluster in found if cluster is not None)
        audience = Audience(self._url, self._chain_id, providers)
        self._authenticator = Authenticator(audience, self._session_key, self._replay, self._keys.of)
        self._audience = audience
        return audience

    @property
    def ready(self) -> bool:
        return self._authenticator is not None

    @property
    def authenticator(self) -> Authenticator:
        """Raises Transient while the chain has not named the providers."""
        if self._authenticator is None:
            raise Transient(_NO_CHAIN)
        return self._authenticator

    @property
    def audience(self) -> Audience:
        """What tokens must be made for. Raises as `authenticator`."""
        if self._audience is None:
            raise Transient(_NO_CHAIN)
        return self._audience

    def nonce(self) -> bytes:
        return self._secret(NONCE_BYTES)
