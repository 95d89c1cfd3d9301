"""A reload, and a dry run beside the daemon, on a real site."""

import asyncio
import json
import re
import signal
import sys

import pytest

from provider_daemon.demo.environment import Environment
from provider_daemon.demo.jobs import DemoJob
from provider_daemon.demo.market import order
from provider_daemon.demo.sites import RealSite
from provider_daemon.job.state import State

pytestmark = pytest.mark.real


async def dry_run(stage: Environment) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "provider_daemon",
        "run",
        "--dry-run",
        "-c",
        str(stage.config),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode()


def comparable(script: str) -> str:
    """Removes the end of the directory's name, which is random for each submission."""
    return re.sub(r"(ve-[0-9a-f]+-JOB-1)\.[0-9a-f]{8}", r"\1.*", script).rstrip("\n")


async def submitted(stage: Environment) -> str:
    """Returns the SLURM job id of JOB-1, once the chain reports it as running."""
    async with asyncio.timeout(60):
        while (record := await stage.market.chain.job("JOB-1")) is None or record.state is not State.RUNNING:
            await asyncio.sleep(0.2)
    stored = await stage.market.chain.query.job("JOB-1")
    assert stored is not None
    return str(stored.slurm_job_id)


async def test_a_dry_run_shows_what_the_daemon_then_does(stage: Environment) -> None:
    """A dry run shows the script that SLURM then gets.

    The daemon is stopped while it has the ledger open and a prologue from a reload.
    """
    assert isinstance(stage.site, RealSite)
    text = stage.config.read_text()
    stage.config.write_text(
        text.replace(
            "poll_seconds = 1\nheartbeat", 'poll_seconds = 1\nprologue = ["# of the site"]\nheartbeat'
        )
    )
    stage.daemon.signal(signal.SIGHUP)
    line = json.loads(await asyncio.to_thread(stage.daemon.wait_for, "config_reloaded"))
    assert line["changed"] == ["clusters.HPC-1.prologue"]
    stage.daemon.signal(signal.SIGSTOP)
    wanted = DemoJob("long", 0, State.COMPLETED, 0, arguments=("-c", "sleep 60"))
    await order(stage.market.customers[0], wanted)
    first, _, rest = (await dry_run(stage)).partition("\n")
    script, _, transaction = rest.partition("# transaction of ")
    assert first.startswith("# JOB-1 on demo: sbatch ve-")
    assert "# of the site\n" in script
    (message,) = json.loads(transaction.partition("\n")[2])["body"]["messages"]
    assert (message["job_id"], message["state"], message["slurm_job_id"]) == (
        "JOB-1",
        "JOB_STATE_QUEUED",
        "0",
    )
    stage.daemon.signal(signal.SIGCONT)
    slurm_id = await submitted(stage)
    assert comparable(
        stage.site.slurm.run("scontrol", "write", "batch_script", slurm_id, "-").stdout
    ) == comparable(script)
