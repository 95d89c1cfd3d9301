"""The figures of the docs, in one run on a private site: `make bench`.

Ratios are of this run: machines vary, so the reference is measured between the runs that are compared with
it.
"""

import asyncio
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from provider_daemon.clock import SystemClock
from provider_daemon.demo.environment import build
from provider_daemon.demo.processes import Process
from provider_daemon.demo.sites import RealSite
from provider_daemon.lab.site.site import Site
from provider_daemon.log import configure
from provider_daemon.loops.advance import COMMANDS_AT_ONCE
from provider_daemon.ports import Submission, Watch
from provider_daemon.slurm.commands import ORDERS_A_COMMAND
from provider_daemon.slurm.logins import SiteLogins
from provider_daemon.slurm.scheduler import SlurmScheduler
from provider_daemon.slurm.script import Batch, render
from provider_daemon.slurm.ssh import SshTransport
from tests.load.chain import a_job_behind_a_backlog, reports_in_one_transaction
from tests.load.data import data_figures
from tests.load.pool import pool_figures

JOBS = 200
ROUNDS = 5
SIZES = (1, 100, 1000)
GOAL_SUBMIT, GOAL_RPCS, GOAL_TXS, GOAL_RSS_MB = 1.3, 2, 2, 150


def script(site: Site, name: str) -> Submission:
    directory = f"{site.layout.work_root}/{name}"
    batch = Batch(
        name=name,
        partition="standard",
        account=site.layout.plan.account,
        qos="",
        nodes=1,
        cpus_per_node=1,
        memory_gb_per_node=1,
        gpus_per_node=0,
        gpu_type="",
        wall_seconds=60,
        directory=directory,
        working_directory="",
        environment=(),
        argv=("true",),
    )
    return Submission(name, render(batch), directory)


async def submit_all(scheduler: SlurmScheduler, orders: list[Submission]) -> list[str]:
    """Submits as the advance loop does: so many orders per command, so many commands at a time."""
    gate = asyncio.Semaphore(COMMANDS_AT_ONCE)

    async def some(part: list[Submission]) -> list[str]:
        async with gate:
            return [receipt.slurm_id for receipt in await scheduler.submit(part)]

    parts = [orders[start : start + ORDERS_A_COMMAND] for start in range(0, len(orders), ORDERS_A_COMMAND)]
    return [slurm_id for ids in await asyncio.gather(*map(some, parts)) for slurm_id in ids]


def local_loop(site: Site, order: Submission) -> float:
    """The reference: a plain shell loop of sbatch on the login node, as the jobs' user."""
    file = Path(site.layout.work_root) / "reference.sh"
    file.write_text(order.script)
    file.chmod(0o644)
    Path(order.directory).mkdir(exist_ok=True)
    Path(order.directory).chmod(0o777)
    loop = f"for i in $(seq {JOBS}); do sbatch --parsable {file}; done"
    become = ["runuser", "-u", site.layout.plan.user, "--"] if site.layout.plan.owner == "root" else []
    began = time.monotonic()
    subprocess.run(
        [*become, "env", *(f"{k}={v}" for k, v in site.env.items()), "sh", "-c", loop],
        check=True,
        capture_output=True,
    )
    return time.monotonic() - began


async def submissions(
    site: Site, scheduler: SlurmScheduler, say: Callable[[str], None]
) -> tuple[list[str], float]:
    """Submits jobs that stay pending (their partition is down), so that only submission is measured."""
    ours, reference, ids = list[float](), list[float](), list[str]()
    for number in range(ROUNDS):
        reference.append(local_loop(site, script(site, f"ref-{number}")))
        orders = [script(site, f"bench-{number}-{job}") for job in range(JOBS)]
        began = time.monotonic()
        ids += await submit_all(scheduler, orders)
        ours.append(time.monotonic() - began)
    if not all(ids):
        raise SystemExit(f"{ids.count('')} submissions were not answered with a job id")
    local, ssh = JOBS / statistics.median(reference), JOBS / statistics.median(ours)
    say(
        f"submissions a second: {ssh:.0f} over SSH, {local:.0f} in a plain local loop: ratio "
        f"{ssh / local:.2f} (goal >= {GOAL_SUBMIT})"
    )
    return ids, ssh / local


async def rpcs_a_tick(scheduler: SlurmScheduler, ids: list[str], say: Callable[[str], None]) -> int:
    """Counts the RPCs of a tick, with one job that left squeue, so that sacct is called too."""
    worst, names = 0, [f"bench-{number}-{job}" for number in range(ROUNDS) for job in range(JOBS)]
    known = dict(zip(names, ids, strict=True))
    for size in SIZES:
        some = {
            f"gone-{number}": str(900_000 + number) for number in range(max(1, size - len(names)))
        } | dict(list(known.items())[: size - 1])
        before, began = scheduler.rpcs, time.monotonic()
        await scheduler.snapshot(Watch(frozenset(some), some, since=1))
        used, worst = scheduler.rpcs - before, max(worst, scheduler.rpcs - before)
        say(
            f"SLURM RPCs a tick at {size:>5} jobs: {used} (goal {GOAL_RPCS}), "
            f"{1000 * (time.monotonic() - began):.0f} ms"
        )
    return worst


async def daemon_figures(directory: Path, site: RealSite, say: Callable[[str], None]) -> int:
    stage = await build(directory, site, "published", lambda _: None)
    try:
        stage.daemon.stop()
        began, child = (
            time.monotonic(),
            Process("the daemon", ["run", "-c", str(stage.config)], directory / "again.log"),
        )
        child.start()
        child.wait_for("provd_started")
        started = time.monotonic() - began
        # several ticks of every loop, so that all modules of a running daemon are loaded
        await asyncio.sleep(5)
        status = Path(f"/proc/{child.pid}/status").read_text()
        resident = (
            int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) // 1024
        )
        child.stop()
    finally:
        await stage.close_processes()
    say(f"daemon: {resident} MB resident (goal < {GOAL_RSS_MB}), {started:.2f} s from start to serving")
    return resident


async def bench() -> None:
    def say(text: str) -> None:
        print(text, flush=True)

    configure("console", "warning")
    directory = Path(tempfile.mkdtemp(prefix="provd-bench."))
    directory.chmod(0o755)
    played = await asyncio.to_thread(RealSite, directory)
    site = Site.open(directory / "slurm")
    try:
        say(f"SLURM {site.version}, one private site, {ROUNDS} rounds of {JOBS} waiting jobs")
        site.run("scontrol", "update", "partitionname=standard", "state=down")
        scheduler = SlurmScheduler(SiteLogins(SshTransport(**site.ssh, clock=SystemClock())), SystemClock())  # type: ignore[arg-type]
        ids, ratio = await submissions(site, scheduler, say)
        rpcs = await rpcs_a_tick(scheduler, ids, say)
        await scheduler.close()
        await reports_in_one_transaction(say)
        behind = await a_job_behind_a_backlog(say)
        resident = await daemon_figures(directory, played, say)
    finally:
        site.down(purge=True)
        shutil.rmtree(directory, ignore_errors=True)
    data = await data_figures(say)
    pooled = os.geteuid() != 0 or await pool_figures(say)  # only root can create the users
    met = (
        (ratio >= GOAL_SUBMIT and rpcs <= GOAL_RPCS and behind <= GOAL_TXS and resident < GOAL_RSS_MB)
        and data
        and pooled
    )
    say("all goals met" if met else "a goal was missed: is the machine busy with something else?")


if __name__ == "__main__":
    asyncio.run(bench())
