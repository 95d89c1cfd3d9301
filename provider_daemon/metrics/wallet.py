"""Balance and runway of each key: queried four times a minute, exported only while they are current."""

from collections.abc import Callable, Sequence

from provider_daemon.ledger import figures
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.metrics import catalog
from provider_daemon.metrics.meters import Meters
from provider_daemon.planning.gas import DAY, daily_fees, fee
from provider_daemon.ports import Chain, Clock

PERIOD_SECONDS = 15.0
KNOWN_SECONDS = 180.0


class Wallet:
    """One instance for the whole daemon; `signers` are addresses.

    `idle_gas` returns the gas that a signer's heartbeats need in a day, whatever else it sends.
    """

    def __init__(
        self,
        ledger: Ledger,
        chain: Chain,
        signers: Sequence[str],
        denom: str,
        meters: Meters,
        clock: Clock,
        idle_gas: Callable[[str], float],
    ) -> None:
        self._ledger = ledger
        self._chain = chain
        self._signers = signers
        self._denom = denom
        self._meters = meters
        self._clock = clock
        self._idle_gas = idle_gas

    async def tick(self) -> None:
        for signer in self._signers:
            balance, now = await self._chain.balance(signer, self._denom), self._clock.now()
            self._meters.set(catalog.WALLET_BALANCE, balance, signer, self._denom, until=now + KNOWN_SECONDS)
            if daily := self._daily(signer, now):
                self._meters.set(
                    catalog.WALLET_RUNWAY, balance / daily * DAY, signer, until=now + KNOWN_SECONDS
                )

    def _daily(self, signer: str, now: float) -> float:
        fees, first = figures.fees_lately(self._ledger, signer, now - DAY)
        prices = dict(self._meters.current(catalog.GAS_PRICE, now))
        least = fee(self._idle_gas(signer), prices.get((self._denom,), 0.0))
        return daily_fees(fees, now - first, least)
