"""Measures the chain adapter: calls, errors, gas prices and refused transactions."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal

from provider_daemon.errors import ProvdError, Refused, Transient
from provider_daemon.job.spec import ChainJob, Spec
from provider_daemon.metrics import catalog
from provider_daemon.metrics.activity import calling
from provider_daemon.metrics.causes import refusal
from provider_daemon.metrics.meters import Meters
from provider_daemon.metrics.scheduler import FOREVER
from provider_daemon.money.account import Accounted, Movement, Reading
from provider_daemon.ports import (
    Account,
    Accounts,
    Audit,
    Chain,
    Clock,
    Cluster,
    Dispute,
    Head,
    Offering,
    OnChain,
    Reported,
    Settled,
    TxOutcome,
)

PRICE_SECONDS = 600.0  # lifetime of a gas price, which is queried for each transaction


class _Measured:
    def __init__(self, meters: Meters, clock: Clock) -> None:
        self._meters = meters
        self._clock = clock

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Measures one call. A refusal counts as an answer."""
        began = self._clock.now()
        try:
            with calling(self._clock):
                yield
        except Refused:
            self._answered()
            raise
        except ProvdError as error:
            self._meters.inc(catalog.CHAIN_ERRORS, "down" if isinstance(error, Transient) else "unreadable")
            raise
        else:
            self._answered()
        finally:
            self._meters.observe(catalog.CHAIN_CALLS, self._clock.now() - began)

    def _answered(self) -> None:
        self._meters.set(catalog.CHAIN_SUCCESS, self._clock.now(), until=FOREVER)


class MeasuredChain(_Measured):
    """`occupied` maps each queried account to a sequence and the hash of the transaction that used it."""

    def __init__(self, chain: Chain, meters: Meters, clock: Clock) -> None:
        super().__init__(meters, clock)
        self._inner = chain
        self.chain_id = chain.chain_id
        self.occupied: dict[str, tuple[int, str]] = {}
        meters.begin(catalog.CHAIN_CALLS)
        for error in catalog.FAILURES:
            meters.begin(catalog.CHAIN_ERRORS, error)

    async def head(self) -> Head:
        with self._asking():
            return await self._inner.head()

    async def job_counter(self) -> int:
        with self._asking():
            return await self._inner.job_counter()

    async def job(self, job_id: str) -> ChainJob | None:
        with self._asking():
            return await self._inner.job(job_id)

    async def glance(self, job_id: str) -> ChainJob | None:
        with self._asking():
            return await self._inner.glance(job_id)

    async def cancelled_since(self, height: int) -> frozenset[str]:
        with self._asking():
            return await self._inner.cancelled_since(height)

    async def cluster(self, cluster_id: str) -> Cluster | None:
        with self._asking():
            return await self._inner.cluster(cluster_id)

    async def offering(self, offering_id: str) -> Offering | None:
        with self._asking():
            return await self._inner.offering(offering_id)

    async def node_timeout(self) -> int:
        with self._asking():
            return await self._inner.node_timeout()

    async def identity_score(self, address: str) -> int | None:
        with self._asking():
            return await self._inner.identity_score(address)

    async def account(self, address: str) -> Account:
        with self._asking():
            return await self._inner.account(address)

    async def balance(self, address: str, denom: str) -> int:
        with self._asking():
            return await self._inner.balance(address, denom)

    async def gas_price(self, denom: str) -> Decimal:
        with self._asking():
            price = await self._inner.gas_price(denom)
        self._meters.set(catalog.GAS_PRICE, float(price), denom, until=self._clock.now() + PRICE_SECONDS)
        return price

    async def simulate(self, tx_bytes: bytes) -> int:
        """Counts a refusal that no single message caused: no transaction can be sent."""
        try:
            with self._asking():
                return await self._inner.simulate(tx_bytes)
        except Refused as error:
            if error.message_index is None:
                self._meters.inc(
                    catalog.TRANSACTIONS, "refused", refusal(error.code, error.codespace, str(error))
                )
            raise

    async def broadcast(self, tx_bytes: bytes) -> TxOutcome:
        with self._asking():
            return await self._inner.broadcast(tx_bytes)

    async def find(self, tx_hash: str, tx_bytes: bytes = b"") -> TxOutcome | None:
        with self._asking():
            return await self._inner.find(tx_hash, tx_bytes)

    async def find_by_sequence(self, address: str, sequence: int) -> TxOutcome | None:
        with self._asking():
            found = await self._inner.find_by_sequence(address, sequence)
        if found is not None:
            self.occupied[address] = (sequence, found.tx_hash)
        return found

    async def close(self) -> None:
        await self._inner.close()


class MeasuredAudit(_Measured):
    def __init__(self, audit: Audit, meters: Meters, clock: Clock) -> None:
        super().__init__(meters, clock)
        self._inner = audit

    async def on_chain(self, job_id: str) -> OnChain | None:
        with self._asking():
            return await self._inner.on_chain(job_id)

    async def settled(self, job_id: str) -> Settled | None:
        with self._asking():
            return await self._inner.settled(job_id)

    async def reported(self, tx_hash: str, specs: Mapping[str, Spec]) -> tuple[Reported, ...] | None:
        with self._asking():
            return await self._inner.reported(tx_hash, specs)

    async def disputes(self) -> tuple[Dispute, ...]:
        with self._asking():
            return await self._inner.disputes()

    async def disputes_since(self, number: int) -> tuple[int, tuple[Dispute, ...]]:
        with self._asking():
            return await self._inner.disputes_since(number)

    async def dispute(self, dispute_id: str) -> Dispute | None:
        with self._asking():
            return await self._inner.dispute(dispute_id)


class MeasuredAccounts(_Measured):
    def __init__(self, accounts: Accounts, meters: Meters, clock: Clock) -> None:
        super().__init__(meters, clock)
        self._inner = accounts

    async def accounted(self, job_id: str) -> Accounted | None:
        with self._asking():
            return await self._inner.accounted(job_id)

    async def reading(self, address: str, denoms: Iterable[str], at: float) -> Reading:
        with self._asking():
            return await self._inner.reading(address, denoms, at)

    async def by_sequence(self, address: str, sequence: int) -> Movement | None:
        with self._asking():
            return await self._inner.by_sequence(address, sequence)

    async def incoming(self, address: str, above: int, up_to: int) -> Movement:
        with self._asking():
            return await self._inner.incoming(address, above, up_to)
