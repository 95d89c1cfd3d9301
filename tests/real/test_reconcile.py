"""After the demo's eighteen jobs SLURM, ledger and chain agree, and one falsified unit is found."""

import asyncio
import sys
from dataclasses import replace

import pytest

from provider_daemon.demo.environment import Environment
from provider_daemon.demo.scenario import Scenario
from provider_daemon.ledger.ledger import Ledger

pytestmark = pytest.mark.real


@pytest.fixture
async def played(stage: Environment) -> Environment:
    """The environment after its jobs."""
    rows, money, problems = await Scenario(stage, lambda _: None).run()
    assert problems == []
    assert [row.problems for row in rows] == [[]] * 18
    assert money.left_in_escrow == 0
    return stage


async def provd(*arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "provider_daemon",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode() + err.decode()


async def test_all_jobs_match_and_one_unit_is_found(played: Environment) -> None:
    """On real SLURM, beside the running daemon, the exit status is 0.

    With one core-second changed in the ledger it is 1, and the job's evidence still verifies.
    """
    assert played.site.real
    config = ("-c", str(played.config))
    assert await provd("reconcile", *config) == (0, "18 jobs compared: 18 matched; 0 differences\n")
    ledger = Ledger.open(played.directory / "ledger.sqlite", lock=False)
    job = ledger.job("JOB-1")
    assert job is not None
    assert job.usage is not None
    with ledger.write():
        ledger.save_job(
            replace(job, usage=replace(job.usage, cpu_core_seconds=job.usage.cpu_core_seconds + 1))
        )
    ledger.close()
    code, said = await provd("reconcile", *config)
    assert code == 1, said
    assert said.splitlines()[1].split()[:2] == ["JOB-1", "cpu_core_seconds"]
    assert "18 jobs compared: 17 matched, 1 discrepancy; 1 differences" in said
    code, said = await provd("evidence", "snapshots", "JOB-1", *config)
    assert (code, said.count("verified")) == (0, 2)
