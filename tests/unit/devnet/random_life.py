"""A module that lives through random messages, most of them sensible: the accepted ones are counted, the
refused leave no trace."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import Message

from provider_daemon.chain import keyspace
from provider_daemon.chain.proto.cosmos.bank.v1beta1.bank_pb2 import MsgSend
from provider_daemon.chain.proto.cosmos.base.v1beta1.coin_pb2 import Coin
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2 as t
from provider_daemon.devnet import bank
from provider_daemon.devnet.context import ChainRules
from provider_daemon.devnet.failures import ChainError
from tests.fakes.chain import ALICE, BOB, PROVIDER
from tests.unit.devnet.pure import Module

PEOPLE = [who.address for who in (PROVIDER, ALICE, BOB)]
TEXTS = ["", "plain", "<b>&amp;</b>", "zażółć \u2028 \u2029", '"quoted"\\n', "x" * 200, "JOB-1"]
STATES = [
    t.JOB_STATE_QUEUED,
    t.JOB_STATE_RUNNING,
    t.JOB_STATE_COMPLETED,
    t.JOB_STATE_FAILED,
    t.JOB_STATE_TIMEOUT,
    t.JOB_STATE_CANCELLED,
]


@dataclass
class Life:
    seed: int
    rules: ChainRules = field(default_factory=ChainRules)
    accepted: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.module = Module(self.rules)

    def until(self, messages: int) -> Module:
        """So many accepted ones later."""
        while self.accepted.total() < messages:
            if self.random.random() < 0.2:
                self.module.later(self.random.choice([0.5, 1, 30, 130, 400]))
            self._try(self.random.choice(_KINDS)(self))
        return self.module

    def _try(self, message: Message) -> None:
        try:
            self.module.do(message)
        except ChainError:
            return
        self.accepted[type(message).__name__] += 1

    # --- whatever may be in a message ---

    def number(self, counter: bytes) -> int:
        """Of a record that there is, or of the next."""
        following = int.from_bytes(self.module.state.get(keyspace.HPC_STORE, counter), "big")
        return self.random.randint(max(1, following - 12), following)

    def who(self) -> str:
        return self.random.choice(PEOPLE)

    def text(self) -> str:
        return self.random.choice(TEXTS)

    def upto(self, most: int) -> int:
        return self.random.randint(0, most)

    def owner(self, prefix: bytes, record_id: str, field_name: str = "provider_address") -> str:
        """Mostly the right one."""
        if self.random.random() < 0.05 or not self.module.raw(prefix, record_id):
            return self.who()
        return str(self.module.record(prefix, record_id)[field_name])


def _register(life: Life) -> Message:
    partitions = [
        t.Partition(
            name="standard",
            nodes=4,
            max_nodes=life.upto(8),
            features=["avx2"] * life.upto(2),
            priority=life.upto(1000),
        )
    ]
    metadata = t.ClusterMetadata(
        total_cpu_cores=life.upto(500), total_memory_gb=life.upto(900), gpu_types=["a100"] * life.upto(1)
    )
    return tx_pb2.MsgRegisterCluster(
        provider_address=life.who(), name="alpha", description=life.text(), region="eu",
        total_nodes=1 + life.upto(9),
        partitions=partitions * life.upto(1), cluster_metadata=metadata,
    )  # fmt: skip


def _update(life: Life) -> Message:
    cluster_id = f"HPC-{life.number(keyspace.NEXT_CLUSTER)}"
    state = life.random.choice(
        [t.CLUSTER_STATE_ACTIVE] * 4 + [t.CLUSTER_STATE_DRAINING, t.CLUSTER_STATE_UNSPECIFIED]
    )
    return tx_pb2.MsgUpdateCluster(
        provider_address=life.owner(keyspace.CLUSTER, cluster_id), cluster_id=cluster_id, state=state,
        description=life.text(),
        total_nodes=life.random.choice([0, 30]),
    )  # fmt: skip


def _deregister(life: Life) -> Message:
    cluster_id = f"HPC-{life.number(keyspace.NEXT_CLUSTER)}"
    owner = life.owner(keyspace.CLUSTER, cluster_id) if life.random.random() < 0.2 else BOB.address
    return tx_pb2.MsgDeregisterCluster(provider_address=owner, cluster_id=cluster_id)


def _create(life: Life) -> Message:
    cluster_id = f"HPC-{life.number(keyspace.NEXT_CLUSTER)}"
    workload = t.PreconfiguredWorkload(
        workload_id="mpi", container_image="alpine:3", required_resources=t.JobResources(nodes=1)
    )
    return tx_pb2.MsgCreateOffering(
        provider_address=life.owner(keyspace.CLUSTER, cluster_id), cluster_id=cluster_id, name="std",
        description=life.text(),
        queue_options=[t.QueueOption(partition_name="standard", max_nodes=life.upto(9),
        features=["x"] * life.upto(1))],
        max_runtime_seconds=3600, preconfigured_workloads=[workload] * life.upto(1),
        supports_custom_workloads=True,
        pricing=t.HPCPricing(currency="uvirt", minimum_charge="10000"),
    )  # fmt: skip


def _update_offering(life: Life) -> Message:
    offering_id = f"OFF-{life.number(keyspace.NEXT_OFFERING)}"
    return tx_pb2.MsgUpdateOffering(
        provider_address=life.owner(keyspace.OFFERING, offering_id), offering_id=offering_id,
        description=life.text(),
        active=life.random.random() < 0.9, supports_custom_workloads=True,
    )  # fmt: skip


def _submit(life: Life) -> Message:
    spec = t.JobWorkloadSpec(
        container_image="alpine:3", command=life.text(), arguments=[life.text()] * life.upto(2),
        environment={"A": life.text(), "B": "2"} if life.upto(1) else {},
    )  # fmt: skip
    resources = t.JobResources(
        nodes=1 + life.upto(3),
        cpu_cores_per_node=life.upto(16),
        memory_gb_per_node=life.upto(64),
        gpus_per_node=life.upto(1),
    )
    coins = [Coin(denom="uvirt", amount=str(life.upto(10**6))), Coin(denom="uve", amount="7")]
    return tx_pb2.MsgSubmitJob(
        customer_address=life.who(), offering_id=f"OFF-{life.number(keyspace.NEXT_OFFERING)}",
        queue_name="standard",
        workload_spec=spec, resources=resources, max_runtime_seconds=60 + life.upto(3000),
        max_price=coins[: life.upto(2)],
        data_references=[t.DataReference(reference_id="d", uri="ipfs://x", size_bytes=10)] * life.upto(1),
    )  # fmt: skip


def _report(life: Life) -> Message:
    job_id = f"JOB-{life.number(keyspace.NEXT_JOB)}"
    usage = t.HPCUsageMetrics(
        wall_clock_seconds=life.upto(4000), cpu_core_seconds=life.upto(10**6),
        memory_gb_seconds=life.upto(10**6),
        gpu_seconds=life.upto(10**4), node_hours=life.upto(3), nodes_used=1,
    )  # fmt: skip
    return tx_pb2.MsgReportJobStatus(
        provider_address=life.owner(keyspace.JOB, job_id), job_id=job_id, state=life.random.choice(STATES),
        usage_metrics=usage,
        status_message=life.text(), exit_code=life.random.choice([0, 0, 1, 137]), slurm_job_id="7",
        signature="x",
    )  # fmt: skip


def _cancel(life: Life) -> Message:
    job_id = f"JOB-{life.number(keyspace.NEXT_JOB)}"
    return tx_pb2.MsgCancelJob(
        requester_address=life.owner(keyspace.JOB, job_id, "customer_address"),
        job_id=job_id,
        reason=life.text(),
    )


def _heartbeat(life: Life) -> Message:
    cluster_id = f"HPC-{life.number(keyspace.NEXT_CLUSTER)}"
    measured = t.LatencyMeasurement(
        target_node_id="x", latency_ms=life.upto(90), measured_at=life.module.context().now
    )
    return tx_pb2.MsgUpdateNodeMetadata(
        provider_address=life.owner(keyspace.CLUSTER, cluster_id), cluster_id=cluster_id,
        node_id=f"{cluster_id}.n{life.upto(3)}",
        region="eu", active=True,
        resources=t.NodeResources(cpu_cores=life.upto(64), memory_gb=256, gpus=life.upto(2)),
        latency_measurements=[measured] * life.upto(2),
        health=t.NodeHealth(load_average_1m="0.5", slurm_state="idle"),
        capacity=t.NodeCapacity(cpu_cores_total=64) if life.upto(1) else None,
    )  # fmt: skip


def _flag(life: Life) -> Message:
    job_id = f"JOB-{life.number(keyspace.NEXT_JOB)}"
    return tx_pb2.MsgFlagDispute(
        disputer_address=life.owner(keyspace.JOB, job_id, "customer_address"), job_id=job_id,
        dispute_type="usage",
        reason=life.text() or "why", evidence=life.text(),
    )  # fmt: skip


def _resolve(life: Life) -> Message:
    status = life.random.choice([t.DISPUTE_STATUS_RESOLVED, t.DISPUTE_STATUS_REJECTED])
    resolution = life.random.choice(
        ["it was so", '{"wall_clock_seconds": 60, "cpu_core_seconds": 600, "nodes_used": 1}']
    )
    return tx_pb2.MsgResolveDispute(
        resolver_address=bank.GOVERNANCE,
        dispute_id=f"hpc-dispute-{life.number(keyspace.NEXT_DISPUTE)}",
        status=status,
        resolution=resolution,
    )


def _params(life: Life) -> Message:
    params = life.module.context().params()
    params.max_latency_ms = life.random.choice([20, 50])
    return tx_pb2.MsgUpdateParams(authority=bank.GOVERNANCE, params=params)


def _send(life: Life) -> Message:
    return MsgSend(
        from_address=life.who(),
        to_address=life.who(),
        amount=[Coin(denom="uve", amount=str(life.upto(1000)))],
    )


_KINDS: list[Callable[[Life], Any]] = [
    *(_register, _update, _update, _deregister, _create, _update_offering),
    *(_submit, _submit, _submit, _report, _report, _report, _report, _report, _cancel),
    *(_heartbeat, _heartbeat, _flag, _resolve, _params, _send),
]
