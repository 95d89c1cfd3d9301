"""The simulated site as a whole: what real jobs and real shells do on it, and what is left when it has
gone."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from provider_daemon.lab.simulated.site import SimulatedSite

LONG = f"sleep {10**6 + os.getpid()}"  # no other run of these tests on the machine has the same


async def shell(site: SimulatedSite, text: str) -> str:
    process = await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        text,
        env=site.env,
        cwd=site.work_root,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return out.decode()


async def until(site: SimulatedSite, number: int, state: str) -> None:
    async with asyncio.timeout(20):
        while site.cluster.jobs[number].state != state:
            await asyncio.sleep(0.02)


async def test_a_batch_script_runs(simulated_site: SimulatedSite) -> None:
    """Its own interpreter, its output file, its variables."""
    said = await shell(
        simulated_site,
        (
            "printf '#!/bin/bash\\n#SBATCH -J x -o %%x-%%j.txt\\necho $SLURM_JOB_ID "
            "${BASH_VERSION:+bash}; exit 3\\n' | sbatch"
        ),
    )
    assert said == "Submitted batch job 1\n"
    await until(simulated_site, 1, "FAILED")
    assert (simulated_site.work_root / "x-1.txt").read_text() == "1 bash\n"
    assert await shell(simulated_site, "sacct -X -n -P -j 1 -o State,ExitCode,JobName") == "FAILED|3:0|x\n"


async def test_scancel_ends_every_process_of_the_job(simulated_site: SimulatedSite) -> None:
    """Children that the script started go too."""
    await shell(simulated_site, f"sbatch --wrap '{LONG} & echo $! >child; wait'")
    child = simulated_site.work_root / "child"
    async with asyncio.timeout(20):
        while not (child.exists() and child.read_text().strip()):
            await asyncio.sleep(0.02)
    await shell(simulated_site, "scancel 1")
    await until(simulated_site, 1, "CANCELLED")
    await until_running(LONG, False)


async def test_suspended_jobs_stand_still(simulated_site: SimulatedSite) -> None:
    """And go on when they are resumed."""
    await shell(simulated_site, "sbatch --wrap 'until [ -e go ]; do sleep 0.02; done'")
    await until(simulated_site, 1, "RUNNING")
    await shell(simulated_site, "scontrol suspend 1; touch go")
    assert await shell(simulated_site, "squeue -h -o '%i %T'") == "1 SUSPENDED\n"
    await shell(simulated_site, "scontrol resume 1")
    await until(simulated_site, 1, "COMPLETED")


@pytest.mark.parametrize(
    ("output", "state"),
    [("-o {work}/out.txt", "COMPLETED"), ("", "COMPLETED"), ("-o {work}/no/such/out.txt", "FAILED")],
)
async def test_missing_directories(simulated_site: SimulatedSite, output: str, state: str) -> None:
    """A missing working directory is left for /tmp; a missing output directory is the end."""
    place = "-D /nonexistent" if output else ""
    await shell(simulated_site, f"sbatch {place} {output.format(work=simulated_site.work_root)} --wrap true")
    await until(simulated_site, 1, state)
    if state == "FAILED":
        assert await shell(simulated_site, "sacct -X -n -P -j 1 -o ExitCode") == "0:53\n"


async def test_srun_reaches_each_node(simulated_site: SimulatedSite) -> None:
    """Once, and the worst exit code counts."""
    await shell(
        simulated_site,
        "sbatch -N 2 -o out --wrap 'srun sh -c \"echo \\$SLURMD_NODENAME; exit \\$SLURM_PROCID\"'",
    )
    await until(simulated_site, 1, "FAILED")
    assert sorted((simulated_site.work_root / "out").read_text().split()) == ["n1", "n2"]
    assert simulated_site.cluster.jobs[1].exit_code == 1


async def test_srun_starts_as_many_tasks_as_it_is_told(simulated_site: SimulatedSite) -> None:
    """Node after node is filled."""
    await shell(
        simulated_site, "sbatch -N 2 -o out --wrap 'srun --ntasks 4 sh -c \"echo \\$SLURMD_NODENAME\"'"
    )
    await until(simulated_site, 1, "COMPLETED")
    assert sorted((simulated_site.work_root / "out").read_text().split()) == ["n1", "n1", "n2", "n2"]


async def test_nothing_stays_behind() -> None:
    """Neither processes nor files, whatever was running."""
    async with SimulatedSite() as site:
        directory = site.directory
        await shell(site, f"sbatch --wrap '{LONG} & {LONG}'")
        await until(site, 1, "RUNNING")
        await until_running(LONG, True)
    assert not directory.exists()
    await until_running(LONG, False)


async def until_running(command: str, wanted: bool) -> None:
    """What is killed is gone a moment later."""
    async with asyncio.timeout(20):
        while running(command) is not wanted:
            await asyncio.sleep(0.02)


def running(command: str) -> bool:
    found = subprocess.run(["ps", "-eo", "args="], capture_output=True, text=True, check=True).stdout
    return any(line.strip() == command for line in found.splitlines())


async def test_two_at_once() -> None:
    """Each with its own jobs, keys and port."""
    async with SimulatedSite() as one, SimulatedSite(nodes=1) as other:
        await shell(one, "sbatch --wrap true")
        assert await shell(other, "squeue -h -t all") == ""
        assert one.ssh["port"] != other.ssh["port"]
        assert Path(str(one.ssh["key_file"])).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("turns", range(5))
async def test_a_stop_that_meets_a_poke(turns: int) -> None:
    """The site stops at whatever moment it is told to, also in the very turn of the event loop in which
    something poked it."""
    site = SimulatedSite()
    await site.start()
    await asyncio.sleep(0)
    site.poke()
    for _ in range(turns):
        await asyncio.sleep(0)
    await site.stop()
    assert not site.directory.exists()


async def test_an_interpreter_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its path may have blanks, and be longer than the first line of a script that the kernel reads."""
    python = tmp_path / "a checkout" / ("long" * 50) / ("long" * 50) / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(python))
    async with SimulatedSite() as site:
        assert await shell(site, "sbatch --wrap true") == "Submitted batch job 1\n"
