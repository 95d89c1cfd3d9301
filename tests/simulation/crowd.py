"""The fourth mode: one customer floods the provider, another submits now and then, and both have limits.

Models, faults and invariants are those of the first mode, and one more is checked after each tick of intake:

18. A customer within the limits is not delayed by another's jobs: each open job that the tick has read is in
    the ledger when the tick has succeeded, or its record cannot be read.
"""

from dataclasses import replace

from provider_daemon.job.customer_limits import CustomerLimits, CustomerPolicy
from provider_daemon.job.lifecycle import wall_limit
from provider_daemon.job.spec import Spec
from provider_daemon.job.state import TERMINAL
from provider_daemon.ledger import meta
from provider_daemon.loops.runner import Loop
from tests.fakes.chain import ALICE, person
from tests.simulation.life import TENANCY, Life
from tests.simulation.schedule import Result, Schedule
from tests.simulation.schedule import play as play_mode
from tests.simulation.slurm_job import Plan

CAROL = person("carol")
FLOOD = 5  # jobs of the flood for each job of the other customer
# the other customer has five jobs at most, so that the limits never hold any of them
LIMITS = CustomerLimits(max_jobs=3, max_waiting=5)
SECONDS = 90  # longest run time: a flood must end before the schedule does


class CrowdedLife(Life):
    tenancy = replace(TENANCY, customers=CustomerPolicy(LIMITS))

    def _make_loops(self) -> list[Loop]:
        loops = super()._make_loops()
        intake = next(loop for loop in loops if loop.name == "intake")
        tick = intake.tick

        async def watched() -> None:
            await tick()
            for job_id in self._blocks.books.jobs:
                if line := self._delayed(job_id):
                    self._world.wrong(line)

        intake.tick = watched
        return loops

    def _delayed(self, job_id: str) -> str:
        """Returns what is wrong with a job of the customer who is within the limits, or ""."""
        record = self._blocks.books.jobs[job_id]
        read = int(job_id.removeprefix("JOB-")) < self.ledger.get(meta.NEXT_JOB)
        if record.spec.customer != CAROL.address or not read or record.state in TERMINAL:
            return ""  # a ledger that was lost need not know a job that was reported before
        known = self.ledger.job(job_id) is not None or job_id in self.ledger.quarantined()
        return "" if known else f"18 {job_id} is left on chain, and its customer is within the limits"


class CrowdedSchedule(Schedule):
    life = CrowdedLife
    _who = ALICE.address

    def _customer(self) -> None:
        for who in (*[ALICE.address] * FLOOD, CAROL.address):
            self._who = who
            super()._customer()

    def _job(self, number: int) -> tuple[Spec, Plan]:
        spec, plan = super()._job(number)
        spec = replace(spec, customer=self._who, max_runtime_seconds=SECONDS)
        wall = wall_limit(SECONDS, TENANCY.margin_seconds)
        return spec, replace(plan, wall_seconds=wall, seconds=min(plan.seconds, SECONDS))


def play(seed: int) -> Result:
    return play_mode(seed, CrowdedSchedule)
