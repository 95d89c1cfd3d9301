"""The gateways that a customer's client talks to: found by the cluster's record, and logged in to once."""

import time
from collections.abc import Sequence
from contextlib import AsyncExitStack

from provider_daemon.chain import gateway_marker
from provider_daemon.chain.keys import Signer
from provider_daemon.chain.proto.virtengine.hpc.v1.types_pb2 import HPCCluster
from provider_daemon.client.gateway import Gateway
from provider_daemon.client.login import Login
from provider_daemon.errors import ConfigError, Refused
from provider_daemon.tokens.identity import Audience


class Gateways:
    """`url`: an address in place of those in the clusters' records, or "". `stack` closes the gateways."""

    def __init__(
        self, signer: Signer, chain_id: str, url: str, retry_seconds: float, stack: AsyncExitStack
    ) -> None:
        self._signer = signer
        self._chain_id = chain_id
        self.url = url
        self._retry_seconds = retry_seconds
        self._stack = stack
        self._open: dict[str, Gateway] = {}

    async def of(self, cluster: HPCCluster) -> Gateway:
        """Returns the gateway of a cluster's provider. Raises ConfigError if its address is not known."""
        url = self.url or gateway_marker.find(cluster.description)
        if not url:
            raise ConfigError(
                [
                    f"cluster {cluster.cluster_id} names no gateway on chain: ask its provider for the "
                    "address, and set --gateway"
                ]
            )
        return await self._opened(url, (cluster.provider_address,))

    async def configured(self) -> Gateway:
        """Returns the gateway at `url`. Raises ConfigError without one."""
        if not self.url:
            raise ConfigError(["--gateway (or $PROVD_GATEWAY) is required: no job names the provider"])
        return await self._opened(self.url, ())

    async def _opened(self, url: str, providers: Sequence[str]) -> Gateway:
        """Opens a gateway once. The provider's account comes from the chain, or else from the gateway."""
        url = url.rstrip("/")
        if url not in self._open:
            login = self._login(url, providers or await self._providers(url))
            self._open[url] = await self._stack.enter_async_context(Gateway(url, login, self._retry_seconds))
        return self._open[url]

    async def _providers(self, url: str) -> Sequence[str]:
        async with Gateway(url, self._login(url, ())) as it:
            info = await it.info()
        if info.chain_id != self._chain_id:
            raise Refused(f"the gateway {url} serves chain {info.chain_id}, not {self._chain_id}")
        return info.providers

    def _login(self, url: str, providers: Sequence[str]) -> Login:
        return Login(self._signer, Audience(url, self._chain_id, frozenset(providers)), time.time)
