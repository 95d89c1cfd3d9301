"""A SLURM site behind a real sshd, a devnet, the real daemon, and a Prometheus.

Prometheus scrapes the daemon every second.
"""

import asyncio
import contextlib
import re
import signal
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from provider_daemon.chain.client import GrpcChain
from provider_daemon.clock import SystemClock
from provider_daemon.demo.accounts import Account
from provider_daemon.demo.environment import write_config
from provider_daemon.demo.jobs import DemoJob
from provider_daemon.demo.market import opened, order
from provider_daemon.demo.processes import Process
from provider_daemon.demo.sites import DemoSite, SimulatedDemoSite
from provider_daemon.job.state import State
from provider_daemon.ledger import disputes, listing, reconciliation
from provider_daemon.ledger.ledger import Ledger
from tests.observe.agents import Reporter, open_store
from tests.observe.prometheus import Prometheus, start_prometheus
from tests.waiting import until

WAIT_SECONDS = 120  # seconds for what should happen soon


@dataclass(slots=True)
class Stage:
    """The stage.

    `directory` has the daemon's provd.toml, log and ledger; `page` is the address of its status page. `agent`
    is that of the node n1; it is not started yet.
    """

    prometheus: Prometheus
    daemon: Process
    devnet: Process
    chain: GrpcChain
    provider: Account
    customer: Account
    directory: Path
    page: str
    agent: Reporter

    @property
    def config(self) -> Path:
        return self.directory / "provd.toml"

    async def submit(self, *jobs: DemoJob) -> None:
        await order(self.customer, *jobs)

    def rows(self, what: str) -> list[str]:
        """Returns the state of each job, or the kind of each message that waits."""
        with contextlib.closing(
            Ledger.open(self.directory / "ledger.sqlite", readonly=True, lock=False)
        ) as ledger:
            if what == "jobs":
                return [f"{job.state} {job.reported}" for _, job in listing.jobs(ledger)]
            return [row.kind for row in ledger.count_waiting()]

    def ended(self) -> str:
        """Returns the id of a job that is settled."""
        with contextlib.closing(
            Ledger.open(self.directory / "ledger.sqlite", readonly=True, lock=False)
        ) as ledger:
            return next(job.spec.job_id for _, job in listing.jobs(ledger) if job.closed_at is not None)

    def disputes(self) -> list[str]:
        """Returns the ids of the open disputes."""
        with contextlib.closing(
            Ledger.open(self.directory / "ledger.sqlite", readonly=True, lock=False)
        ) as ledger:
            return [known.dispute.dispute_id for known in disputes.still_open(ledger)]

    def parked(self) -> list[str]:
        """Returns the ids of parked jobs."""
        with contextlib.closing(
            Ledger.open(self.directory / "ledger.sqlite", readonly=True, lock=False)
        ) as ledger:
            return [job.spec.job_id for _, job in listing.jobs(ledger) if job.parked]


@contextlib.asynccontextmanager
async def stage(directory: Path, site: DemoSite, *dead: str) -> AsyncIterator[Stage]:
    """Starts everything, with the daemon scraped.

    `dead`: further endpoints of the chain. The site is stopped with the rest.
    """
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(site.down)
        market = await opened(directory, "published")
        stack.push_async_callback(market.close)
        store, table = open_store(directory)
        agent = Reporter(store, "n1")
        stack.push_async_callback(agent.stop)
        config, listen = configure(write_config(directory, site, market.secret, market.port, table), dead)
        compared_before(directory / "ledger.sqlite")
        daemon = Process("the daemon", ["run", "-c", str(config)], directory / "provd.log")
        daemon.start()
        stack.push_async_callback(asyncio.to_thread, daemon.stop)
        await asyncio.to_thread(daemon.wait_for, "provd_started")
        prometheus = start_prometheus(directory, listen)
        stack.callback(prometheus.stop)
        (customer,) = market.customers
        made = Stage(
            prometheus,
            daemon,
            market.devnet,
            market.chain,
            market.provider,
            customer,
            directory,
            f"http://{listen}/",
            agent,
        )
        await until("Prometheus has scraped the daemon", lambda: scraped(prometheus), WAIT_SECONDS)
        yield made


async def simulated_site() -> DemoSite:
    made = SimulatedDemoSite()
    await made.up()
    return made


async def scraped(prometheus: Prometheus) -> bool:
    try:
        return "provd_build_info" in await prometheus.names()
    except OSError:
        return False


def configure(config: Path, dead: Sequence[str]) -> tuple[Path, str]:
    """Writes the configuration, with heartbeats every five seconds. Returns it and the scraped address.

    One endpoint is enough for the quorum, since the dead ones never agree.
    """
    more = "".join(f', "{endpoint}"' for endpoint in dead)
    text = re.sub(
        r'^(endpoints = \[".*")\]$', rf"\1{more}]\nquorum = 1", config.read_text(), flags=re.MULTILINE
    )
    config.write_text(text.replace("heartbeat_seconds = 15", "heartbeat_seconds = 5"))
    return config, re.findall(r'listen = "(.*)"', text)[0]


def compared_before(ledger: Path) -> None:
    """Creates a ledger as an earlier run leaves it: the next reconciliation is five minutes away."""
    with contextlib.closing(Ledger.open(ledger)) as opened, opened.write():
        reconciliation.save(
            opened, dict.fromkeys(("low", "medium", "high", "critical"), 0), [], SystemClock().now()
        )


QUICK = DemoJob("ends at once", 0, State.COMPLETED, 0, "/bin/true")
SLOW = DemoJob("ends in a while", 0, State.COMPLETED, 0, "/bin/sleep", ("4",))


async def play(made: Stage) -> None:
    """Produces every series: jobs that end, and messages that wait while the chain is halted."""
    await made.submit(QUICK, SLOW)
    await until(
        "the jobs are settled", lambda: made.rows("jobs") == ["completed completed"] * 2, WAIT_SECONDS
    )
    await made.submit(SLOW)
    await until("the third job runs", lambda: "running running" in made.rows("jobs"), WAIT_SECONDS)
    made.devnet.signal(signal.SIGUSR1)
    await until("its last report waits", lambda: "report" in made.rows("messages"), WAIT_SECONDS)
    await until(
        "the wait is seen",
        lambda: made.prometheus.seen("provd:outbox_oldest_report_age_seconds:max"),
        WAIT_SECONDS,
    )
    made.devnet.signal(signal.SIGUSR2)
    await until(
        "the wallet's runway is known",
        lambda: made.prometheus.seen("provd_wallet_runway_seconds"),
        WAIT_SECONDS,
    )
    await until("it is settled too", lambda: made.rows("jobs") == ["completed completed"] * 3, WAIT_SECONDS)
