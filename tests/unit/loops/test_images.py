"""Jobs in images: they wait for the cache, run what is in it, and report its digest."""

from dataclasses import replace

import pytest

from provider_daemon.chain import evidence_check
from provider_daemon.chain.evidence_check import ChainRecord
from provider_daemon.job.admission import Image
from provider_daemon.job.containment import Containment, Launcher
from provider_daemon.job.state import State
from provider_daemon.job.transfer import Transfer
from provider_daemon.loops.advance import Advance
from provider_daemon.loops.intake import Intake
from tests.unit.loops.conftest import House
from tests.unit.loops.test_data import SERVED, FakeTransfers, name, submit

DIGEST = f"sha256:{'ab' * 32}"


@pytest.fixture
def mover(house: House) -> FakeTransfers:
    """Contains the house's jobs in images, and gives it a data mover."""
    mover, clock = FakeTransfers(), house.chain.clock
    images = (Image("alpine:*", contained=Containment(Launcher.BUBBLEWRAP)),)
    served = replace(SERVED, site=replace(SERVED.site, images=images))
    house.intake = Intake(house.ledger, house.chain.client, {"HPC-1": served}, clock, lambda: None)
    house.advance = Advance(house.ledger, house.scheduler, served, clock, lambda: None, transfers=mover)
    return mover


async def test_a_job_runs_the_image_of_the_cache(house: House, mover: FakeTransfers) -> None:
    """It is submitted only when its image is there; the final report signs and names the digest."""
    await submit(house)
    await house.round()
    await house.round()
    assert house.scheduler.orders == []
    mover.known[name(house)] = Transfer(image=DIGEST)
    await house.round()
    (order,) = house.scheduler.orders
    assert f"/.provd-images/{'ab' * 32}/rootfs'" in order.script
    house.scheduler.run()
    await house.round()
    mover.known[name(house)] = Transfer(image=DIGEST, settled=True)
    house.scheduler.end(State.COMPLETED)
    await house.round()
    await house.round()
    record = await house.chain.client.query.job("JOB-1")
    assert record is not None
    assert record.status_message.endswith(f"image={DIGEST}")
    final = (await house.chain.client.reports_of("JOB-1"))[-1]
    chain_id = house.chain.client.chain_id
    verdicts = evidence_check.check(final.tx, chain_id, {"JOB-1": ChainRecord.of(record, chain_id)})
    assert [verdict.signed.image for verdict in verdicts if verdict.ok] == [DIGEST]


async def test_an_image_that_is_refused(house: House, mover: FakeTransfers) -> None:
    """The job fails with the reason and never reaches SLURM."""
    await submit(house)
    await house.round()
    mover.known[name(house)] = Transfer(image_refusal="registry docker.io is not accepted by this site")
    await house.round()
    await house.round()
    record = await house.chain.client.job("JOB-1")
    assert record is not None
    assert (record.state, house.scheduler.orders) == (State.FAILED, [])
    assert record.status_message == "image: registry docker.io is not accepted by this site"
