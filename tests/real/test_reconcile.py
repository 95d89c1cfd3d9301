"""After the demo's twelve jobs all three sides agree, and one falsified unit is found."""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from provider_daemon.demo.play import Play
from provider_daemon.demo.sites import choose
from provider_daemon.demo.stage import Stage, build
from provider_daemon.ledger.ledger import Ledger

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]


@pytest_asyncio.fixture
async def played() -> AsyncIterator[Stage]:
    """A stage after its twelve jobs; root's jobs run as another user, so it stands where that one may look."""
    with tempfile.TemporaryDirectory(prefix="provd-test.", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        site = await choose(Path(name), simulated=False, say=lambda _: None)
        stage = await build(Path(name), site, "published", lambda _: None)
        try:
            rows, money, problems = await Play(stage, lambda _: None).run()
            assert problems == []
            assert [row.problems for row in rows] == [[]] * 12
            assert money.left_in_escrow == 0
            yield stage
        finally:
            await stage.close()


async def provd(*arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "provider_daemon", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode() + err.decode()


async def test_twelve_jobs_match_and_one_unit_is_found(played: Stage) -> None:
    """On real SLURM, beside the running daemon: exit 0; with one core-second changed in the ledger exit 1, and the evidence of it holds."""
    assert played.site.real
    config = ("-c", str(played.config))
    assert await provd("reconcile", *config) == (0, "12 jobs compared: 12 matched; 0 differences\n")
    ledger = Ledger.open(played.directory / "ledger.sqlite", lock=False)
    job = ledger.job("JOB-1")
    assert job is not None
    assert job.usage is not None
    with ledger.write():
        ledger.save_job(replace(job, usage=replace(job.usage, cpu_core_seconds=job.usage.cpu_core_seconds + 1)))
    ledger.close()
    code, said = await provd("reconcile", *config)
    assert code == 1, said
    assert said.splitlines()[1].split()[:2] == ["JOB-1", "cpu_core_seconds"]
    assert "12 jobs compared: 11 matched, 1 discrepancy; 1 differences" in said
    code, said = await provd("evidence", "snapshots", "JOB-1", *config)
    assert (code, said.count("verified")) == (0, 2)
