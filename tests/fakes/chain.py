"""A devnet in this process whose blocks the test makes, and accounts that send signed transactions to it."""

import hashlib
from dataclasses import dataclass, field

from google.protobuf.message import Message

from provider_daemon.chain import messages
from provider_daemon.chain import tx as transactions
from provider_daemon.chain.client import GrpcChain
from provider_daemon.chain.proto.cosmos.base.v1beta1.coin_pb2 import Coin
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2, types_pb2
from provider_daemon.chain.sign import LocalSigner
from provider_daemon.devnet.context import ChainRules
from provider_daemon.devnet.mempool import Mempool
from provider_daemon.devnet.server import Devnet
from provider_daemon.ports import TxOutcome

CHAIN_ID = "test-1"
# nanoseconds, later than any real clock: a new devnet makes its first block at the current time
START = 2_000_000_000 * 10**9


@dataclass
class FakeClock:
    """A clock in seconds that moves only when the test moves it."""

    time: float = START / 10**9

    def now(self) -> float:
        return self.time


def person(name: str) -> LocalSigner:
    return LocalSigner(hashlib.sha256(name.encode()).digest())


PROVIDER, ALICE, BOB = person("provider"), person("alice"), person("bob")
FUNDS = {who.address: {"uve": 10**12, "uvirt": 10**12} for who in (PROVIDER, ALICE, BOB)}


@dataclass
class TestChain:
    """The devnet. `block()` makes one block and advances the clock by a second."""

    __test__ = False

    clock: FakeClock = field(default_factory=FakeClock)
    queries: str = "all"
    path: str = ":memory:"
    rest: str = ""
    indexed: bool = True
    rules: ChainRules = field(default_factory=lambda: ChainRules(chain_id=CHAIN_ID))

    async def start(self) -> "TestChain":
        self.devnet = Devnet(
            path=self.path,
            queries=self.queries,
            rules=self.rules,
            funds=FUNDS,
            rest=self.rest,
            indexed=self.indexed,
        )
        port = await self.devnet.start()
        self.client = GrpcChain(CHAIN_ID, [f"127.0.0.1:{port}"], self.clock)
        self.block()
        return self

    async def stop(self) -> None:
        await self.client.close()
        await self.devnet.stop()

    def block(self, seconds: float = 1.0) -> None:
        self.clock.time += seconds
        self.devnet.produce_block(round(self.clock.time * 1000) * 10**6)

    def forget_mempool(self) -> None:
        """Empties the mempool, as a restart of the node does: senders must send again."""
        blocks = self.devnet.blocks
        emptied = Mempool(blocks.rules, blocks.state)
        emptied.height, emptied.time = blocks.height, blocks.time
        blocks.mempool = emptied

    async def signed(self, signer: LocalSigner, *wanted: Message, **changes: object) -> transactions.SignedTx:
        """Returns a signed transaction.

        `changes` may set sequence, fee, gas_limit, timeout_height, memo, chain_id, account_number.
        """
        account = await self.client.account(signer.address)
        values: dict[str, object] = {
            "signer": signer,
            "chain_id": CHAIN_ID,
            "account_number": account.number,
            "sequence": account.sequence,
            "gas_limit": 2_000_000,
            "fee": 50_000,
            "fee_denom": "uve",
            "timeout_height": self.devnet.blocks.height + 10,
            **changes,
        }
        return transactions.build([messages.pack(message) for message in wanted], **values)  # type: ignore[arg-type]

    async def check(self, signer: LocalSigner, *wanted: Message, **changes: object) -> TxOutcome:
        """Returns the result of CheckTx only."""
        return await self.client.broadcast((await self.signed(signer, *wanted, **changes)).tx_bytes)

    async def send(self, signer: LocalSigner, *wanted: Message, **changes: object) -> TxOutcome:
        """Returns the result in the next block."""
        signed = await self.signed(signer, *wanted, **changes)
        answer = await self.client.broadcast(signed.tx_bytes)
        if not answer.ok:
            return answer
        self.block()
        if not self.indexed:
            self.block()  # the newest block is not read
        found = await self.client.find(signed.tx_hash, signed.tx_bytes)
        assert found is not None
        return found

    async def open_shop(self, **offering: object) -> None:
        """Creates HPC-1, active, and OFF-1 with its queue `standard`."""
        register = tx_pb2.MsgRegisterCluster(
            provider_address=PROVIDER.address, name="alpha", region="eu", total_nodes=4
        )
        activate = tx_pb2.MsgUpdateCluster(
            provider_address=PROVIDER.address, cluster_id="HPC-1", state=types_pb2.CLUSTER_STATE_ACTIVE
        )
        values: dict[str, object] = {
            "queue_options": [types_pb2.QueueOption(partition_name="standard", max_nodes=4)],
            "max_runtime_seconds": 3600,
            "supports_custom_workloads": True,
            **offering,
        }
        create = tx_pb2.MsgCreateOffering(
            provider_address=PROVIDER.address,
            cluster_id="HPC-1",
            name="std",
            **values,  # type: ignore[arg-type]
        )
        assert (await self.send(PROVIDER, register, activate, create)).ok


def job(customer: LocalSigner = ALICE, **changes: object) -> tx_pb2.MsgSubmitJob:
    values: dict[str, object] = {
        "customer_address": customer.address,
        "offering_id": "OFF-1",
        "queue_name": "standard",
        "workload_spec": types_pb2.JobWorkloadSpec(container_image="alpine:3", command="true"),
        "resources": types_pb2.JobResources(nodes=1, cpu_cores_per_node=2, memory_gb_per_node=4),
        "max_runtime_seconds": 600,
        "max_price": [Coin(denom="uvirt", amount="1000000")],
        **changes,
    }
    return tx_pb2.MsgSubmitJob(**values)  # type: ignore[arg-type]


def report(state: str, job_id: str = "JOB-1", **changes: object) -> tx_pb2.MsgReportJobStatus:
    number = types_pb2.JobState.Value(f"JOB_STATE_{state.upper()}")
    return tx_pb2.MsgReportJobStatus(
        provider_address=PROVIDER.address,
        job_id=job_id,
        state=number,
        **changes,  # type: ignore[arg-type]
    )


def cancel(job_id: str = "JOB-1") -> tx_pb2.MsgCancelJob:
    return tx_pb2.MsgCancelJob(requester_address=ALICE.address, job_id=job_id, reason="enough")
