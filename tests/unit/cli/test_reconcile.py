"""`provd reconcile` and `provd evidence snapshots`, while a daemon holds the ledger; SLURM's programs print
what the test wrote down."""

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from typer.testing import CliRunner, Result

from provider_daemon.cli.app import app
from provider_daemon.job.state import State
from tests.fakes.chain import ALICE, CHAIN_ID, FakeClock, TestChain, job
from tests.fakes.scheduler import FakeScheduler
from tests.unit.loops.conftest import House

RECORD = (
    "1|1|COMPLETED|0:0|{now}|{now}|{end}|3600|1|cpu={cpus},mem=4096M,node=1|None|/scratch/{name}|{name}|1|"
)
MARKED = """for word; do case $word in --delimiter=*) mark=${word#*=} ;; -o) ;; JobIDRaw,*) columns=$word, ;; esac; done
(echo $columns | tr , '|'; echo '%s') | sed "s/|/$mark/g\""""  # noqa: E501
QUEUE = """for word; do case $word in JobID:*) columns=$word ;; esac; done
echo $columns | sed 's/,\\([A-Z]\\)/\\1/g; s/,\\(tres\\)/\\1/; s/://g'"""


@dataclass
class Place:
    """One job that was run, reported and settled. `sacct`: what SLURM's accounting says of it."""

    house: House
    directory: Path
    port: int

    def sacct(self, cpus: int = 2) -> None:
        name, now = next(iter(self.house.scheduler.jobs)), int(time.time())
        self.program("sacct", MARKED % RECORD.format(now=now, end=now + 3600, cpus=cpus, name=name))

    def program(self, name: str, body: str) -> None:
        path = self.directory / "bin" / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    async def provd(self, *arguments: str) -> Result:
        return await asyncio.to_thread(
            CliRunner().invoke, app, [*arguments, "-c", str(self.directory / "provd.toml")]
        )

    def configure(self, *, port: int = 0, key: str = "key") -> None:
        (self.directory / "provd.toml").write_text(
            f"""[chain]
id = "{CHAIN_ID}"
endpoints = ["127.0.0.1:{port or self.port}"]
[ledger]
path = "{self.directory}/ledger.sqlite"
[keys.main]
kind = "plaintext-hex"
path = "{self.directory}/{key}"
[[clusters]]
id = "HPC-1"
name = "alpha"
key = "main"
transport = "local"
region = "eu"
work_root = "/scratch"
"""
        )


@pytest_asyncio.fixture
async def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    chain = await TestChain(clock=FakeClock(time.time())).start()
    await chain.open_shop()
    house = House(chain, FakeScheduler(chain.clock), tmp_path / "ledger.sqlite")
    await house.round()  # a new ledger looks before it acts
    await chain.send(ALICE, job())
    await house.round()
    house.scheduler.run()
    await house.round()
    house.scheduler.end(State.COMPLETED)
    await house.round()
    (tmp_path / "bin").mkdir()
    (tmp_path / "key").touch(0o600)
    (tmp_path / "key").write_text(hashlib.sha256(b"provider").hexdigest())
    # standard error of this process is the test's own
    monkeypatch.setattr("provider_daemon.log.configure", lambda *_: None)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    made = Place(house, tmp_path, chain.devnet.port)
    made.program("squeue", QUEUE)
    made.program("sdiag", "echo 'DBD Agent queue size: 0'")
    made.sacct()
    made.configure()
    yield made
    house.ledger.close()
    await chain.stop()


async def test_all_matched(place: Place) -> None:
    """Exit 0, and one line that says how much was compared."""
    result = await place.provd("reconcile")
    assert (result.exit_code, result.output) == (0, "1 jobs compared: 1 matched; 0 differences\n")


