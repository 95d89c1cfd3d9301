"""Balance and runway of each key: queried four times a minute, exported only while they are current."""

from collections.abc import Sequence

from provider_daemon.ledger import figures
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.metrics import catalog
from provider_daemon.metrics.meters import Meters
from provider_daemon.ports import Chain, Clock

PERIOD_SECONDS = 15.0
KNOWN_SECONDS = 180.0
WINDOW_SECONDS = 86_400.0  # period of the fees that the runway is computed from
LEAST_SECONDS = 3600.0  # a shorter period of fees counts as one hour


class Wallet:
    """One instance for the whole daemon; `signers` are addresses."""

    def __init__(
        self, ledger: Ledger, chain: Chain, signers: Sequence[str], denom: str, meters: Meters, clock: Clock
    ) -> None:
        self._ledger = ledger
        self._chain = chain
        self._signers = signers
        self._denom = denom
        self._meters = meters
        self._clock = clock

    async def tick(self) -> None:
        for signer in self._signers:
            balance, now = await self._chain.balance(signer, self._denom), self._clock.now()
            self._meters.set(catalog.WALLET_BALANCE, balance, signer, self._denom, until=now + KNOWN_SECONDS)
            fees, first = figures.fees_lately(self._ledger, signer, now - WINDOW_SECONDS)
            if fees:
                self._meters.set(
                    catalog.WALLET_RUNWAY,
                    runway(balance, fees, now - first),
                    signer,
                    until=now + KNOWN_SECONDS,
                )


def runway(balance: int, fees: int, seconds: float) -> float:
    """Returns the seconds until the balance is spent at a rate of `fees` per `seconds`."""
    return balance * max(seconds, LEAST_SECONDS) / fees
