"""What a Unix user for each customer costs at submission: `python -m tests.load.pool [JOBS]`.

The same jobs are submitted as one user, and as 1, 10 and 50 users, in turns, on one private site. Only root
can create the users, which are removed with the site.
"""

import asyncio
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from provider_daemon.clock import SystemClock
from provider_daemon.lab.site.site import Site
from provider_daemon.log import configure
from provider_daemon.loops.advance import batches, commands_at_once
from provider_daemon.ports import Submission
from provider_daemon.slurm.logins import SiteLogins
from provider_daemon.slurm.scheduler import SlurmScheduler
from provider_daemon.slurm.script import Batch, render
from provider_daemon.slurm.site_connections import SiteConnections
from provider_daemon.slurm.ssh import SshTransport

JOBS, ROUNDS = 500, 3  # 10 jobs of each of 50 customers; slurmctld keeps at most 10,000
CUSTOMERS = (1, 10, 50)
GOAL = 0.9  # of the rate as one user


def logins(site: Site, shared: SiteConnections) -> SiteLogins[SshTransport]:
    def made(user: object) -> SshTransport:
        options: dict[str, Any] = {**site.ssh, "key_file": site.ca_key_file, "user": user}
        return SshTransport(clock=SystemClock(), site=shared, certificate_seconds=600, **options)

    return SiteLogins(made(site.ssh["user"]), made)


def order(site: Site, name: str, user: str) -> Submission:
    directory = f"{site.work_root / user}/{name}"
    batch = Batch(
        name=name, partition="standard", account=site.account, qos="", nodes=1, cpus_per_node=1,
        memory_gb_per_node=1, gpus_per_node=0, gpu_type="", wall_seconds=60, directory=directory,
        working_directory="", environment=(), argv=("true",),
    )  # fmt: skip
    return Submission(name, render(batch), directory, user=user)


async def submitted(scheduler: SlurmScheduler, orders: list[Submission]) -> float:
    """Submits as the advance loop does. Returns the seconds that it took."""
    gate = asyncio.Semaphore(commands_at_once(orders))

    async def some(part: dict[str, Submission]) -> list[str]:
        async with gate:
            return [receipt.slurm_id for receipt in await scheduler.submit(list(part.values()))]

    began = time.monotonic()
    found = await asyncio.gather(*map(some, batches({each.name: each for each in orders})))
    seconds = time.monotonic() - began
    if not all(slurm_id for ids in found for slurm_id in ids):
        raise SystemExit("a submission was not answered with a job id")
    return seconds


async def compare(site: Site, jobs: int, say: Callable[[str], None]) -> bool:
    """Returns whether every ratio reaches GOAL."""
    shared = SiteConnections()
    scheduler = SlurmScheduler(logins(site, shared), SystemClock(), account=site.account)
    plain = SlurmScheduler(SiteLogins(SshTransport(**site.ssh, clock=SystemClock())), SystemClock())  # type: ignore[arg-type]
    seconds: dict[int, list[float]] = {count: [] for count in (0, *CUSTOMERS)}
    for turn in range(ROUNDS + 1):  # the first turn logs in
        for count in seconds:
            users = site.pool[:count] or ("",)
            orders = [order(site, f"b{turn}-{count}-{job}", users[job % len(users)]) for job in range(jobs)]
            seconds[count].append(await submitted(scheduler if count else plain, orders))
    base = jobs / statistics.median(seconds[0][1:])
    say(f"submissions a second as one user: {base:.0f}")
    met = True
    for count in CUSTOMERS:
        first, warm = jobs / seconds[count][0], jobs / statistics.median(seconds[count][1:])
        met &= warm >= GOAL * base
        say(
            f"submissions a second of {count:>2} customers: {warm:.0f}, ratio {warm / base:.2f} "
            f"(goal >= {GOAL}); with their first logins {first:.0f}"
        )
    say(f"{shared.counts.connections} connections")
    await scheduler.close()
    await plain.close()
    return met


async def pool_figures(say: Callable[[str], None], jobs: int = JOBS) -> bool:
    directory = Path(tempfile.mkdtemp(prefix="provd-bench."))
    directory.chmod(0o755)
    site = Site.open(directory / "slurm", pool=max(CUSTOMERS))
    try:
        await asyncio.to_thread(site.up)
        site.run("scontrol", "update", "partitionname=standard", "state=down")
        return await compare(site, jobs, say)
    finally:
        site.down(purge=True)
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    configure("console", "warning")
    asyncio.run(pool_figures(print, *map(int, sys.argv[1:])))
