"""The simulated site, a devnet, and the real daemon, whose three endpoints of the chain can lie."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from provider_daemon.chain import keyspace
from provider_daemon.chain.client import GrpcChain
from provider_daemon.chain.job_names import job_name
from provider_daemon.chain.records import chain_job
from provider_daemon.chain.store import Store
from provider_daemon.clock import SystemClock
from provider_daemon.demo.accounts import Account, new_key
from provider_daemon.demo.environment import write_config
from provider_daemon.demo.jobs import DemoJob, shell
from provider_daemon.demo.market import CHAIN_ID, open_shop, order, start_devnet
from provider_daemon.demo.processes import Process
from provider_daemon.demo.sites import SimulatedDemoSite
from provider_daemon.job.state import State
from tests.faults.witness import Witness
from tests.lying_endpoints.lies import Scene
from tests.lying_endpoints.proxy import LyingProxy
from tests.waiting import until

ENDPOINTS = 3
PERIOD = 0.5  # seconds, of the chain's blocks and of the daemon's loops


@dataclass(slots=True)
class Place:
    """The site, the chain and the daemon.

    `proxies` are the daemon's endpoints, `chain` the test's own connection to the node. `names`: SLURM name
    of each ordered job. `since`: where the log of the running daemon begins.
    """

    site: SimulatedDemoSite
    proxies: list[LyingProxy]
    chain: GrpcChain
    devnet: Process
    provider: Account
    customer: Account
    attacker: Account
    daemon: Process
    witness: Witness
    gates: Path
    victim: str = ""
    since: int = 0
    names: dict[str, str] = field(default_factory=dict)

    @property
    def outbox(self) -> str:
        return f"outbox:{self.provider.address}"

    async def order(self, line: str) -> str:
        """Submits a job of the customer, which is on chain when this returns."""
        (job_id,) = await order(
            self.customer, DemoJob("", 0, State.COMPLETED, 0, arguments=shell(line), max_runtime_seconds=3600)
        )
        record = await self.chain.query.job(job_id)
        assert record is not None
        self.names[job_id] = job_name(self.provider.signer, chain_job(record, CHAIN_ID).spec)
        return job_id

    async def state(self, job_id: str) -> tuple[State, int]:
        record = await self.chain.job(job_id)
        assert record is not None
        return record.state, record.exit_code

    async def completed(self, job_id: str) -> bool:
        return (await self.state(job_id))[0] is State.COMPLETED

    async def scene(self) -> Scene:
        """Returns what a lie can be about now.

        The invented job is the victim's record, with another number and program.
        """
        store, number = Store(self.chain.endpoints), await self.chain.job_counter()
        invented = json.loads(await store.get(keyspace.key(keyspace.JOB, self.victim)))
        invented |= {"job_id": f"JOB-{number}", "state": "pending", "customer_address": self.attacker.address}
        invented["workload_spec"]["arguments"] = ["-c", "exit 42"]
        invented.pop("started_at", None)
        return Scene(
            self.victim, number, self.attacker.address, kept={"invented": json.dumps(invented).encode()}
        )

    async def fees(self) -> int:
        return await self.chain.balance(self.provider.address, "uve")

    async def impartial(self) -> None:
        """Restarts the daemon, because a deceived daemon queries that endpoint last."""
        events = {line["event"] for line in self.witness.lines(self.since)}
        if events & {"endpoint_deviates", "endpoint_outvoted", "endpoint_unhealthy"}:
            await asyncio.to_thread(self.daemon.stop)
            self.since = self.witness.mark()
            self.daemon.start()
            await until(
                "every loop ticks",
                lambda: self.witness.all_well(("intake", "advance:demo", self.outbox)),
                90,
                pause=0.3,
            )

    async def close(self) -> None:
        for child in (self.daemon, self.devnet):
            await asyncio.to_thread(child.stop)
        await self.chain.close()
        for proxy in self.proxies:
            await proxy.stop()
        await self.site.down()


@contextlib.asynccontextmanager
async def place(directory: Path) -> AsyncIterator[Place]:
    """Starts everything, with one paid job running."""
    site = SimulatedDemoSite()
    await site.up()
    (secret, key), customer, attacker = new_key(), new_key()[1], new_key()[1]
    addresses = [person.address for person in (key, customer, attacker)]
    devnet, port = await asyncio.to_thread(
        start_devnet, directory, addresses, "published", "--block-seconds", str(PERIOD)
    )
    proxies = [LyingProxy(port) for _ in range(ENDPOINTS)]
    for proxy in proxies:
        await proxy.start()
    chain = GrpcChain(CHAIN_ID, [f"127.0.0.1:{port}"], SystemClock())
    config, metrics_port = _config(directory, site, secret, proxies)
    log = directory / "provd.log"
    log.touch()
    made = Place(
        site=site,
        proxies=proxies,
        chain=chain,
        devnet=devnet,
        provider=Account(key, chain),
        customer=Account(customer, chain),
        attacker=Account(attacker, chain),
        daemon=Process("the daemon", ["run", "-c", str(config)], log),
        witness=Witness(log, directory / "ledger.sqlite", metrics_port),
        gates=site.work_root,
    )
    try:
        await open_shop(made.provider)
        made.daemon.start()
        made.victim = await made.order(f"until [ -e {made.gates}/end ]; do sleep 0.2; done")

        async def runs() -> bool:
            return (await made.state(made.victim))[0] is State.RUNNING

        await until("the paid job runs", runs, 120)
        yield made
    finally:
        (made.gates / "end").touch()
        await made.close()


def _config(
    directory: Path, site: SimulatedDemoSite, secret: bytes, proxies: list[LyingProxy]
) -> tuple[Path, int]:
    """Writes the demo's configuration with three endpoints and short periods.

    Returns the port of /metrics too.
    """
    config = write_config(directory, site, secret, proxies[0].port)
    endpoints = ", ".join(f'"127.0.0.1:{proxy.port}"' for proxy in proxies)
    text = re.sub(r"^endpoints = .*$", f"endpoints = [{endpoints}]", config.read_text(), flags=re.MULTILINE)
    text = re.sub(r"^poll_seconds = .*$", f"poll_seconds = {PERIOD}", text, flags=re.MULTILINE)
    config.write_text(text)
    return config, int(re.findall(r'listen = "127\.0\.0\.1:(\d+)"', text)[0])
