"""SLURM jobs of others: all jobs run as one Unix user, so any customer's job can submit, rename and read what
that user may."""

from dataclasses import replace

from provider_daemon.job.naming import public_name
from provider_daemon.job.snapshot import Phase, Sighting
from provider_daemon.loops.cluster import ServedCluster
from tests.fakes.chain import ALICE, job
from tests.unit.loops.conftest import TENANCY, House, house

__all__ = ["house"]


async def test_a_name_from_public_data_takes_nothing(house: House) -> None:
    """A job that somebody submitted under what chain data alone gives as a name is not adopted, and not
    billed to its victim."""
    await house.chain.send(ALICE, job())
    record = await house.chain.client.job("JOB-1")
    assert record is not None
    name = public_name(record.spec)
    house.scheduler.jobs[name] = [
        Sighting("900", name, Phase.RUNNING, "RUNNING", submitted_at=int(house.chain.clock.now()))
    ]
    await house.intake.tick()
    await house.advance.tick()
    found = house.ledger.job("JOB-1")
    assert found is not None
    assert (len(house.scheduler.orders), found.slurm_id) == (1, "1")
    assert found.name not in (name, "")


async def test_the_name_survives_the_ledger(house: House) -> None:
    """A daemon that lost its ledger finds the job that it submitted, by the name that its key gives."""
    await house.chain.send(ALICE, job())
    await house.intake.tick()
    await house.advance.tick()
    house.lose_ledger()
    house.open()
    await house.intake.tick()
    await house.advance.tick()
    found = house.ledger.job("JOB-1")
    assert found is not None
    assert (len(house.scheduler.orders), found.slurm_id) == (1, "1")


async def test_the_directory_is_as_secret_as_the_name(house: House) -> None:
    """Nobody can prepare a job's directory before it is submitted."""
    await house.chain.send(ALICE, job())
    await house.intake.tick()
    found = house.ledger.job("JOB-1")
    assert found is not None
    known: ServedCluster = replace(TENANCY, work_root="/work")
    assert public_name(found.spec) not in known.directory(found)
