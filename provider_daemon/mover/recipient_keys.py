"""The recipient keys of customers, from the chain."""

from provider_daemon.chain.client import GrpcChain
from provider_daemon.config.model import ChainConfig
from provider_daemon.encryption.lookup import usable_key
from provider_daemon.encryption.recipients import NoKey
from provider_daemon.ongoing import OngoingProblems
from provider_daemon.ports import Clock


class ChainKeys:
    """Implements delivery.RecipientKeys over a connection of its own."""

    def __init__(self, chain: ChainConfig, clock: Clock) -> None:
        self._chain = GrpcChain(chain.id, chain.endpoints, clock, OngoingProblems(), chain.quorum)

    async def usable(self, address: str) -> bytes | None:
        try:
            return (await usable_key(self._chain, address)).public_key
        except NoKey:
            return None

    async def close(self) -> None:
        await self._chain.close()
