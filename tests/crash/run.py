"""Kills the daemon and the data mover at random moments, and compares the results with an undisturbed run.

    python -m tests.crash.run [--kills 200] [--seed N]

It exits with 0 only if no job is twice in sacct, no job is lost or has a wrong end, and no report took effect
twice.
"""

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from provider_daemon.demo.environment import Environment, build
from provider_daemon.demo.scenario import Scenario
from provider_daemon.demo.sites import RealSite
from provider_daemon.demo.verdict import JobVerdict

LIMIT_SECONDS = 420  # a kill while sbatch runs costs the job a whole waiting window
PAUSE = (0.2, 4.0)  # seconds between a start and the next kill: from imports to several ticks


MOVER_TOO = 0.25  # of the kills: the data mover is killed at the same moment


class Killer:
    """Kills and restarts the daemon, and at times the mover, until it is stopped or the kills are used up."""

    def __init__(self, stage: Environment, kills: int, chance: random.Random) -> None:
        self.left = kills
        self._stage = stage
        self._chance = chance

    async def run(self) -> None:
        while self.left:
            await asyncio.sleep(self._chance.uniform(*PAUSE))
            processes = [self._stage.daemon]
            if self._chance.random() < MOVER_TOO:
                processes.append(self._stage.mover)
            for process in processes:
                process.kill()
            for process in processes:
                process.start()
            self.left -= 1


def say(text: str) -> None:
    print(text, flush=True)


async def play_round(stage: Environment, killer: Killer) -> tuple[list[JobVerdict], list[str]]:
    task = asyncio.create_task(killer.run())
    try:
        rows, _, problems = await Scenario(stage, lambda _: None, limit=LIMIT_SECONDS).run()
        return rows, problems
    finally:
        task.cancel()


async def crash(kills: int, seed: int) -> int:
    directory = Path(tempfile.mkdtemp(prefix="provd-crash."))
    directory.chmod(0o755)
    began, rounds, rows, problems = time.monotonic(), 0, list[JobVerdict](), list[str]()
    site = await asyncio.to_thread(RealSite, directory)
    stage = await build(directory, site, "none", say)
    killer = Killer(stage, kills, random.Random(seed))
    try:
        while killer.left:
            found, wrong = await play_round(stage, killer)
            rounds, rows, problems = rounds + 1, rows + found, problems + wrong
            say(
                f"round {rounds}: {kills - killer.left} kills so far, "
                f"{sum(bool(row.problems) for row in found)} jobs not as they should be"
            )
    finally:
        await stage.close()
    return verdict(
        rows,
        problems,
        directory,
        f"seed {seed}: {kills} kills in {rounds} rounds of {len(found)} jobs, "
        f"{time.monotonic() - began:.0f} s",
    )


def verdict(rows: list[JobVerdict], problems: list[str], directory: Path, what: str) -> int:
    for row in rows:
        for problem in row.problems:
            say(f"  {row.job_id} {row.title}: {problem}")
    for problem in problems:
        say(f"  {problem}")
    duplicates = sum(max(0, row.slurm_jobs - 1) for row in rows)
    twice = sum(len(row.reports) - len({report.state for report in row.reports}) for row in rows)
    lost = sum(row.state != row.expected for row in rows)
    good = not problems and not any(row.problems for row in rows)
    say(f"{what}: in SLURM twice {duplicates}, lost or wrong {lost}, effective reports twice {twice}")
    if good:
        shutil.rmtree(directory, ignore_errors=True)
    else:
        say(f"logs and ledger are left in {directory}")
    return 0 if good else 1


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**31))
    options = parser.parse_args()
    return asyncio.run(crash(options.kills, options.seed))


if __name__ == "__main__":
    sys.exit(main())