async def test_discrepancy(place: Place) -> None:
    """Exit 1, a row with what each side says and what to do, and a signed snapshot that `provd evidence
    snapshots` verifies."""
    place.sacct(cpus=3)
    result = await place.provd("reconcile")
    heading, row, summary = result.output.splitlines()
    assert result.exit_code == 1
    assert heading.split()[:8] == [
        "JOB",
        "FIELD",
        "SLURM",
        "LEDGER",
        "CHAIN",
        "DIFFERENCE",
        "TOLERANCE",
        "SEVERITY",
    ]
    assert row.split()[:8] == ["JOB-1", "cpu_core_seconds", "10800", "7200", "7200", "3600", "108", "high"]
    assert summary == "1 jobs compared: 1 discrepancy; 1 differences"
    listed = await place.provd("evidence", "snapshots", "JOB-1")
    assert listed.exit_code == 0
    assert [line.split()[:2] for line in listed.output.splitlines()] == [
        ["0", "final"],
        ["1", "reconciliation"],
    ]
    assert listed.output.count("verified") == 2
    place.sacct()
    assert (await place.provd("reconcile")).output == "1 jobs compared: 1 resolved; 0 differences\n"


async def test_json(place: Place) -> None:
    place.sacct(cpus=3)
    document = json.loads((await place.provd("reconcile", "-o", "json")).stdout)
    assert document["jobs"] == [{"job_id": "JOB-1", "outcome": "discrepancy"}]
    assert [(row["what"], row["difference"], row["tolerance"]) for row in document["differences"]] == [
        ("cpu_core_seconds", 3600, 108)
    ]
    snapshots = json.loads((await place.provd("evidence", "snapshots", "JOB-1", "-o", "json")).stdout)
    assert json.loads(snapshots[1]["document"])["differences"][0]["what"] == "cpu_core_seconds"


async def test_slurm_down(place: Place) -> None:
    """Exit 2, and which side did not answer."""
    place.program(
        "squeue",
        "echo 'slurm_load_jobs error: Unable to contact slurm controller (connect failure)' >&2; exit 1",
    )
    result = await place.provd("reconcile")
    assert result.exit_code == 2
    assert "could not compare: SLURM of alpha: squeue" in result.stderr


async def test_chain_down(place: Place) -> None:
    place.configure(port=1)
    result = await place.provd("reconcile")
    assert result.exit_code == 2
    assert "could not compare: chain: " in result.stderr


async def test_without_the_key(place: Place) -> None:
    """As beside a service whose key is a systemd credential: everything is compared, nothing is signed, and
    it says so."""
    place.configure(key="elsewhere")
    place.sacct(cpus=3)
    result = await place.provd("reconcile")
    assert result.exit_code == 1
    assert "results are not signed or stored" in result.stderr
    assert len((await place.provd("evidence", "snapshots", "JOB-1")).output.splitlines()) == 1
    assert (await place.provd("reconcile", "--dispute", "JOB-1")).exit_code == 1


async def test_dispute(place: Place) -> None:
    """What is known of the job is signed before anything else; of an unknown job there is nothing to sign."""
    result = await place.provd("reconcile", "--dispute", "JOB-1")
    assert (result.exit_code, "JOB-1: usage record 1 signed" in result.stderr) == (0, True)
    assert "dispute" in (await place.provd("evidence", "snapshots", "JOB-1")).output
    assert (await place.provd("reconcile", "--dispute", "JOB-9")).exit_code == 1


async def test_changed_snapshot(place: Place) -> None:
    """Exit 1, and the one that was changed is named; of a job without any there is nothing to verify."""
    with place.house.ledger.write():
        place.house.ledger._db.execute(
            "UPDATE snapshots SET document = CAST(replace(document, '7200', '7201') AS BLOB)"
        )
    result = await place.provd("evidence", "snapshots", "JOB-1")
    assert (result.exit_code, "FAILED: its content was changed" in result.output) == (1, True)
    assert (await place.provd("evidence", "snapshots", "JOB-2")).exit_code == 1
