"""A model of the claims on the site's file system, and the promise that a job's program runs once."""

from collections import Counter
from collections.abc import Collection

from provider_daemon.job.claim import CLAIMED, UNCLAIMED
from tests.simulation import script
from tests.simulation.slurm_job import SlurmJob
from tests.simulation.world import World


class Claims:
    """`links`: the claims by job name. `runners`: the SLURM jobs that ran a job, by its name."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.links: dict[str, str] = {}
        self.runners: dict[str, list[SlurmJob]] = {}
        self.unable: Counter[str] = Counter()  # SLURM jobs that could not make the claim, by job name

    def start(self, job: SlurmJob) -> int:
        """Runs the script to where the program starts. Returns the exit code if it ends before; else 0."""
        name, found = job.submitted_name, script.read(job.script, job.slurm_id)
        if found.late:
            self._runs(job)
        if found.claim and name not in self.links and self._world.strikes("claim_fails"):
            return self._ends(job, UNCLAIMED)
        if found.claim and self.links.setdefault(name, found.claim) != found.claim:
            return self._ends(job, CLAIMED)
        self._runs(job)
        return 0

    def of(self, names: Collection[str]) -> dict[str, str]:
        return {name: self.links[name] for name in names if name in self.links}

    def _ends(self, job: SlurmJob, code: int) -> int:
        self._world.note(f"slurm: job {job.slurm_id} ends without the claim, code {code}")
        job.without_claim = True
        self.unable[job.submitted_name] += code == UNCLAIMED
        return code

    def _runs(self, job: SlurmJob) -> None:
        runners = self.runners.setdefault(job.submitted_name, [])
        if job in runners:  # requeued
            return
        runners.append(job)
        if len(runners) > 1:
            ids = " and ".join(runner.slurm_id for runner in runners)
            self._world.wrong(f"1 something of {job.submitted_name} ran twice: in SLURM jobs {ids}")
