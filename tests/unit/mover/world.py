"""A site, its ledger and a mover that can be killed and started again."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from provider_daemon.config.model import ClusterConfig
from provider_daemon.errors import Refused
from provider_daemon.job.images import IMAGES
from provider_daemon.job.references import DataReference
from provider_daemon.mover.build import ClusterParts, cluster_parts
from provider_daemon.mover.delivery import Deliverer
from provider_daemon.mover.facts import JobFacts
from provider_daemon.mover.fetch import Fetcher
from provider_daemon.mover.images import ImagePolicy, Images
from provider_daemon.mover.locks import FairSlots, Slots
from provider_daemon.mover.pace import Bandwidth
from provider_daemon.mover.ports import ImageStore
from provider_daemon.mover.spool import Spool
from provider_daemon.mover.targets import Target
from provider_daemon.sources.https import Http
from provider_daemon.sources.inputs import InputPolicy
from provider_daemon.sources.registry import Registries
from provider_daemon.transfers.rows import JobTransfer
from provider_daemon.transfers.store import TransferStore
from provider_daemon.transfers.writer import TransferWriter
from tests.unit.mover.site import FakeSite, FakeSources, Kill, Killed

CLUSTER, CUSTOMER, WORK_ROOT = "HPC-1", "ve1customer", "/scratch"
DAY = 86_400.0


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def reference(uri: str, content: bytes, *, encrypted: bool = False, name: str = "") -> DataReference:
    mark = f"#name={name}" if name else ""
    return DataReference(
        uri=f"{uri}{mark}", checksum=sha256(content), size_bytes=len(content), encrypted=encrypted
    )


class FakeClock:
    def __init__(self, now: float = 1_000_000.0) -> None:
        self.at = now

    def now(self) -> float:
        return self.at


class FakeLedger:
    def __init__(self) -> None:
        self.all: dict[str, JobFacts] = {}
        self.declared: dict[str, tuple[DataReference, ...]] = {}

    def open_jobs(self, cluster_id: str) -> list[JobFacts]:
        return [job for job in self.all.values() if job.closed_at is None and job.cluster_id == cluster_id]

    def jobs(self, job_ids: Iterable[str]) -> list[JobFacts]:
        wanted = set(job_ids)
        return [job for job in self.all.values() if job.job_id in wanted]

    def references(self, job: JobFacts) -> tuple[DataReference, ...]:
        return self.declared[job.name]

    def closed_since(self, cluster_id: str, since: float, after: str, count: int) -> list[JobFacts]:
        closed = sorted(
            (job.closed_at, job.job_id, job)
            for job in self.all.values()
            if job.closed_at is not None and (job.closed_at, job.job_id) > (since, after)
        )
        return [job for _, _, job in closed[:count]]

    def known_names(self, names: Iterable[str]) -> set[str]:
        return set(names) & set(self.all)

    def leased_users(self, cluster_id: str) -> list[str]:
        return sorted({job.user for job in self.all.values() if job.user})


class KilledWriter(TransferWriter):
    """Raises Killed before or after a transaction. `commits`: how many there were."""

    kill = Kill()
    commits = 0

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self.kill.point()
        with super()._transaction():
            yield
        KilledWriter.commits += 1
        self.kill.point()


@dataclass(slots=True)
class FakeUploader:
    kill: Kill
    errors: list[Exception] = field(default_factory=list)
    received: dict[str, bytes] = field(default_factory=dict)

    async def put(self, target: Target, chunks: AsyncIterator[bytes], size: int) -> None:
        self.kill.point()
        if self.errors:
            raise self.errors.pop(0)
        content = b"".join([chunk async for chunk in chunks])
        assert len(content) == size
        self.received[target.uri] = content
        self.kill.point()


@dataclass(slots=True)
class FakeKeys:
    key: bytes | None = None
    error: Refused | None = None

    async def usable(self, address: str) -> bytes | None:
        if self.error:
            raise self.error
        return self.key


class FakeCipher:
    """ "Encrypts" by a mark at the start: enough to see what was encrypted, to whom, and when."""

    async def encrypt(
        self, chunks: AsyncIterator[bytes], recipients: Sequence[bytes]
    ) -> AsyncIterator[bytes]:
        yield b"encrypted:" + recipients[0]
        async for chunk in chunks:
            yield chunk

    async def with_size(
        self, encrypted: AsyncIterator[bytes], plain_size: int
    ) -> tuple[int, AsyncIterator[bytes]]:
        return len(b"encrypted:") + 32 + plain_size, encrypted

    async def decrypt(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        content = b"".join([chunk async for chunk in chunks])
        yield content.removeprefix(b"encrypted:")


@dataclass(frozen=True, slots=True)
class FakeImages:
    """Keeps the archives of images on the fake site."""

    site: FakeSite

    async def put(self, name: str, chunks: AsyncIterator[bytes]) -> None:
        content = b"".join([chunk async for chunk in chunks])
        for file, each in (("image.tar", content), ("whole", b"")):
            self.site.put(f"{WORK_ROOT}/{IMAGES}/{name}/{file}", each)


class World:
    """`start` begins a mover's life; `run` lets it work until nothing is left to do at this time."""

    def __init__(self, directory: Path, **data: object) -> None:
        self.path = directory / "transfers.sqlite"
        self.spool = directory / "spool"
        self.kill = Kill()
        self.site = FakeSite(self.kill)
        self.sources = FakeSources(kill=self.kill)
        self.uploader = FakeUploader(self.kill)
        self.keys = FakeKeys()
        self.ledger = FakeLedger()
        self.clock = FakeClock()
        self.cipher: FakeCipher | None = FakeCipher()
        self.registries: list[str] = []
        self.image_policy = ImagePolicy()
        self.image_store: ImageStore | None = None
        self.image_bytes = 0
        self.cluster = ClusterConfig.model_validate(
            {
                "id": CLUSTER,
                "name": "site",
                "key": "key",
                "transport": "local",
                "work_root": WORK_ROOT,
                "region": "de",
                "data": data,
            }
        )
        self.policy = InputPolicy(uploads=True, datasets=frozenset(self.cluster.data.datasets))
        self.site.directories.add(WORK_ROOT)

    def start(self) -> ClusterParts:
        KilledWriter.kill = self.kill
        self.writer = KilledWriter.open(self.path)
        self.writer._db.execute(
            "PRAGMA synchronous = OFF"
        )  # a kill of the process loses nothing all the same
        spool = Spool(self.spool)
        spool.prepare()
        bandwidth = Bandwidth(0, self.clock.now)
        slots = Slots(FairSlots(4))
        self.fetcher = fetcher = Fetcher(self.site, self.sources, self.cipher, spool, bandwidth, slots)
        deliverer = Deliverer(
            self.site, self.writer, self.uploader, self.keys, self.cipher or FakeCipher(), bandwidth, slots
        )
        self.parts = cluster_parts(
            self.cluster,
            self.policy,
            self.site,
            self.ledger,
            self.writer,
            fetcher,
            deliverer,
            slots,
            Images(
                CLUSTER,
                f"{WORK_ROOT}/",
                self.image_bytes,
                self.image_policy,
                Registries(Http(self.policy), self.registries),
                self.image_store or FakeImages(self.site),
                self.site,
                self.writer,
                self.spool,
                bandwidth,
                slots,
                self.clock,
            ),
            self.clock,
        )
        return self.parts

    async def stop(self) -> None:
        await self.parts.mover.close()
        self.writer.close()

    async def run(self, ticks: int = 50) -> None:
        """Ticks until no step runs and none was started."""
        for _ in range(ticks):
            self.parts.mover.tick()
            if not self.parts.mover.busy:
                return
            while self.parts.mover.busy:
                await asyncio.sleep(0)
                if self.kill.at and self.kill.calls >= self.kill.at:
                    raise Killed
        raise AssertionError("the mover does not come to rest")

    async def live(self, at: int = 0) -> bool:
        """Runs a mover until it rests or is killed at an I/O call; returns whether it rested."""
        self.kill.at, self.kill.calls = at, 0
        rested = False
        with suppress(Killed):
            self.start()
            await self.run()
            rested = True
        with suppress(Killed):
            await self.stop()  # what still runs meets the kill too
        self.kill.at = 0
        return rested

    def row(self, name: str) -> JobTransfer:
        found = TransferStore(self.path).job(name)
        assert found is not None
        return found

    # --- what happens to a job ---

    def add(
        self, name: str, *references: DataReference, outputs_pointer: str = "", image: str = ""
    ) -> JobFacts:
        job = JobFacts(
            name,
            f"JOB-{name}",
            CLUSTER,
            CUSTOMER,
            len(references),
            outputs_pointer,
            stageable=True,
            image=image,
        )
        self.ledger.declared[name] = references
        self.ledger.all[name] = job
        return job

    def submit(self, name: str) -> None:
        """Does what the daemon's submission does: links the staged inputs into the new directory."""
        row, directory = self.row(name), f"{WORK_ROOT}/{name}.00c0ffee"
        self.site.put(f"{directory}/output.txt", b"")
        for path in self.site.below(row.transfer.staged) if row.transfer.staged else ():
            inode = self.site.files[f"{row.transfer.staged}/{path}"]
            inode.ctime += 1000
            self.site.files[f"{directory}/inputs/{path}"] = inode
        self._change(name, stageable=False, ran=True, running=True, directory=directory)

    def finish(self, name: str, *, wall_seconds: int = 100, **results: bytes) -> None:
        for path, content in results.items():
            self.site.put(f"{self.ledger.all[name].directory}/{path}", content)
        self._change(name, running=False, over=True, wall_seconds=wall_seconds)

    def close(self, name: str) -> None:
        self._change(name, stageable=False, running=False, over=True, closed_at=self.clock.now())

    def _change(self, name: str, **facts: object) -> None:
        self.ledger.all[name] = replace(self.ledger.all[name], **facts)  # type: ignore[arg-type]
