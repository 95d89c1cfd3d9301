"""Maintenance windows: who is held, and until when."""

from provider_daemon.job.maintenance import Window, WindowSource
from provider_daemon.ledger import maintenance
from provider_daemon.ledger.event_kind import EventKind
from tests.fakes.chain import ALICE, job
from tests.unit.loops.conftest import House, house

__all__ = ["house"]

HOUR = 3600


def window(house: House, begins_in: int, nodes_left: int = 0) -> Window:
    now = int(house.chain.clock.now())
    return Window(WindowSource.OPERATOR, now + begins_in, now + begins_in + HOUR, nodes_left, "new switches")


async def test_an_accepted_job_that_would_run_into_a_window_is_held_until_its_end(house: House) -> None:
    """Nothing is submitted before the window is over; the timeline names the window once."""
    await house.chain.send(ALICE, job())
    await house.intake.tick()
    planned = window(house, 60)
    with house.ledger.write():
        maintenance.add(house.ledger, "HPC-1", planned)
    await house.advance.tick()
    await house.advance.tick()
    assert house.scheduler.orders == []
    held = [event for event in house.ledger.events_of("JOB-1") if event.what == EventKind.MAINTENANCE]
    assert [str(planned) in event.detail for event in held] == [True]
    house.chain.block(HOUR + 60)
    await house.advance.tick()
    assert len(house.scheduler.orders) == 1


async def test_a_job_that_fits_beside_a_window_is_not_held(house: House) -> None:
    """What the nodes left by a window can run is not held, nor by a window of another cluster."""
    await house.chain.send(ALICE, job())
    await house.intake.tick()
    with house.ledger.write():
        maintenance.add(house.ledger, "HPC-1", window(house, 0, nodes_left=1))
        maintenance.add(house.ledger, "HPC-2", window(house, 0))
    await house.advance.tick()
    assert len(house.scheduler.orders) == 1


async def test_a_new_job_that_would_run_into_a_window_is_refused_with_the_window(house: House) -> None:
    """The customer reads what fits; the whole escrow is returned. A shorter job is accepted."""
    planned = window(house, 300)
    with house.ledger.write():
        maintenance.add(house.ledger, "HPC-1", planned)
    await house.chain.send(ALICE, job())
    await house.chain.send(ALICE, job(max_runtime_seconds=120))
    await house.round()
    assert await house.state("JOB-1") == "failed"
    record = await house.chain.client.job("JOB-1")
    assert record is not None
    assert record.status_message.startswith(f"{planned}: a job of 600 s would run into it; request at most ")
    assert len(house.scheduler.orders) == 1


async def test_a_job_that_was_accepted_before_the_ledger_was_lost_is_not_refused(house: House) -> None:
    """The chain has it as queued: it may wait in SLURM, so it is adopted with its program."""
    await house.chain.send(ALICE, job())
    await house.round()
    await house.round()
    assert await house.state() == "queued"
    house.lose_ledger()
    house.open()
    with house.ledger.write():
        maintenance.add(house.ledger, "HPC-1", window(house, 0))
    await house.intake.tick()
    found = house.ledger.job("JOB-1")
    assert found is not None
    assert (found.state.value, found.program is not None) == ("queued", True)
