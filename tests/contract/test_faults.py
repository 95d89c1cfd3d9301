"""The daemon's view of faults at a site, on the simulated site, which can produce them."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from provider_daemon.clock import SystemClock
from provider_daemon.job.snapshot import Phase
from provider_daemon.job.state import State
from provider_daemon.lab.simulated.site import SimulatedSite
from provider_daemon.slurm.logins import SiteLogins
from provider_daemon.slurm.scheduler import SlurmScheduler
from tests.contract.places import Place, transport


@pytest.fixture
async def place(simulated_site: SimulatedSite) -> AsyncIterator[Place]:
    scheduler = SlurmScheduler(SiteLogins(transport(simulated_site, "ssh")), SystemClock())
    yield Place(simulated_site, scheduler, simulated_site.work_root)
    await scheduler.close()


async def test_an_answer_is_lost(place: Place, simulated_site: SimulatedSite) -> None:
    """If sbatch fails after it queued the job, the outcome is unknown, and the job is found by its name."""
    simulated_site.faults.sbatch_lost = 1
    order = place.order("true")
    (receipt,) = await place.submit(order)
    assert receipt.unknown
    (seen,) = (await place.look(order.name, doubtful=[order.name])).of(order.name)
    assert seen.slurm_id == "1"


async def test_the_connection_is_lost_while_submitting(place: Place, simulated_site: SimulatedSite) -> None:
    """Every order without an answer has an unknown outcome.

    On the next connection the jobs are found by name.
    """
    simulated_site.faults.sbatch_delay = 60
    orders = [place.order("true") for _ in range(3)]
    submitting = asyncio.create_task(place.submit(*orders))
    async with asyncio.timeout(20):
        while len(simulated_site.cluster.jobs) < 3:
            await asyncio.sleep(0.02)
    simulated_site.faults.sbatch_delay = 0
    await simulated_site.sshd.cut()
    assert all(receipt.unknown and not receipt.slurm_id for receipt in await submitting)
    snapshot = await place.look(*(order.name for order in orders))
    assert all(len(snapshot.of(order.name)) == 1 for order in orders)
    assert simulated_site.sshd.connections == 2


async def test_records_arrive_late(place: Place, simulated_site: SimulatedSite) -> None:
    """A job that left squeue before its record arrived is unknown, and never called absent."""
    simulated_site.cluster.min_job_age = -1
    simulated_site.faults.accounting_lag = 600
    order = place.order("true")
    await place.submit(order)
    async with asyncio.timeout(20):
        while (snapshot := await place.look(order.name, doubtful=[order.name])).of(order.name):
            await asyncio.sleep(0.02)
    assert not snapshot.complete
    simulated_site.faults.accounting_lag = 0
    seen = await place.until_phase(order.name, Phase.ENDED)
    assert seen.outcome is State.COMPLETED


async def test_a_node_fails(place: Place, simulated_site: SimulatedSite) -> None:
    """After a node failure the job has failed through no fault of its own, and the node is not counted."""
    order = place.order("sleep", "600", wall_seconds=3600)
    await place.submit(order)
    await place.until_phase(order.name, Phase.RUNNING)
    simulated_site.cluster.fail_node("n1", "power supply")
    simulated_site.poke()
    seen = await place.until_phase(order.name, Phase.ENDED)
    assert (seen.slurm_state, seen.outcome) == ("NODE_FAIL", State.FAILED)
    assert [node.usable for node in await place.scheduler.nodes()] == [False, True, True, True]


async def test_the_site_requeues_a_job(place: Place, simulated_site: SimulatedSite) -> None:
    """Each run of a requeued job is in the accounting, so each is billed."""
    order = place.order("sleep", "4")
    await place.submit(order)
    seen = await place.until_phase(order.name, Phase.RUNNING)
    job = simulated_site.cluster.jobs[1]
    # SLURM distinguishes the runs of a job by their second of submission
    await place.until(lambda: SystemClock().now() >= seen.submitted_at + 1)
    simulated_site.cluster.requeue(job, SystemClock().now())
    simulated_site.poke()
    assert (await place.until_phase(order.name, Phase.WAITING)).reason == "BeginTime"
    job.eligible_at = int(SystemClock().now())
    seen = await place.until_phase(order.name, Phase.ENDED)
    assert seen.outcome is State.COMPLETED
    assert len(seen.runs) == 2


async def test_the_account_may_have_no_more_jobs(place: Place, simulated_site: SimulatedSite) -> None:
    """A temporary limit is not a refusal: nothing was queued, and the submission is tried again."""
    simulated_site.faults.max_submitted = 1
    first, second = place.order("sleep", "600"), place.order("true")
    await place.submit(first)
    (receipt,) = await place.submit(second)
    assert receipt.deferral
    assert not receipt.unknown
    assert not receipt.refusal
    assert (await place.look(second.name, doubtful=[second.name])).of(second.name) == ()


async def test_out_of_memory(place: Place, simulated_site: SimulatedSite) -> None:
    """SLURM's state for it is returned."""
    order = place.order("sleep", "600")
    await place.submit(order)
    await place.until_phase(order.name, Phase.RUNNING)
    simulated_site.cluster.out_of_memory(simulated_site.cluster.jobs[1])
    seen = await place.until_phase(order.name, Phase.ENDED)
    assert (seen.slurm_state, seen.outcome) == ("OUT_OF_MEMORY", State.FAILED)
