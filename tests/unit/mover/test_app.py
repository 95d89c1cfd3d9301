"""The whole process on a real file system, with a real ledger and the program for files."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from provider_daemon.config.model import Config, parse
from provider_daemon.encryption import age, identity
from provider_daemon.errors import ConfigError
from provider_daemon.job.job import Job
from provider_daemon.job.references import DataReference
from provider_daemon.job.state import State
from provider_daemon.job.transfer import InputState
from provider_daemon.job.usage import Usage
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.mover.app import Mover, checked
from provider_daemon.mover.metrics import FAMILIES
from provider_daemon.transfers.rows import JobTransfer
from provider_daemon.transfers.store import TransferStore
from tests.unit.daemons import free_port
from tests.unit.job.jobs import JOB

CUSTOMER = "ve1tp7fhly84qm6q4hhzmp0nh5frtdugmysqhcplp"
NAME = "ve-0123456789-JOB-1"
CONTENT = b"training data\n" * 100_000


class Place:
    """A configuration in `directory`, with a local cluster."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.work_root = directory / "work"
        self.work_root.mkdir()
        self.uploads = directory / "uploads"
        (self.uploads / CUSTOMER).mkdir(parents=True)
        self.key = identity.generate()
        (directory / "key").write_text(identity.render([self.key]))
        (directory / "key").chmod(0o600)
        self.listen = f"127.0.0.1:{free_port()}"
        self.ledger = Ledger.open(directory / "ledger.sqlite")
        self.store = TransferStore(directory / "transfers.sqlite")

    def config(self, **data: object) -> Config:
        values = {
            "path": f"{self.directory}/transfers.sqlite",
            "spool": f"{self.directory}/spool",
            "recipient_key_file": f"{self.directory}/key",
            "metrics_listen": self.listen,
            **data,
        }
        lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
        text = f"""
            [chain]
            id = "test-1"
            endpoints = ["127.0.0.1:1"]
            [ledger]
            path = "{self.directory}/ledger.sqlite"
            [keys.main]
            kind = "plaintext-hex"
            path = "/nonexistent"
            [gateway]
            url = "https://gateway.example.org"
            uploads = "{self.uploads}"
            [data]
            {chr(10).join(lines)}
            [[clusters]]
            id = "HPC-1"
            name = "site"
            key = "main"
            transport = "local"
            region = "de"
            work_root = "{self.work_root}"
        """
        return parse(text, "provd.toml")

    def upload(self, content: bytes, **more: object) -> DataReference:
        digest = hashlib.sha256(content).hexdigest()
        (self.uploads / CUSTOMER / digest).write_bytes(content)
        return DataReference(uri=f"upload:{digest}#name=data.txt", **more)  # type: ignore[arg-type]

    def save(self, job: Job) -> None:
        with self.ledger.write():
            self.ledger.save_job(job)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def job(*references: DataReference, outputs_pointer: str = "") -> Job:
    spec = replace(JOB.spec, customer=CUSTOMER, data=references, outputs_pointer=outputs_pointer)
    return replace(JOB, spec=spec, slurm_name=NAME)


@asynccontextmanager
async def running(config: Config) -> AsyncIterator[Mover]:
    mover = Mover(config)
    life = asyncio.create_task(mover.run())
    try:
        yield mover
    finally:
        mover.stop.set()
        await life


async def until(mover: Mover, place: Place, what: str) -> JobTransfer:
    """Pokes the loop until the job's row has the fact."""
    facts: dict[str, Callable[[JobTransfer], bool]] = {
        "ready": lambda row: row.transfer.inputs is InputState.READY,
        "settled": lambda row: row.transfer.settled,
        "deleted": lambda row: row.deleted_at is not None,
    }
    async with asyncio.timeout(60):
        while True:
            mover.loops[0].poke.set()
            row = place.store.job(NAME)
            if row is not None and facts[what](row):
                return row
            assert row is None or row.transfer.inputs is not InputState.FAILED, row.transfer.detail
            await asyncio.sleep(0.05)


