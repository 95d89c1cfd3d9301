"""What goes wrong, how it is made to, and what the daemon must say of it."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from provider_daemon.chain.proto.cosmos.bank.v1beta1.bank_pb2 import MsgSend
from provider_daemon.chain.proto.cosmos.base.v1beta1.coin_pb2 import Coin
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2, types_pb2
from provider_daemon.demo.stage import CHAIN_ID, CLUSTER
from provider_daemon.devnet.genesis import PARAMS
from provider_daemon.errors import Refused
from tests.faults.house import HALT, House
from tests.faults.proxy import Proxy
from tests.faults.witness import until

ADVANCE, INTAKE, HEARTBEAT = "advance:demo", "intake", "heartbeat:demo"
HALTED_SECONDS = 40.0  # stands for 400 s: governance lowers the cluster's patience from 300 s to 30 s before it
PATIENCE = 30
JUMP = 3600

Act = Callable[[House], Awaitable[None]]
Metric = tuple[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class Fault:
    """`event` and `words` (a pattern) are the one line that says what is wrong, `metric` is 1 while it lasts.

    `side`: what is cut off, "slurm" or "chain". `back`: when, after `end`, the service counts as returned. `quiet`: the daemon need not
    notice. `bookable`: whether jobs can be submitted on chain while it lasts. `needs_disk`: cannot be made without a mounted file system.
    """

    name: str
    side: str
    begin: Act
    end: Act
    event: str
    words: str
    metric: Callable[[House], Metric | None]
    back: Act | None = None
    quiet: bool = False
    bookable: bool = True
    needs_disk: bool = False


def failing(loop: str) -> Callable[[House], Metric]:
    return lambda house: ("provd_loop_failing", {"loop": loop})


def trouble(what: str, subject: Callable[[House], str]) -> Callable[[House], Metric]:
    return lambda house: ("provd_trouble", {"what": what, "subject": subject(house)})


# --- the site's daemons ---


def stopped(daemon: str, event: str, words: str, metric: Callable[[House], Metric], back: Act | None = None) -> Fault:
    async def begin(house: House) -> None:
        await asyncio.to_thread(house.site.slurm.stop, daemon)

    async def end(house: House) -> None:
        await asyncio.to_thread(house.site.slurm.start, daemon)

    return Fault(f"{daemon} stopped", "slurm", begin, end, event, words, metric, back)


async def backlog_gone(house: House) -> None:
    """slurmdbd is back when slurmctld has handed over what it kept for it."""

    async def empty() -> bool:
        said = await asyncio.to_thread(house.site.slurm.run, "sdiag", check=False)
        return bool(re.search(r"DBD Agent queue size:\s+0\b", said.stdout))

    await until("slurmdbd has slurmctld's records", empty, pause=0.5)


async def stop_sshd(house: House) -> None:
    """Its sessions end with it, as under systemd."""
    await asyncio.to_thread(house.site.slurm.stop, "sshd")
    house.ssh.cut()


async def start_sshd(house: House) -> None:
    await asyncio.to_thread(house.site.slurm.start, "sshd")


# --- on the wire ---


def on(proxies: Callable[[House], list[Proxy]], act: Callable[[Proxy], None]) -> Act:
    async def apply(house: House) -> None:
        for proxy in proxies(house):
            act(proxy)

    return apply


def healed(proxies: Callable[[House], list[Proxy]]) -> Act:
    async def heal(house: House) -> None:
        for proxy in proxies(house):
            await proxy.heal()

    return heal


def slow(seconds: float) -> Callable[[Proxy], None]:
    def act(proxy: Proxy) -> None:
        proxy.latency = seconds

    return act


def connected(proxies: Callable[[House], list[Proxy]], loop: str) -> Act:
    """Back when the daemon has a connection again: a new one, or the old one where that still serves."""

    async def wait(house: House) -> None:
        served = sum(proxy.served for proxy in proxies(house))

        async def again() -> bool:
            new = sum(proxy.served for proxy in proxies(house)) > served
            return new or await house.witness.gauge("provd_loop_failing", loop=loop) == 0

        await until("the daemon is connected again", again)

    return wait


def _ssh(house: House) -> list[Proxy]:
    return [house.ssh]


def _grpc(house: House) -> list[Proxy]:
    return house.grpc


def on_ssh(name: str, act: Callable[[Proxy], None], words: str) -> Fault:
    begin, end = on(_ssh, act), healed(_ssh)
    return Fault(f"SSH: {name}", "slurm", begin, end, "tick_failed", words, failing(ADVANCE), connected(_ssh, ADVANCE))


def on_grpc(name: str, act: Callable[[Proxy], None], words: str) -> Fault:
    begin, end = on(_grpc, act), healed(_grpc)
    return Fault(f"gRPC: {name}", "chain", begin, end, "tick_failed", words, failing(INTAKE), connected(_grpc, INTAKE))


class Cutting:
    """Cuts what is connected again and again until told to stop."""

    def __init__(self, proxies: Callable[[House], list[Proxy]]) -> None:
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


def cut(name: str, side: str, proxies: Callable[[House], list[Proxy]], loop: str) -> Fault:
    cutting = Cutting(proxies)
    return Fault(name, side, cutting.begin, cutting.end, "tick_failed", r".", failing(loop), connected(proxies, loop))


# --- disk, clock, wallet ---


def _filler(house: House) -> Path:
    assert house.disk is not None
    return house.disk / "filler"


async def fill_disk(house: House) -> None:
    with _filler(house).open("wb", buffering=0) as file:
        for size in (2**16, 2**10, 1):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue


async def free_disk(house: House) -> None:
    _filler(house).unlink()


async def running(house: House) -> None:
    await until("the daemon answers again", house.witness.up, pause=0.3)


def clock(offset: int, *, restart: bool) -> Act:
    async def act(house: House) -> None:
        house.clock.write_text(str(offset))
        if restart:
            await house.restart()
            await running(house)

    return act


class Wallet:
    """The provider's fee money, sent away and back."""

    async def empty(self, house: House) -> None:
        for kept in (2_000, 4_000, 8_000, 16_000, 32_000):
            try:
                held = await house.chain.balance(house.provider.address, "uve")
                self.taken = held - kept
                await house.provider.send(_coins(house.provider.address, house.customer.address, self.taken))
            except Refused:
                continue
            return
        raise AssertionError("the provider's money could not be sent away")

    async def fill(self, house: House) -> None:
        await house.customer.send(_coins(house.customer.address, house.provider.address, self.taken))


