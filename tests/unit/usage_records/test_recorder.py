"""Usage snapshots of a job on its way: while it runs, at its end, and on a dispute."""

import json
from dataclasses import replace

from provider_daemon.job.snapshot import Phase, Run, Sighting
from provider_daemon.job.state import State
from provider_daemon.ledger import usage_records
from provider_daemon.usage_records import document
from provider_daemon.usage_records.recorder import take_disputed
from tests.fakes.chain import ALICE, PROVIDER, job
from tests.unit.loops.conftest import House


def elapse(house: House, seconds: int) -> None:
    """SLURM's elapsed time of every running job, and the clock, go on."""
    house.chain.clock.time += seconds
    for name, found in house.scheduler.jobs.items():
        house.scheduler.jobs[name] = [
            longer(seen, seen.elapsed + seconds) if seen.phase is Phase.RUNNING else seen for seen in found
        ]


def longer(seen: Sighting, elapsed: int) -> Sighting:
    return replace(seen, elapsed=elapsed, runs=(Run(elapsed, 2, 4096, 1, start=1_900_000_000),))


async def started(house: House) -> None:
    await house.chain.send(ALICE, job(max_runtime_seconds=3600))
    await house.round()
    house.scheduler.run()
    await house.round()


async def test_interim_every_five_minutes_and_final(house: House) -> None:
    """At 300 s, not before, and then each 300 s, a restart in between or not; the last word makes the final
    one; the chain holds."""
    await started(house)
    elapse(house, 299)
    await house.advance.tick()
    assert usage_records.of(house.ledger, "JOB-1") == []
    for seconds in (1, 100, 200):
        elapse(house, seconds)
        await house.advance.tick()
        house.restart()
    house.scheduler.end(State.COMPLETED)
    await house.round()
    made = usage_records.of(house.ledger, "JOB-1")
    assert [snapshot.type.value for snapshot in made] == ["interim", "interim", "final"]
    assert [json.loads(snapshot.document)["cumulative"]["cpu_core_seconds"] for snapshot in made] == [
        600,
        1200,
        7200,
    ]
    assert [json.loads(snapshot.document)["interval"]["cpu_core_seconds"] for snapshot in made] == [
        600,
        600,
        6000,
    ]
    assert document.check(made, {PROVIDER.address: PROVIDER.public_key}) == ["", "", ""]


async def test_nothing_is_invented(house: House) -> None:
    """A running job whose allocation SLURM does not show has no interim snapshot."""
    await started(house)
    for name, found in house.scheduler.jobs.items():
        house.scheduler.jobs[name] = [replace(seen, elapsed=900) for seen in found]
    await house.advance.tick()
    assert usage_records.of(house.ledger, "JOB-1") == []


async def test_dispute(house: House) -> None:
    """What is held of the job at that moment, chained to what was kept before."""
    await started(house)
    elapse(house, 300)
    await house.advance.tick()
    known = house.ledger.job("JOB-1")
    assert known is not None
    with house.ledger.write():
        taken = take_disputed(house.ledger, known, PROVIDER, house.chain.clock.now())
    assert (taken.sequence, document.cumulative(taken).cpu_core_seconds) == (1, 600)


async def test_pruning_keeps_what_proves(house: House) -> None:
    """Old interim snapshots go, final ones and the newest of each job stay; numbers go on."""
    await started(house)
    for _ in range(3):
        elapse(house, 300)
        await house.advance.tick()
    with house.ledger.write():
        usage_records.prune_interim(house.ledger, house.chain.clock.now() + 1)
    assert [snapshot.sequence for snapshot in usage_records.of(house.ledger, "JOB-1")] == [2]
    house.scheduler.end(State.COMPLETED)
    await house.round()
    made = usage_records.of(house.ledger, "JOB-1")
    assert [snapshot.sequence for snapshot in made] == [2, 3]
    assert document.check(made, {PROVIDER.address: PROVIDER.public_key}) == ["", ""]
