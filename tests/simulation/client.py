"""The port Chain over the model of the chain, with all faults of a call in both directions."""

from decimal import Decimal

from provider_daemon.chain import tx as transactions
from provider_daemon.errors import Transient, Unreadable
from provider_daemon.job.spec import ChainJob
from provider_daemon.planning.heartbeats import STALE_SECONDS
from provider_daemon.ports import Account, Cluster, Head, Offering, Queue, TxOutcome
from tests.simulation.blocks import Blocks
from tests.simulation.gate import Gate
from tests.simulation.world import World

CHAIN_ID = "simulated-1"
OFFERING = Offering("OFF-1", "HPC-1", (Queue("standard", 0, 0),), (), True, True)
YOUNG = 3  # blocks during which a lagging node may not have a new record yet


class SimulatedChain:
    chain_id = CHAIN_ID

    def __init__(self, world: World, blocks: Blocks, gate: Gate, provider: str) -> None:
        self._world = world
        self._blocks = blocks
        self._gate = gate
        self._provider = provider

    async def head(self) -> Head:
        return await self._gate.call("head", self._head)

    def _head(self) -> Head:
        view = self._blocks.view(head=True)
        return Head(view.height, view.time)

    async def job_counter(self) -> int:
        return await self._gate.call(
            "job_counter", lambda: self._blocks.view().books.counter(self._world.now())
        )

    async def job(self, job_id: str) -> ChainJob | None:
        return await self._gate.call(f"job {job_id}", lambda: self._job(job_id))

    async def glance(self, job_id: str) -> ChainJob | None:
        return await self.job(job_id)

    def _job(self, job_id: str) -> ChainJob | None:
        view = self._blocks.view()
        record = view.books.shown(job_id, self._world.now())
        if record is None or (
            view.height <= record.height + YOUNG and self._world.strikes("young_record_missing")
        ):
            return None
        if not record.readable(self._world.now()):
            raise Unreadable(f"the record of {job_id} cannot be read: HPCJob.state: unknown word")
        return ChainJob(record.spec, record.state, record.started_at)

    async def cancelled_since(self, height: int) -> frozenset[str]:
        if self._world.strikes("index_down"):
            raise Transient("the node keeps no index")
        return await self._gate.call(
            "cancelled_since", lambda: frozenset(self._blocks.cancelled_since(height, self._lag()))
        )

    def _lag(self) -> int:
        return self._world.dice.randint(1, 2) if self._world.strikes("index_lag") else 0

    async def cluster(self, cluster_id: str) -> Cluster | None:
        state = await self._gate.call("cluster", lambda: self._blocks.view().books.cluster)
        return Cluster(cluster_id, self._provider, state, "eu", 3, 3)

    async def offering(self, offering_id: str) -> Offering | None:
        return await self._gate.call("offering", lambda: OFFERING)

    async def node_timeout(self) -> int:
        return await self._gate.call("node_timeout", lambda: STALE_SECONDS)

    async def identity_score(self, address: str) -> int | None:
        return None

    async def account(self, address: str) -> Account:
        return await self._gate.call("account", lambda: Account(1, self._blocks.view().books.sequence))

    async def balance(self, address: str, denom: str) -> int:
        return await self._gate.call("balance", lambda: self._blocks.view().books.wallet)

    async def gas_price(self, denom: str) -> Decimal:
        return await self._gate.call("gas_price", lambda: self._blocks.fees.price)

    async def simulate(self, tx_bytes: bytes) -> int:
        return await self._gate.call("simulate", lambda: self._blocks.simulate(tx_bytes))

    async def broadcast(self, tx_bytes: bytes) -> TxOutcome:
        """Broadcasts a transaction.

        It may also reach the mempool long after its sender gave the call up, at the last moment, and more
        than once. This does not happen after a refusal: the client sends once, so no other copy exists until
        the daemon sends the same bytes again.
        """
        if self._world.strikes("tx_delivered_late"):
            self._world.later(self._world.dice.uniform(1, 300), lambda: self._blocks.check(tx_bytes))
            return await self._unanswered(tx_bytes)
        if self._world.strikes("tx_at_its_timeout"):
            # just before or just after the timeout
            last = transactions.decode(tx_bytes).body.timeout_height - self._world.dice.randint(0, 1)
            self._blocks.at_timeout.append((last, tx_bytes))
            return await self._unanswered(tx_bytes)
        return await self._gate.call("broadcast", lambda: self._delivered(tx_bytes), once=True)

    def _delivered(self, tx_bytes: bytes) -> TxOutcome:
        answer = self._blocks.broadcast(tx_bytes)
        if answer.ok and self._world.strikes("tx_delivered_twice"):
            self._world.later(self._world.dice.uniform(1, 300), lambda: self._blocks.check(tx_bytes))
        return answer

    async def _unanswered(self, tx_bytes: bytes) -> TxOutcome:
        self._blocks.watch_offers(tx_bytes)
        self._gate.maybe_die("kill_while_sending", "broadcast under way")
        await self._gate.point("broadcast under way")
        raise Transient("broadcast: no answer")

    async def find(self, tx_hash: str, tx_bytes: bytes = b"") -> TxOutcome | None:
        return await self._gate.call("find", lambda: self._blocks.find(tx_hash, self._lag()))

    async def find_by_sequence(self, address: str, sequence: int) -> TxOutcome | None:
        return await self._gate.call("find_by_sequence", lambda: self._by_sequence(sequence))

    def _by_sequence(self, sequence: int) -> TxOutcome | None:
        found = self._blocks.by_sequence.get(sequence)
        return self._blocks.find(found, self._lag()) if found else None

    async def close(self) -> None:
        pass
