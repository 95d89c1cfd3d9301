"""A gateway on a loopback port: its ledger, its uploads, and a site in a directory of this machine."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yarl
from aiohttp import web

from provider_daemon.chain.sign import LocalSigner
from provider_daemon.errors import Refused
from provider_daemon.gateway import log_routes
from provider_daemon.gateway.app import build_app
from provider_daemon.gateway.limits import READ_BYTES, port_limits
from provider_daemon.gateway.logins import Logins
from provider_daemon.gateway.measures import Measures
from provider_daemon.gateway.parts import Gateway, Site
from provider_daemon.gateway.uploads import Uploads
from provider_daemon.job.job import Job
from provider_daemon.job.state import State
from provider_daemon.job.usage import Usage
from provider_daemon.ledger.guest import LedgerGuest
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.listener.serve import Listener, serve
from provider_daemon.metrics.gate import Gate
from provider_daemon.ports import Cluster
from provider_daemon.site_files.files import SiteFiles
from provider_daemon.slurm.local import LocalTransport
from provider_daemon.slurm.logins import SiteLogins
from provider_daemon.tokens.identity import Audience
from provider_daemon.tokens.jwt import mint
from tests.fakes.chain import ALICE, BOB, CHAIN_ID, PROVIDER, FakeClock, person
from tests.unit.job.jobs import JOB

URL = "https://gateway.example.org"
QUOTA = 3_000_000  # bytes of one customer's uploads; the directory may hold twice that
NEWCOMER = person("newcomer")  # whose account has no public key on chain
AUDIENCE = Audience(URL, CHAIN_ID, frozenset({PROVIDER.address}))


@dataclass
class FakeAccounts:
    """The chain's accounts. `asked` counts the queries for public keys."""

    keys: dict[str, bytes] = field(
        default_factory=lambda: {
            **{who.address: who.public_key for who in (ALICE, BOB, PROVIDER)},
            NEWCOMER.address: b"",
        }
    )
    asked: int = 0

    async def public_key(self, address: str) -> bytes:
        self.asked += 1
        if address not in self.keys:
            raise Refused(f"the chain has no account {address}", code=9)
        return self.keys[address]

    async def cluster(self, cluster_id: str) -> Cluster | None:
        return Cluster(cluster_id, PROVIDER.address, "active", "eu", 1, 1) if cluster_id == "HPC-1" else None


@dataclass
class Running:
    """A gateway that serves, and what a test changes behind its back."""

    gateway: Gateway
    ledger: Ledger
    accounts: FakeAccounts
    clock: FakeClock
    work_root: Path
    http: aiohttp.ClientSession
    runner: web.AppRunner

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.runner.addresses[0][:2]
        return host, port

    def token(self, who: LocalSigner = ALICE, **more: Any) -> str:
        return mint(who, AUDIENCE, self.clock.now(), **more)

    def bearer(self, who: LocalSigner = ALICE) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(who)}"}

    async def ask(
        self, method: str, path: str, who: LocalSigner | None = ALICE, **more: Any
    ) -> tuple[int, Any, Any]:
        """Returns status, body (parsed if JSON) and headers. `who` None: without a token."""
        headers = {**(self.bearer(who) if who else {}), **more.pop("headers", {})}
        url = f"http://{self.address[0]}:{self.address[1]}{path}"
        async with self.http.request(method, yarl.URL(url, encoded=True), headers=headers, **more) as answer:
            as_json = answer.content_type == "application/json" and method != "HEAD"
            body = await answer.json() if as_json else await answer.read()
            return answer.status, body, answer.headers

    async def refusal(
        self, method: str, path: str, who: LocalSigner | None = ALICE, **more: Any
    ) -> tuple[int, str]:
        """Returns status and code of an error."""
        status, body, _ = await self.ask(method, path, who, **more)
        return status, body["error"]["code"] if isinstance(body, dict) else ""

    def save(self, job: Job) -> Job:
        with self.ledger.write():
            self.ledger.save_job(job)
        return job

    def job(self, number: int = 7, who: LocalSigner = ALICE, **changes: Any) -> Job:
        """Stores a job of the customer, with a directory at the site."""
        directory = self.work_root / f"ve-{number}.0000abcd"
        (directory / "inputs").mkdir(parents=True, exist_ok=True)
        spec = replace(JOB.spec, job_id=f"JOB-{number}", customer=who.address, provider=PROVIDER.address)
        made = replace(JOB, spec=spec, slurm_name=f"ve-{number}", directory=str(directory), slurm_id="42")
        return self.save(replace(made, state=State.RUNNING, reported=State.RUNNING, **changes))

    def end(self, job: Job) -> Job:
        """Ends the job, as SLURM's final record does."""
        ended = replace(job, state=State.COMPLETED, usage=Usage(wall_clock_seconds=60, nodes_used=1))
        return self.save(replace(ended, closed_at=self.clock.now()))

    def write(self, job: Job, path: str, content: bytes) -> Path:
        file = Path(job.directory) / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return file


@asynccontextmanager
async def serving(tmp_path: Path, ledger: Ledger, **changes: Any) -> AsyncIterator[Running]:
    clock, accounts = FakeClock(), FakeAccounts()
    work_root = tmp_path / "work"
    work_root.mkdir()
    transport = LocalTransport()
    site = Site("alpha", 14.0, SiteFiles(transport), SiteLogins(transport))
    uploads = Uploads(tmp_path / "uploads", 2 * QUOTA, QUOTA)
    uploads.open()
    logins = Logins(accounts, clock, url=URL, chain_id=CHAIN_ID, clusters=["HPC-1"])
    await logins.start()
    clock.time += 300  # what was issued before the gateway's start is refused
    values: dict[str, Any] = {
        "url": URL,
        "chain_id": CHAIN_ID,
        "sites": {"HPC-1": site},
        "ledger": LedgerGuest(tmp_path / "ledger.sqlite"),
        "transfers": None,
        "uploads": uploads,
        "logins": logins,
        "measures": Measures(),
        "clock": clock,
        "requests_per_minute": 10_000,
        **changes,
    }
    gateway = Gateway(**values)
    limits = port_limits(proxied=gateway.proxied)
    gate = Gate("here", clock, gateway.ongoing, gateway.measures.connections, limits)
    opened = Listener("gateway.listen", "127.0.0.1:0", 64, READ_BYTES)
    runner = await serve(build_app(gateway), opened, gate, None)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as http:
        yield Running(gateway, ledger, accounts, clock, work_root, http, runner)
    await runner.cleanup()
    await site.close()


@pytest.fixture
async def running(tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    monkeypatch.setattr(log_routes, "CHECK_SECONDS", 0.02)
    async with serving(tmp_path, ledger) as started:
        yield started
