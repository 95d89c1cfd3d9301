"""What a Unix user for each customer costs at submission: `python -m tests.load.pool [JOBS]`.

The same jobs are submitted as one user, and as 1, 10 and 50 users, in turns, on one private site. Only root
can create the users, which are removed with the site.
"""

import asyncio
import contextlib
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
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


@dataclass(slots=True)
class Cost:
    """Of each round, in seconds: of a clock, and of processors for provd, the login node and SLURM."""

    elapsed: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)

    def add(self, elapsed: float, busy: float) -> None:
        self.elapsed.append(elapsed)
        self.busy.append(busy)

    @property
    def warm(self) -> float:
        return statistics.median(self.elapsed[1:])


def processor_seconds(site: Site) -> float:
    """Of this process and of the site's daemons, with all that they have started."""
    times, parents = dict[int, int](), dict[int, int]()
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            parents[int(path.parent.name)] = int(fields[1])
            times[int(path.parent.name)] = sum(map(int, fields[11:15]))
    roots = {os.getpid(), *(site.pid(name) or 0 for name in site.daemons)}
    counted = {pid for pid in times if roots & {pid, *_above(pid, parents)}}
    return sum(times[pid] for pid in counted) / os.sysconf("SC_CLK_TCK")


def _above(pid: int, parents: Mapping[int, int]) -> Iterator[int]:
    while pid := parents.get(pid, 0):
        yield pid


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
    costs = {count: Cost() for count in (0, *CUSTOMERS)}
    for turn in range(ROUNDS + 1):  # the first turn logs in
        for count, cost in costs.items():
            users = site.pool[:count] or ("",)
            orders = [order(site, f"b{turn}-{count}-{job}", users[job % len(users)]) for job in range(jobs)]
            before = processor_seconds(site)
            elapsed = await submitted(scheduler if count else plain, orders)
            cost.add(elapsed, processor_seconds(site) - before)
    base = jobs / costs[0].warm
    say(f"submissions a second as one user: {base:.0f}, {_processor(costs[0], jobs)}")
    met = True
    for count in CUSTOMERS:
        first, warm = jobs / costs[count].elapsed[0], jobs / costs[count].warm
        met &= warm >= GOAL * base
        say(
            f"submissions a second of {count:>2} customers: {warm:.0f}, ratio {warm / base:.2f} "
            f"(goal >= {GOAL}), {_processor(costs[count], jobs)}; with their first logins {first:.0f}"
        )
    say(f"{shared.counts.connections} connections")
    await scheduler.close()
    await plain.close()
    return met


def _processor(cost: Cost, jobs: int) -> str:
    first, warm = (1000 * seconds / jobs for seconds in (cost.busy[0], statistics.median(cost.busy[1:])))
    return f"{warm:.1f} ms of processors a job ({first:.1f} in the first round)"


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
