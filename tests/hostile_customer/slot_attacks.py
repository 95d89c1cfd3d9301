"""Attacks on the slots of max_jobs, of which this site has two.

A customer's jobs try to keep the jobs of others out.
"""

import sys

from provider_daemon.job.state import State
from tests.expect import Wrong, same
from tests.hostile_customer.stage import Stage, attack, gpu_attack

QUEUE = 25
SLOTS = 2


async def parked(stage: Stage) -> str:
    """Jobs that are parked after their SLURM jobs ended do not occupy slots.

    The site's accounting does not record GPUs.
    """
    parked = await stage.submit(*(gpu_attack("/bin/sleep", "2") for _ in range(SLOTS)))
    for job_id in parked:
        await stage.logged("job_parked", job_id)
    behind = await stage.run(attack("/bin/echo", "mine"), customer=1)
    same("the job behind them", (behind.state, behind.output), (State.COMPLETED, "mine\n"))
    for job_id in parked:
        await stage.provd("job", "unpark", job_id, "--without-gpus")
    states = [(await stage.ended(job_id)).state for job_id in parked]
    same("the parked jobs, once unparked", states, [State.COMPLETED] * SLOTS)
    return "another customer's job ran while both were parked; unparked, they were reported"


async def filled_queue(stage: Stage) -> str:
    """The next free slot after the first two of 25 jobs goes to another customer's job.

    These two end only once the other customer's job is adopted.
    """
    gate = stage.work_root / "gate"
    first = [attack("/bin/sh", "-c", f"until [ -e {gate} ]; do sleep 0.2; done") for _ in range(SLOTS)]
    jobs = await stage.submit(*first, *(attack("/bin/true") for _ in range(QUEUE - SLOTS)))
    for job_id in jobs[:SLOTS]:
        await stage.running(job_id)
    (victim,) = await stage.submit(attack("/bin/echo", "mine"), customer=1)
    await stage.logged("job_adopted", victim)
    gate.touch()
    ended = await stage.ended(victim)
    same("the other customer's job", (ended.state, ended.output), (State.COMPLETED, "mine\n"))
    states = [(await stage.ended(job_id)).state for job_id in jobs]
    same(f"the {QUEUE} jobs", states, [State.COMPLETED] * QUEUE)
    before = await _submitted_before(stage, victim, jobs)
    if before - SLOTS > 1:
        raise Wrong(f"{before - SLOTS} of the {QUEUE} jobs got a slot before the other customer's job")
    return (
        f"{before - SLOTS} of the {QUEUE - SLOTS} waiting jobs got a slot before the other customer's "
        "job; all ended"
    )


async def _submitted_before(stage: Stage, victim: str, jobs: list[str]) -> int:
    """Returns how many of the jobs have a lower SLURM id."""
    ids = {record.name: int(record.slurm_id) for record in await stage.records()}
    own = ids[await stage.name(victim)]
    others = [await stage.name(job_id) for job_id in jobs]
    return sum(ids.get(name, sys.maxsize) < own for name in others)
