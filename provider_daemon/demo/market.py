"""The demo's chain: a devnet as a child process, funded accounts, and a provider with an offering."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from provider_daemon.chain import gateway_marker
from provider_daemon.chain.client import GrpcChain
from provider_daemon.chain.job_names import job_name
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2, types_pb2
from provider_daemon.clock import SystemClock
from provider_daemon.demo.accounts import Account, new_key, responses
from provider_daemon.demo.jobs import PRICES, QUEUE_MULTIPLIERS, QUEUES, DemoJob
from provider_daemon.demo.processes import Process
from provider_daemon.job.spec import Spec

CHAIN_ID = "virtengine-localnet-1"
CLUSTER, OFFERING = "HPC-1", "OFF-1"
TEMPLATE = "batch-array"  # the workload template of the offering
FUNDS = "1000000000000uve,1000000000000uvirt"
NODES = 4


@dataclass(frozen=True, slots=True)
class Market:
    """The demo's chain, made by `opened`.

    `port` is the chain's gRPC port, `secret` the provider's private key, `customer_secrets` those of the
    customers.
    """

    devnet: Process
    port: int
    chain: GrpcChain
    secret: bytes
    provider: Account
    customers: tuple[Account, ...]
    customer_secrets: tuple[bytes, ...]

    def slurm_name(self, spec: Spec) -> str:
        return job_name(self.provider.signer, spec)

    async def close(self) -> None:
        await self.chain.close()
        await asyncio.to_thread(self.devnet.stop)


async def opened(directory: Path, queries: str, customers: int = 1, gateway: str = "") -> Market:
    """Starts the devnet with its home and log in the directory.

    `queries` are the Query calls that it answers; `gateway` is the address that the cluster announces.
    """
    (secret, key), keys = new_key(), [new_key() for _ in range(customers)]
    devnet, port = await _started(directory, [key.address, *(each.address for _, each in keys)], queries)
    chain = GrpcChain(CHAIN_ID, [f"127.0.0.1:{port}"], SystemClock())
    market = Market(
        devnet,
        port,
        chain,
        secret,
        Account(key, chain),
        tuple(Account(each, chain) for _, each in keys),
        tuple(each for each, _ in keys),
    )
    try:
        await open_shop(market.provider, gateway)
    except BaseException:
        await market.close()
        raise
    return market


async def order(customer: Account, *jobs: DemoJob) -> list[str]:
    """Submits all jobs in one transaction and returns their ids, once the chain has them."""
    sent = await customer.send(*(job.message(customer.address, OFFERING) for job in jobs))
    return [
        tx_pb2.MsgSubmitJobResponse.FromString(each.value).job_id
        for each in await responses(customer.chain, sent.tx_hash)
    ]


async def _started(directory: Path, addresses: list[str], queries: str) -> tuple[Process, int]:
    """Starts the devnet in a thread.

    A thread cannot be cancelled: on a cancellation the start is awaited and the devnet is stopped.
    """
    starting = asyncio.ensure_future(asyncio.to_thread(start_devnet, directory, addresses, queries))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        (await starting)[0].stop()
        raise


def start_devnet(directory: Path, addresses: list[str], queries: str, *more: str) -> tuple[Process, int]:
    """Returns the process and its port.

    `more` are further arguments of `provd devnet start`, which override the others.
    """
    funds = [word for address in addresses for word in ("--fund", f"{address}={FUNDS}")]
    arguments = [
        "devnet",
        "start",
        "--home",
        str(directory / "devnet"),
        "--listen",
        "127.0.0.1:0",
        "--chain-id",
        CHAIN_ID,
    ]
    child = Process(
        "the devnet",
        [*arguments, "--queries", queries, "--block-seconds", "1", *funds, *more],
        directory / "devnet.log",
        {"PYTHONUNBUFFERED": "1"},
    )
    child.start()
    try:
        line = child.wait_for("serves gRPC on 127.0.0.1:")
    except BaseException:
        child.stop()
        raise
    return child, int(line.split("127.0.0.1:")[1].split()[0])


async def open_shop(provider: Account, gateway: str = "") -> None:
    """Registers and activates the cluster, and creates an offering of both queues."""
    partitions = [
        types_pb2.Partition(name=name, nodes=NODES, max_nodes=NODES, max_runtime=86400, state="up")
        for name in QUEUES
    ]
    await provider.send(
        tx_pb2.MsgRegisterCluster(
            provider_address=provider.address,
            name="demo",
            region="local",
            total_nodes=NODES,
            partitions=partitions,
            description=gateway_marker.put("the demo's site", gateway) if gateway else "the demo's site",
        )
    )
    queues = [
        types_pb2.QueueOption(
            partition_name=name,
            display_name=name,
            max_nodes=NODES,
            price_multiplier=QUEUE_MULTIPLIERS[name],
        )
        for name in QUEUES
    ]
    await provider.send(
        tx_pb2.MsgUpdateCluster(
            provider_address=provider.address, cluster_id=CLUSTER, state=types_pb2.CLUSTER_STATE_ACTIVE
        ),
        tx_pb2.MsgCreateOffering(
            provider_address=provider.address,
            cluster_id=CLUSTER,
            name="standard",
            queue_options=queues,
            pricing=types_pb2.HPCPricing(
                cpu_core_hour_price=PRICES.cpu_core_hour,
                memory_gb_hour_price=PRICES.memory_gb_hour,
                gpu_hour_price=PRICES.gpu_hour,
                base_node_hour_price=PRICES.node_hour,
                minimum_charge=PRICES.minimum_charge,
                currency=PRICES.currency,
            ),
            max_runtime_seconds=86400,
            supports_custom_workloads=True,
            preconfigured_workloads=[types_pb2.PreconfiguredWorkload(workload_id=TEMPLATE, name=TEMPLATE)],
        ),
    )