def _coins(source: str, target: str, amount: int) -> MsgSend:
    return MsgSend(from_address=source, to_address=target, amount=[Coin(denom="uve", amount=str(amount))])


# --- endpoints and the chain itself ---


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
    """The chain's first block finds the cluster silent; only then can the daemon reach it again."""
    for proxy in house.grpc:
        proxy.refuse()
    await asyncio.sleep(max(0.0, HALTED_SECONDS - 30))  # chain_halted was said after 30 s
    await house.restart_chain()

    async def offline() -> bool:
        cluster = await house.chain.cluster(CLUSTER)
        return cluster is not None and cluster.state == "offline"

    await until("the chain has marked the cluster offline", offline, limit=30)
    await healed(_grpc)(house)
    await connected(_grpc, INTAKE)(house)


_wallet = Wallet()

FAULTS = (
    stopped("slurmctld", "tick_failed", "Unable to contact slurm controller", failing(ADVANCE)),
    stopped("slurmdbd", "accounting_down", "sacct", trouble("accounting_down", lambda house: "demo"), backlog_gone),
    stopped("munged", "tick_failed", "squeue failed", failing(ADVANCE)),
    Fault("sshd stopped", "slurm", stop_sshd, start_sshd, "tick_failed", "ssh ", failing(ADVANCE), connected(_ssh, ADVANCE)),
    on_ssh("latency of 8 s", slow(8), "did not start within"),
    cut("SSH: connections cut", "slurm", _ssh, ADVANCE),
    on_ssh("half-open", Proxy.half_open, r"."),
    on_ssh("truncated after 5000 bytes", lambda proxy: proxy.truncate(5000), r"."),
    on_grpc("latency of 4 s", slow(4), "no chain endpoint is usable"),
    cut("gRPC: connections cut", "chain", _grpc, INTAKE),
    on_grpc("half-open", Proxy.half_open, "no chain endpoint is usable"),
    on_grpc("truncated after 100 bytes", lambda proxy: proxy.truncate(100), "no chain endpoint is usable"),
    Fault("disk full", "slurm", fill_disk, free_disk, "stderr", "ledger cannot be written", lambda house: None, running, needs_disk=True),
    Fault("clock +1 h and back", "slurm", clock(JUMP, restart=False), clock(0, restart=False), "", "", lambda house: None, quiet=True),
    Fault(
        "clock +1 h at a restart",
        "slurm",
        clock(JUMP, restart=True),
        clock(0, restart=True),
        "clocks_differ",
        "ahead",
        trouble("clocks_differ", lambda house: CHAIN_ID),
    ),
    Fault(
        "wallet emptied",
        "chain",
        _wallet.empty,
        _wallet.fill,
        "wallet_empty",
        r".",
        trouble("wallet_empty", lambda house: house.provider.address),
    ),
    Fault(
        "two of three endpoints dead",
        "chain",
        two_dead,
        healed(_grpc),
        "endpoint_not_believed",
        "UNAVAILABLE",
        trouble("endpoint_not_believed", lambda house: f"127.0.0.1:{house.grpc[0].port}"),
    ),
    Fault(
        "an endpoint of another chain",
        "chain",
        another_chain,
        honest,
        "endpoint_not_believed",
        "other-1",
        trouble("endpoint_not_believed", lambda house: f"127.0.0.1:{house.grpc[0].port}"),
    ),
    Fault(
        "an endpoint stuck at a height",
        "chain",
        stuck_height,
        honest,
        "endpoint_not_believed",
        "height went back",
        trouble("endpoint_not_believed", lambda house: f"127.0.0.1:{house.grpc[0].port}"),
    ),
    Fault(
        "chain halted, cluster offline after",
        "chain",
        halt_chain,
        restart_chain,
        "chain_halted",
        r".",
        trouble("chain_halted", lambda house: CHAIN_ID),
        bookable=False,
    ),
)
