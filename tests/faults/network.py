"""Faults of the connections to the site and the chain, and of the chain itself, and their repair."""

import asyncio
from collections.abc import Callable

from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2, types_pb2
from provider_daemon.demo.market import CLUSTER
from provider_daemon.devnet.genesis import PARAMS
from tests.faults.house import HALT, INTAKE, Act, House
from tests.faults.proxy import Proxy
from tests.faults.witness import WAIT_SECONDS
from tests.waiting import until

# stands for 400 s: governance lowers the cluster's heartbeat timeout from 300 s to 30 s first
HALTED_SECONDS = 40.0
PATIENCE = 30

Way = Callable[[House], list[Proxy]]


def ssh_way(house: House) -> list[Proxy]:
    return [house.ssh]


def grpc_way(house: House) -> list[Proxy]:
    return house.grpc


def on(proxies: Way, act: Callable[[Proxy], None]) -> Act:
    async def apply(house: House) -> None:
        for proxy in proxies(house):
            act(proxy)

    return apply


def healed(proxies: Way) -> Act:
    async def heal(house: House) -> None:
        for proxy in proxies(house):
            await proxy.heal()

    return heal


def slow(seconds: float) -> Callable[[Proxy], None]:
    def act(proxy: Proxy) -> None:
        proxy.latency = seconds

    return act


def connected(proxies: Way, loop: str) -> Act:
    """Waits until the daemon has a connection again: a new one, or the old one if it still works."""

    async def wait(house: House) -> None:
        served = sum(proxy.served for proxy in proxies(house))

        async def again() -> bool:
            new = sum(proxy.served for proxy in proxies(house)) > served
            return new or await house.witness.gauge("provd_loop_failing", loop=loop) == 0

        await until("the daemon is connected again", again, WAIT_SECONDS)

    return wait


class Cutting:
    """Cuts all connections again and again until it is stopped."""

    def __init__(self, proxies: Way) -> None:
        self._proxies = proxies
        self._task: asyncio.Task[None] | None = None

    async def begin(self, house: House) -> None:
        self._task = asyncio.create_task(self._run(house))

    async def _run(self, house: House) -> None:
        while True:
            for proxy in self._proxies(house):
                proxy.cut()
            await asyncio.sleep(0.005)

    async def end(self, house: House) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def two_dead(house: House) -> None:
    for proxy in house.grpc[:2]:
        proxy.refuse()


async def another_chain(house: House) -> None:
    _, port = await house.liar("other", "--chain-id", "other-1")
    _lead_to(house.grpc[0], port)


async def stuck_height(house: House) -> None:
    devnet, port = await house.liar("stuck")
    devnet.signal(HALT)
    _lead_to(house.grpc[0], port)


async def honest(house: House) -> None:
    _lead_to(house.grpc[0], house.direct.target)


def _lead_to(proxy: Proxy, port: int) -> None:
    proxy.target = port
    proxy.cut()


async def halt_chain(house: House) -> None:
    await set_patience(house, PATIENCE)
    house.devnet.signal(HALT)


async def set_patience(house: House, seconds: int) -> None:
    params = types_pb2.Params()
    params.CopyFrom(PARAMS)
    params.cluster_heartbeat_timeout = seconds
    await house.governor.send(tx_pb2.MsgUpdateParams(authority=house.governor.address, params=params))


async def restart_chain(house: House) -> None:
    """Restarts the chain.

    The chain's first block finds the cluster silent; only then can the daemon reach it again.
    """
    for proxy in house.grpc:
        proxy.refuse()
    await asyncio.sleep(max(0.0, HALTED_SECONDS - 30))  # chain_halted was logged after 30 s
    await house.restart_chain()

    async def offline() -> bool:
        cluster = await house.chain.cluster(CLUSTER)
        return cluster is not None and cluster.state == "offline"

    await until("the chain has marked the cluster offline", offline, limit=30)
    await healed(grpc_way)(house)
    await connected(grpc_way, INTAKE)(house)
