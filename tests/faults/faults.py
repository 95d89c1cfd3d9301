"""The faults: how each is produced, and what the daemon must log."""

from collections.abc import Callable
from dataclasses import dataclass

from provider_daemon.demo.market import CHAIN_ID
from tests.faults import machines, network
from tests.faults.house import ADVANCE, INTAKE, Act, House
from tests.faults.network import Cutting, Way, connected, grpc_way, healed, on, slow, ssh_way
from tests.faults.proxy import Proxy

JUMP = 3600  # seconds
NO_ENDPOINT = "no chain endpoint is healthy"

Metric = tuple[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault.

    `event` and `words` (a pattern) identify the one log line about the fault; `metric` is 1 while it lasts.
    `side`: what is cut off, "slurm" or "chain". `back`: when, after `end`, the service counts as returned.
    `quiet`: the daemon need not notice. `bookable`: whether jobs can be submitted on chain while it lasts.
    `needs_disk`: requires a mounted file system.
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


def first_endpoint_doubted() -> Callable[[House], Metric]:
    return trouble("endpoint_unhealthy", lambda house: f"127.0.0.1:{house.grpc[0].port}")


def stopped(
    daemon: str, event: str, words: str, metric: Callable[[House], Metric], back: Act | None = None
) -> Fault:
    return Fault(
        f"{daemon} stopped",
        "slurm",
        machines.stop(daemon),
        machines.start(daemon),
        event,
        words,
        metric,
        back,
    )


def on_ssh(name: str, act: Callable[[Proxy], None], words: str = "ssh ") -> Fault:
    begin, end = on(ssh_way, act), healed(ssh_way)
    return Fault(
        f"SSH: {name}",
        "slurm",
        begin,
        end,
        "tick_failed",
        words,
        failing(ADVANCE),
        connected(ssh_way, ADVANCE),
    )


def on_grpc(name: str, act: Callable[[Proxy], None]) -> Fault:
    begin, end = on(grpc_way, act), healed(grpc_way)
    return Fault(
        f"gRPC: {name}",
        "chain",
        begin,
        end,
        "tick_failed",
        NO_ENDPOINT,
        failing(INTAKE),
        connected(grpc_way, INTAKE),
    )


def cut(name: str, side: str, proxies: Way, loop: str, words: str) -> Fault:
    cutting = Cutting(proxies)
    return Fault(
        name, side, cutting.begin, cutting.end, "tick_failed", words, failing(loop), connected(proxies, loop)
    )


_wallet = machines.Wallet()

FAULTS = (
    stopped("slurmctld", "tick_failed", "Unable to contact slurm controller", failing(ADVANCE)),
    stopped(
        "slurmdbd",
        "accounting_down",
        "sacct",
        trouble("accounting_down", lambda house: "demo"),
        machines.backlog_gone,
    ),
    stopped("munged", "tick_failed", "squeue failed", failing(ADVANCE)),
    Fault(
        "sshd stopped",
        "slurm",
        machines.stop_sshd,
        machines.start("sshd"),
        "tick_failed",
        "ssh ",
        failing(ADVANCE),
        connected(ssh_way, ADVANCE),
    ),
    on_ssh("latency of 8 s", slow(8), "did not start within"),
    cut("SSH: connections cut", "slurm", ssh_way, ADVANCE, "ssh "),
    on_ssh("half-open", Proxy.half_open),
    on_ssh("truncated after 5000 bytes", lambda proxy: proxy.truncate(5000)),
    on_grpc("latency of 4 s", slow(4)),
    cut("gRPC: connections cut", "chain", grpc_way, INTAKE, NO_ENDPOINT),
    on_grpc("half-open", Proxy.half_open),
    on_grpc("truncated after 100 bytes", lambda proxy: proxy.truncate(100)),
    Fault(
        "disk full",
        "slurm",
        machines.fill_disk,
        machines.free_disk,
        "stderr",
        "ledger cannot be written",
        lambda house: None,
        machines.running,
        needs_disk=True,
    ),
    Fault(
        "clock +1 h and back",
        "slurm",
        machines.clock(JUMP, restart=False),
        machines.clock(0, restart=False),
        "",
        "",
        lambda house: None,
        quiet=True,
    ),
    Fault(
        "clock +1 h at a restart",
        "slurm",
        machines.clock(JUMP, restart=True),
        machines.clock(0, restart=True),
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
        "insufficient funds",
        trouble("wallet_empty", lambda house: house.provider.address),
    ),
    Fault(
        "two of three endpoints dead",
        "chain",
        network.two_dead,
        healed(grpc_way),
        "endpoint_unhealthy",
        "UNAVAILABLE",
        first_endpoint_doubted(),
    ),
    Fault(
        "an endpoint of another chain",
        "chain",
        network.another_chain,
        network.honest,
        "endpoint_unhealthy",
        "other-1",
        first_endpoint_doubted(),
    ),
    Fault(
        "an endpoint stuck at a height",
        "chain",
        network.stuck_height,
        network.honest,
        "endpoint_unhealthy",
        "height decreased",
        first_endpoint_doubted(),
    ),
    Fault(
        "chain halted, cluster offline after",
        "chain",
        network.halt_chain,
        network.restart_chain,
        "chain_halted",
        "",
        trouble("chain_halted", lambda house: CHAIN_ID),
        bookable=False,
    ),
)
