"""Jobs that use slurmctld themselves.

All of a site's jobs run as one user, so each may rename, requeue and imitate the others.
"""

import asyncio
import time

import pytest

from provider_daemon.job.snapshot import Phase, Sighting
from provider_daemon.job.state import State
from provider_daemon.job.usage import measure
from provider_daemon.lab.simulated.site import SimulatedSite
from provider_daemon.ports import Submission, SubmissionResult
from provider_daemon.slurm.parse import Queued
from provider_daemon.slurm.tables import Reading
from tests.contract.places import PATIENCE, Place

RENAME = "scontrol update jobid=$SLURM_JOB_ID jobname=harmless"


async def started(place: Place, order: Submission) -> SubmissionResult:
    """Starts a job and waits until its program has done its first action."""
    (receipt,) = await place.submit(order)
    await place.until(lambda: "done" in place.output(order))
    return receipt


async def test_a_job_that_renames_itself_is_followed_and_cancelled(place: Place) -> None:
    """A job that renames itself before it was seen is found and cancelled by its id.

    Its usage is measured.
    """
    order = place.order("sh", "-c", f"{RENAME}; echo done; sleep 300", wall_seconds=600)
    receipt = await started(place, order)
    ids = {order.name: receipt.slurm_id}
    (seen,) = (await place.look(order.name, ids=ids)).of(order.name)
    assert (seen.slurm_id, seen.phase) == (receipt.slurm_id, Phase.RUNNING)
    await place.scheduler.cancel(place.known(ids, {order.name: seen.submitted_at}))
    over = await place.until_phase(
        order.name, Phase.ENDED, ids=ids, submitted={order.name: seen.submitted_at}
    )
    assert (over.slurm_id, over.outcome, len(over.runs)) == (receipt.slurm_id, State.CANCELLED, 1)


async def test_a_lost_answer_and_a_new_name_are_not_an_absence(place: Place) -> None:
    """A job with an unknown id and a new name does not count as absent: its batch script identifies it."""
    order = place.order("sh", "-c", f"{RENAME}; echo done; sleep 300", wall_seconds=600)
    receipt = await started(place, order)
    (seen,) = (await place.look(order.name, doubtful=[order.name], intents=[order.name])).of(order.name)
    assert seen.slurm_id == receipt.slurm_id
    await place.scheduler.cancel(place.known({order.name: receipt.slurm_id}, {order.name: seen.submitted_at}))


async def test_renamed_and_requeued(place: Place) -> None:
    """A requeued job with a new name and submit time is found, and cancelled while it waits again."""
    order = place.order("sh", "-c", f"{RENAME} requeue=1; echo done; sleep 300", wall_seconds=600)
    receipt = await started(place, order)
    ids = {order.name: receipt.slurm_id}
    (first,) = (await place.look(order.name, ids=ids)).of(order.name)
    # SLURM distinguishes a job's runs by their second of submission
    await place.until(lambda: time.time() >= first.submitted_at + 1)
    await place.over(place.order("scontrol", "requeue", receipt.slurm_id))
    submitted = {order.name: first.submitted_at}
    again = await place.until_phase(order.name, Phase.WAITING, ids=ids, submitted=submitted)
    assert (again.slurm_id, again.submitted_at > first.submitted_at) == (receipt.slurm_id, True)
    await place.scheduler.cancel(place.known(ids, submitted))
    over = await place.until_phase(order.name, Phase.ENDED, ids=ids, submitted=submitted)
    assert (over.slurm_id, over.outcome, len(over.runs)) == (receipt.slurm_id, State.CANCELLED, 2)


async def test_a_job_under_anothers_name_is_not_taken_for_it(place: Place) -> None:
    """If a thief submits under the name of a running job, the victim's id remains the victim's."""
    victim = place.order("sh", "-c", "echo done; sleep 300", wall_seconds=600)
    receipt = await started(place, victim)
    ids = {victim.name: receipt.slurm_id}
    # with the thief's environment and directory it would end with the thief, as one of its processes
    apart = f"--job-name={victim.name} --output=/dev/null --export=NONE --chdir=/"
    thief = place.order("sh", "-c", f"sbatch {apart} --wrap 'sleep 300'; echo done")
    await started(place, thief)
    seen = (await place.look(victim.name, ids=ids)).of(victim.name)
    assert (seen[0].slurm_id, len(seen)) == (receipt.slurm_id, 2)
    await place.scheduler.cancel(place.known(ids, {victim.name: seen[0].submitted_at}))
    await place.until_phase(victim.name, Phase.ENDED, ids=ids)
    (other,) = [
        each
        for each in (await place.look(victim.name, ids=ids)).of(victim.name)
        if each.slurm_id != receipt.slurm_id
    ]
    assert other.phase in (Phase.WAITING, Phase.RUNNING)
    await place.scheduler.cancel(place.known({victim.name: other.slurm_id}))


async def test_a_job_that_shrinks_is_billed_for_what_it_held(place: Place) -> None:
    """A job that returns one of its two nodes is billed for each second once.

    SLURM's second record counts from the first start.
    """
    if isinstance(place.site, SimulatedSite):
        pytest.skip("the simulated site does not resize jobs")
    resize = "sleep 3; scontrol update jobid=$SLURM_JOB_ID numnodes=1; sleep 3"
    seen = await place.run(place.order("sh", "-c", resize, nodes=2))
    first, second = seen.runs
    used = measure(seen.runs, 0)
    assert (first.nodes, second.nodes, second.start) == (2, 1, first.start)
    assert used.wall_clock_seconds == second.end - first.start
    assert (
        used.cpu_core_seconds == first.elapsed * first.cpus + (second.elapsed - first.elapsed) * second.cpus
    )


async def test_renamed_over_and_forgotten(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A renamed job that slurmctld forgot is found by the working directory in sacct.

    Its id was never known.
    """
    order = place.order("sh", "-c", f"{RENAME}; echo done; exit 3")
    receipt = await started(place, order)

    async def forgotten() -> Reading[Queued]:
        return Reading(())

    async def ended() -> Sighting:
        while True:
            for seen in (await place.look(order.name, doubtful=[order.name], intents=[order.name])).of(
                order.name
            ):
                if seen.final:
                    return seen
            await asyncio.sleep(0.2)

    monkeypatch.setattr(place.scheduler, "_queue", forgotten)
    over = await asyncio.wait_for(ended(), PATIENCE)
    assert (over.slurm_id, over.name, over.outcome, over.exit_code) == (
        receipt.slurm_id,
        order.name,
        State.FAILED,
        3,
    )


async def test_a_working_directory_stays_once_a_job_runs(place: Place) -> None:
    """A job's user cannot change the working directory of a running job: renamed jobs are found by it."""
    if isinstance(place.site, SimulatedSite):
        pytest.skip("the simulated site changes no working directory")
    order = place.order("sh", "-c", "scontrol update jobid=$SLURM_JOB_ID workdir=/tmp 2>&1; echo done")
    await started(place, order)
    assert "no longer pending" in place.output(order)
