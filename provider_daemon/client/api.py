"""The Python API for customers: submit jobs, wait, read logs, fetch results (docs/python-client.md).

`Client` is asynchronous; `provider_daemon.client.blocking.Client` is the same for programs without asyncio.
"""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from provider_daemon.chain.client import GrpcChain
from provider_daemon.chain.keys import Signer
from provider_daemon.client import (
    catalogue,
    downloads,
    draft,
    job_request,
    job_source,
    market,
    offerings,
    price,
    sealing,
    submission,
    uploads,
    verify,
)
from provider_daemon.client.downloads import Download
from provider_daemon.client.gateway import Gateway
from provider_daemon.client.gateway_facts import GatewayRefused, RemoteFile, Uploads
from provider_daemon.client.gateways import Gateways
from provider_daemon.client.identity import Who, once
from provider_daemon.client.job_file import JobFile
from provider_daemon.client.job_request import JobRequest, LocalFile
from provider_daemon.client.job_source import JobSource
from provider_daemon.client.logs import Log
from provider_daemon.client.meter import Meter, NoMeter
from provider_daemon.client.offerings import Choice, Wish
from provider_daemon.client.outcome import Ended
from provider_daemon.client.places import NotOnDisk
from provider_daemon.client.session import chain_at
from provider_daemon.client.submission import Submitted
from provider_daemon.client.transaction import TxTerms
from provider_daemon.client.verify import ResultFile
from provider_daemon.encryption import lookup
from provider_daemon.errors import Refused
from provider_daemon.job.pricing import DENOM
from provider_daemon.job.state import State
from provider_daemon.money.bill import Bill

MANIFEST_SECONDS = 600.0  # after a job's end, until its manifest is made
POLL_SECONDS = 2.0
# A gateway counts each question for a job that the provider has not accepted yet as a failed login, and
# accepts 30 of them in a minute.
UNSEEN_PAUSE = 2.5


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be submitted. `escrow`: such as 61666uvirt; `files`: those to upload, by input name."""

    job: JobFile
    asked: JobRequest
    files: Mapping[str, LocalFile]
    choice: Choice
    bill: Bill
    escrow: str

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of MsgSubmitJob."""
        return job_request.fields(
            self.asked, self.choice.offering.offering_id, self.choice.queue, self.escrow
        )


@dataclass(frozen=True, slots=True)
class Fetched:
    """Results on disk. `problem`: why the evidence does not prove them; "" if it does.

    `left_out`: what the provider says that the manifest does not list, such as links.
    """

    files: tuple[ResultFile, ...]
    root: str
    problem: str = ""
    left_out: str = ""

    @property
    def bytes(self) -> int:
        return sum(file.size for file in self.files)