async def test_a_job_from_its_inputs_to_its_deletion(place: Place) -> None:
    """An upload is staged, results are listed, and everything is deleted after the retention."""
    waits = job(place.upload(CONTENT))
    place.save(waits)
    async with running(place.config()) as mover:
        row = await until(mover, place, "ready")
        staged = Path(row.transfer.staged)
        assert staged == place.work_root / ".provd-inputs" / NAME
        assert (staged / "data.txt").read_bytes() == CONTENT
        assert (staged / "data.txt").stat().st_mode & 0o777 == 0o444
        assert row.transfer.bytes_in == len(CONTENT)

        directory = place.work_root / f"{NAME}.00c0ffee"
        directory.mkdir()
        (directory / "output.txt").write_text("done\n")
        (directory / "link").symlink_to("/etc/passwd")
        ended = replace(
            waits,
            state=State.COMPLETED,
            slurm_id="7",
            directory=str(directory),
            usage=Usage(wall_clock_seconds=10),
            reported=State.RUNNING,
        )
        place.save(ended)
        row = await until(mover, place, "settled")
        digest = hashlib.sha256(b"done\n").hexdigest()
        assert place.store.manifest(NAME) == f'{digest} 5 "output.txt"\n'
        assert row.results_detail == "left out: 1 symbolic link"

        place.save(replace(ended, reported=State.COMPLETED, closed_at=1.0))
        await until(mover, place, "deleted")
        assert not directory.exists()
        assert not staged.exists()
        assert Path("/etc/passwd").exists()
    assert [found.name for found in (place.work_root / ".provd-cache" / CUSTOMER).iterdir()] == [
        hashlib.sha256(CONTENT).hexdigest()
    ]


async def test_an_encrypted_upload(place: Place) -> None:
    """It is decrypted with the provider's key; the encrypted bytes are not left anywhere."""
    chunks = age.encrypt(_one(CONTENT), [place.key.public_key])
    secret = b"".join([chunk async for chunk in chunks])
    place.save(job(place.upload(secret, encrypted=True)))
    async with running(place.config()) as mover:
        row = await until(mover, place, "ready")
        assert (Path(row.transfer.staged) / "data.txt").read_bytes() == CONTENT
        assert row.transfer.bytes_in == len(secret)
    assert list((place.directory / "spool").iterdir()) == []


async def _one(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def test_metrics_and_readiness(place: Place) -> None:
    """Every documented metric of a served cluster is exported, and nothing else."""
    place.save(job(DataReference(uri="upload:" + "0" * 64)))
    async with running(place.config()) as mover, aiohttp.ClientSession() as session:
        async with asyncio.timeout(60):
            while not all(loop.last_success for loop in mover.loops):
                await asyncio.sleep(0.05)
        async with session.get(f"http://{place.listen}/readyz") as answer:
            assert (answer.status, await answer.text()) == (200, "ready\n")
        async with session.get(f"http://{place.listen}/metrics") as answer:
            lines = (await answer.text()).splitlines()
    names = {line.split()[2] for line in lines if line.startswith("# TYPE provd_")}
    assert names == {family.name for family in FAMILIES}
    assert 'provd_mover_jobs_waiting_for_inputs{cluster="site"} 1.0' in lines
    assert 'provd_mover_orphan_directories{cluster="site"} 0.0' in lines


async def test_a_missing_ledger_is_waited_for(place: Place) -> None:
    """The mover may start before the daemon: it is not ready, and continues when the ledger is there."""
    config = place.config()
    missing = config.model_copy(
        update={"ledger": config.ledger.model_copy(update={"path": f"{place.directory}/none.sqlite"})}
    )
    async with running(missing) as mover, aiohttp.ClientSession() as session:
        async with asyncio.timeout(60):
            while not mover.loops[0].failure:
                await asyncio.sleep(0.05)
        async with session.get(f"http://{place.listen}/readyz") as answer:
            assert answer.status == 503
            assert "data:site: the ledger" in await answer.text()


@pytest.mark.parametrize(
    ("content", "mode", "why"),
    [
        ("no key", 0o600, "a line is not an age identity"),
        (None, 0o600, "No such file or directory"),
        ("", 0o644, "other users can read it"),
    ],
)
async def test_a_key_file_that_cannot_be_used(place: Place, content: str | None, mode: int, why: str) -> None:
    """The mover does not start, and the error has nothing of the file's content."""
    file = place.directory / "key"
    if content is None:
        file.unlink()
    else:
        file.write_text(content)
        file.chmod(mode)
    with pytest.raises(ConfigError, match=why):
        Mover(place.config())


def test_a_configuration_without_data(place: Place) -> None:
    """The error says what to add."""
    with pytest.raises(ConfigError, match=r"\[data\] is missing"):
        checked(place.config().model_copy(update={"data": None}))


async def test_a_second_mover(place: Place) -> None:
    """It is refused while the first one runs."""
    async with running(place.config()):
        with pytest.raises(ConfigError, match="another provd mover uses it"):
            Mover(place.config())
