"""A devnet, a simulated SLURM site behind a real sshd, the real daemon, and a real Prometheus that scrapes it every second."""

import asyncio
import contextlib
import json
import re
import signal
import subprocess
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provider_daemon.chain.client import GrpcChain
from provider_daemon.clock import SystemClock
from provider_daemon.demo.children import Child
from provider_daemon.demo.jobs import DemoJob
from provider_daemon.demo.people import Person, new_key
from provider_daemon.demo.sites import SimulatedDemoSite
from provider_daemon.demo.stage import CHAIN_ID, OFFERING, open_shop, start_devnet, write_config
from provider_daemon.job.state import State
from provider_daemon.lab.site.layout import free_ports
from provider_daemon.ledger import comparison, listing
from provider_daemon.ledger.ledger import Ledger
from tests.observe.files import PROMETHEUS

PATIENCE = 50.0
NOWHERE = "127.0.0.1:1"  # an endpoint that nobody serves


@dataclass(slots=True)
class Prometheus:
    """Its HTTP API, as a board uses it."""

    process: subprocess.Popen[bytes]
    url: str

    async def api(self, path: str, **parameters: str) -> Any:
        return await asyncio.to_thread(self._get, path, parameters)

    def _get(self, path: str, parameters: dict[str, str]) -> Any:
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}", timeout=10) as answer:
            return json.load(answer)["data"]

    async def names(self) -> set[str]:
        """Of every series that it ever scraped from provd or recorded from that."""
        return set(await self.api("label/__name__/values"))

    async def seen(self, selector: str) -> bool:
        """Whether any series matched, at any time."""
        return bool(await self.api("series", **{"match[]": selector, "start": "0"}))

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)


@dataclass(slots=True)
class Stage:
    prometheus: Prometheus
    daemon: Child
    devnet: Child
    customer: Person
    ledger: Path

    async def submit(self, *jobs: DemoJob) -> None:
        await self.customer.send(*(job.message(self.customer.address, OFFERING) for job in jobs))

    def rows(self, what: str) -> list[str]:
        """The state of each job, or the kind of each message that waits."""
        with contextlib.closing(Ledger.open(self.ledger, readonly=True, lock=False)) as ledger:
            if what == "jobs":
                return [f"{job.state} {job.reported}" for _, job in listing.jobs(ledger)]
            return [row["kind"] for row in ledger.count_waiting()]


async def until(what: str, holds: Callable[[], Awaitable[bool] | bool], limit: float = PATIENCE) -> None:
    """Raises TimeoutError, naming it, when it does not come true."""
    try:
        async with asyncio.timeout(limit):
            while not (found if isinstance(found := holds(), bool) else await found):
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise TimeoutError(f"not within {limit:g} s: {what}") from None


@contextlib.asynccontextmanager
async def stage(directory: Path) -> AsyncIterator[Stage]:
    """Everything up, and the daemon scraped."""
    async with contextlib.AsyncExitStack() as stack:
        site = SimulatedDemoSite()
        await site.up()
        stack.push_async_callback(site.down)
        (secret, key), customer_key = new_key(), new_key()[1]
        devnet, port = await asyncio.to_thread(start_devnet, directory, [key.address, customer_key.address], "published")
        stack.callback(devnet.stop)
        chain = GrpcChain(CHAIN_ID, [f"127.0.0.1:{port}"], SystemClock())
        stack.push_async_callback(chain.close)
        await open_shop(Person(key, chain))
        config, listen = configure(write_config(directory, site, secret, port))
        compared_before(directory / "ledger.sqlite")
        daemon = Child("the daemon", ["run", "-c", str(config)], directory / "provd.log")
        daemon.start()
        stack.push_async_callback(asyncio.to_thread, daemon.stop)
        await asyncio.to_thread(daemon.wait_for, "provd_started")
        prometheus = start_prometheus(directory, listen)
        stack.callback(prometheus.stop)
        made = Stage(prometheus, daemon, devnet, Person(customer_key, chain), directory / "ledger.sqlite")
        await until("Prometheus has scraped the daemon", lambda: scraped(prometheus))
        yield made


async def scraped(prometheus: Prometheus) -> bool:
    try:
        return "provd_build_info" in await prometheus.names()
    except OSError:
        return False


def configure(config: Path) -> tuple[Path, str]:
    """With a second endpoint that nobody serves, and heartbeats every five seconds; and where it is scraped."""
    text = re.sub(r'^endpoints = \["(.*)"\]$', rf'endpoints = ["\1", "{NOWHERE}"]', config.read_text(), flags=re.MULTILINE)
    config.write_text(text.replace("heartbeat_seconds = 15", "heartbeat_seconds = 5"))
    return config, re.findall(r'listen = "(.*)"', text)[0]


def compared_before(ledger: Path) -> None:
    """A ledger that an earlier run left: the next comparison is five minutes away."""
    with contextlib.closing(Ledger.open(ledger)) as opened, opened.write():
        comparison.save(opened, dict.fromkeys(("low", "medium", "high", "critical"), 0), [], SystemClock().now())


def start_prometheus(directory: Path, listen: str) -> Prometheus:
    """Debian's, with our rules, on a port of its own."""
    home, (port,) = directory / "prometheus", free_ports(1)
    home.mkdir()
    rules = [str(PROMETHEUS / name) for name in ("rules.yaml", "alerts.yaml")]
    settings = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": rules,
        "scrape_configs": [{"job_name": "provd", "static_configs": [{"targets": [listen]}]}],
    }
    (home / "prometheus.yml").write_text(json.dumps(settings))
    command = ["prometheus", f"--config.file={home}/prometheus.yml", f"--storage.tsdb.path={home}/data"]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log, start_new_session=True)
    return Prometheus(process, f"http://127.0.0.1:{port}")


QUICK = DemoJob("ends at once", 0, State.COMPLETED, 0, "/bin/true")
SLOW = DemoJob("ends in a while", 0, State.COMPLETED, 0, "/bin/sleep", ("4",))


async def play(made: Stage) -> None:
    """What makes every series: jobs that end, and messages that wait while the chain stands still."""
    await made.submit(QUICK, SLOW)
    await until("the jobs are settled", lambda: made.rows("jobs") == ["completed completed"] * 2)
    await made.submit(SLOW)
    await until("the third job runs", lambda: "running running" in made.rows("jobs"))
    made.devnet.signal(signal.SIGUSR1)
    await until("its last report waits", lambda: "report" in made.rows("messages"))
    await until("the wait is seen", lambda: made.prometheus.seen("provd:outbox_oldest_report_age_seconds:max"))
    made.devnet.signal(signal.SIGUSR2)
    await until("the wallet's runway is known", lambda: made.prometheus.seen("provd_wallet_runway_seconds"))
    await until("it is settled too", lambda: made.rows("jobs") == ["completed completed"] * 3)