class Client:
    """A customer's view of one chain and its providers. An async context manager.

    `gateway`: an address that replaces the one in the description of the job's cluster.
    """

    def __init__(
        self,
        signer: Signer,
        *,
        nodes: Sequence[str],
        chain_id: str,
        gateway: str = "",
        meter: Meter | None = None,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._signer = signer
        self._nodes = nodes
        self._chain_id = chain_id
        self._meter = meter or NoMeter()
        self._poll_seconds = poll_seconds
        self._stack = AsyncExitStack()
        self._gateways = Gateways(signer, chain_id, gateway, poll_seconds, self._stack)

    @classmethod
    def from_keyring(
        cls,
        key: str,
        *,
        keyring_dir: str | Path = "~/.provd",
        passphrase: Callable[[], str] | str,
        nodes: Sequence[str],
        chain_id: str,
        gateway: str = "",
    ) -> "Client":
        """`key`: name or address of a key made by `provd keys add`. Raises ConfigError."""
        asked = passphrase if callable(passphrase) else lambda: passphrase
        who = Who(key, Path(os.path.expanduser(keyring_dir)), once(asked))
        return cls(who.signer(), nodes=nodes, chain_id=chain_id, gateway=gateway)

    async def __aenter__(self) -> "Client":
        self.chain: GrpcChain = await self._stack.enter_async_context(chain_at(self._nodes, self._chain_id))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def address(self) -> str:
        """The account that pays."""
        return self._signer.address

    # --- submit ---

    async def plan(
        self,
        job: JobSource,
        *,
        offering: str = "",
        directory: Path | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> Plan:
        """Chooses an offering and computes the price. `job`: a file, or its content.

        `directory`: where local files are looked up; default: that of the job file, or the current one.
        `say` gets a line if the provider's catalogue cannot be read and only the chain's records are checked.
        Raises ConfigError with every error of the job, or with the reason of a provider that would refuse it,
        and Refused if no offering matches, or if an input is to be encrypted and the provider has no usable
        key on chain. Encrypted files are kept until the client is closed.
        """
        parsed, base = job_source.read(job)
        files = await uploads.local_files(parsed, directory or base)
        template = job_source.template(parsed.template, directory or base) if parsed.template else None
        asked = job_request.request(parsed, template)
        wish = Wish(offering or parsed.offering, parsed.queue, parsed.region)
        choice = offerings.choose(
            asked, wish, await market.offerings(self.chain), await market.clusters(self.chain)
        )
        files = await self._sealed(files, choice.cluster.provider_address)
        asked = job_request.with_files(asked, files)
        bill = price.estimate(asked, price.rules_of(choice.offering, choice.queue))
        denom = choice.offering.pricing.currency or DENOM
        plan = Plan(parsed, asked, files, choice, bill, parsed.max_price or f"{bill.total}{denom}")
        message = draft.message("MsgSubmitJob", plan.fields)
        await catalogue.check(self.chain, message, say, self._gateways.url)
        return plan

    async def _sealed(self, files: dict[str, LocalFile], provider: str) -> dict[str, LocalFile]:
        """Encrypts the files that ask for it to the provider's newest key on chain."""
        if not any(file.encrypted for file in files.values()):
            return files
        key = await lookup.usable_key(self.chain, provider)
        directory = self._stack.enter_context(TemporaryDirectory(prefix="provd-"))
        return await sealing.sealed(files, key.public_key, Path(directory))

    async def send(
        self, plan: Plan, *, terms: TxTerms | None = None, sent: Callable[[str], None] = lambda _: None
    ) -> Submitted:
        """Uploads the plan's files and submits the job. `sent` gets the hash of the transaction.

        Raises Refused if the gateway or the chain refuses; then nothing is held in escrow.
        """
        if plan.files:
            gateway = await self._gateways.of(plan.choice.cluster)
            await uploads.send_all(gateway, plan.files.values(), self._meter)
        return await submission.submit(
            self.chain, self._signer, plan.fields, terms or TxTerms(), time.monotonic, sent
        )

    async def submit(self, job: JobSource, *, offering: str = "") -> str:
        """Plans and submits in one step. Returns the job's id."""
        return (await self.send(await self.plan(job, offering=offering))).job_id

    # --- wait and read ---

    async def wait(
        self, job_id: str, changed: Callable[[State, str], None] = lambda state, message: None
    ) -> Ended:
        """Returns when the job has ended. `changed` gets each new state and the provider's message."""
        return await market.wait(self.chain, job_id, changed, time.monotonic, self._poll_seconds)

    async def log(self, job_id: str, write: Callable[[bytes], None], *, stream: str = "output") -> Log:
        """Returns a job's log, which writes with `write`; see `Log.copy` and `Log.follow`."""
        gateway = await self.gateway(job_id)
        pause = self._poll_seconds * UNSEEN_PAUSE
        return Log(gateway, job_id, write, stream=stream, poll_seconds=pause)

    async def logs(
        self, job_id: str, *, stream: str = "output", follow: bool = False
    ) -> AsyncGenerator[bytes]:
        """Yields a job's output: what is there, or with `follow` as it is written, until the job's end."""
        parts: asyncio.Queue[bytes | None] = asyncio.Queue()
        log = await self.log(job_id, parts.put_nowait, stream=stream)
        reading = asyncio.create_task(log.follow() if follow else log.copy())
        reading.add_done_callback(lambda _: parts.put_nowait(None))
        try:
            while (part := await parts.get()) is not None:
                yield part
            await reading  # raises what ended it
        finally:
            reading.cancel()

    async def files(self, job_id: str, directory: str = "") -> list[RemoteFile]:
        """Lists everything below a directory of the job, also while it runs."""
        gateway = await self.gateway(job_id)
        found: list[RemoteFile] = []
        waiting = [directory]
        while waiting:
            async for entry in gateway.files(job_id, waiting.pop()):
                found.append(entry)
                if entry.kind == "directory":
                    waiting.append(entry.path)
        return sorted(found, key=lambda entry: entry.path)

    async def manifest(self, job_id: str, *, patience: float = 0.0) -> tuple[bytes, tuple[ResultFile, ...]]:
        """Returns a job's manifest: its text and its files. `patience`: seconds to wait until it is made.

        Raises GatewayRefused if there is none.
        """
        gateway = await self.gateway(job_id)
        until = time.monotonic() + patience
        while True:
            try:
                text = await gateway.manifest(job_id)
                return text, verify.manifest(text)
            except GatewayRefused as error:
                if error.reason != "no_manifest" or time.monotonic() > until:
                    raise
                await self._check_coming(gateway, job_id, error)
            await asyncio.sleep(self._poll_seconds)

    async def _check_coming(self, gateway: Gateway, job_id: str, error: GatewayRefused) -> None:
        """Raises if the provider has given a reason why there will be no manifest."""
        found = (await gateway.job(job_id)).results
        if found and found.detail:
            raise Refused(f"{error}: {found.detail}")

    async def fetch(self, job_id: str, directory: str | Path, *, patience: float = 0.0) -> Fetched:
        """Fetches all results into a directory, and checks them against the manifest and the evidence.

        Raises Unreadable for content that is not the manifest's, and GatewayRefused if there is no manifest.
        """
        text, files = await self.manifest(job_id, patience=patience)
        gateway = await self.gateway(job_id)
        await Download(gateway, job_id, Path(directory), self._meter).fetch(files)
        found = verify.summary(text, files)
        problem = verify.against_evidence(found, await market.evidence_of(self.chain, job_id))
        facts = (await gateway.job(job_id)).results
        return Fetched(files, found.root, problem, facts.detail if facts else "")

    # --- uploads ---

    async def upload(self, path: str | Path) -> str:
        """Uploads a file for later jobs (`upload: <sha256>`). Needs `gateway`. Returns its SHA-256."""
        file = await uploads.local_file(Path(path), Path(path).name)
        await uploads.send(await self.gateway(), file, self._meter)
        return file.sha256

    async def download(self, sha256: str, path: str | Path) -> int:
        """Fetches an upload into a file, resumed at its byte. Needs `gateway`. Returns its size.

        Raises Refused if there is no whole upload of that hash, or another file at `path`.
        """
        gateway, place = await self.gateway(), Path(path)
        found = await gateway.upload_state(sha256)
        if found is None or found.offset != found.length:
            raise Refused(f"you have no complete upload {sha256}: see `provd data ls`")
        file = ResultFile(str(path), found.length, sha256)
        try:
            if await asyncio.to_thread(place.exists):
                if await asyncio.to_thread(downloads.measured, file.path, place) != file:
                    raise Refused(f"{path} already exists with different content")
                return file.size
            source = partial(gateway.upload, sha256)
            await downloads.fetch_file(source, file, place, self._meter, gateway.retry_seconds)
        except OSError as error:
            raise NotOnDisk(f"{path} cannot be written: {error.strerror}") from error
        return file.size

    async def uploads(self) -> Uploads:
        return await (await self.gateway()).uploads()

    async def remove_upload(self, sha256: str) -> None:
        await (await self.gateway()).remove_upload(sha256)

    # --- gateways ---

    async def gateway(self, job_id: str = "") -> Gateway:
        """Returns the gateway of a job's provider, or without a job that of `gateway`.

        Raises ConfigError if its address is not known.
        """
        if job_id:
            record = await market.job(self.chain, job_id)
            if record.customer_address != self.address:
                raise Refused(f"{job_id} belongs to {record.customer_address}, not to {self.address}")
            return await self._gateways.of(await market.cluster(self.chain, record.cluster_id))
        return await self._gateways.configured()
