"""A flood: 100,000 pending jobs of one customer, then one of another. `make flood`, or JOBS=number.

The loops are real, over a devnet in this process and a scheduler that accepts every job at once. The flood is
written into the devnet's store: each submission by a transaction reads all jobs there.
"""

import argparse
import asyncio
import resource
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from provider_daemon.chain import codec, keyspace
from provider_daemon.chain.proto.virtengine.hpc.v1.types_pb2 import HPCJob
from provider_daemon.job.customer_limits import CustomerLimits, CustomerPolicy
from provider_daemon.ledger import customers, figures
from provider_daemon.log import configure
from tests.fakes.chain import ALICE, BOB, TestChain, job
from tests.fakes.scheduler import FakeScheduler
from tests.unit.loops.conftest import TENANCY, House

LIMITS = CustomerLimits(max_jobs=100, max_waiting=1000)
GOAL_TICKS = 1  # of the intake loop, until another customer's job is taken


@dataclass(frozen=True)
class Delay:
    """How long another customer's job waited until it was submitted."""

    ticks: int
    seconds: float


async def flood(chain: TestChain, count: int) -> None:
    """Writes copies of JOB-1 under the numbers 2 to `count`."""
    state = chain.devnet.blocks.state
    first = codec.decode(HPCJob, state.get(keyspace.HPC_STORE, keyspace.key(keyspace.JOB, "JOB-1")))
    for number in range(2, count + 1):
        first.job_id = f"JOB-{number}"
        key = keyspace.key(keyspace.JOB, first.job_id)
        state.put(keyspace.HPC_STORE, key, codec.encode(first))
    state.put(keyspace.HPC_STORE, keyspace.NEXT_JOB, (count + 1).to_bytes(8, "big"))


async def measure(count: int) -> bool:
    chain = await TestChain().start()
    await chain.open_shop()
    place = Path(tempfile.mkdtemp())
    served = replace(TENANCY, customers=CustomerPolicy(LIMITS))
    house = House(chain, FakeScheduler(chain.clock), place / "ledger.sqlite", served={"HPC-1": served})
    house.advance.reconfigure(served)
    await house.advance.tick()
    await house.intake.tick()
    before, memory = figures.size_bytes(house.path), peak()
    assert (await chain.send(ALICE, job())).ok
    await flood(chain, count)
    first = await tick(house)
    print(f"{count} jobs of one customer: the first tick takes {first:.1f} s, {standing(house)}")
    print(
        f"another customer's job: {shown(await another(house, count + 1))} while most of the flood is unread"
    )
    ticks = [first]
    while any(not each.customer for each in customers.held(house.ledger)):
        ticks.append(await tick(house))
    print(f"all read after {len(ticks)} ticks: {sum(ticks):.0f} s, the longest {max(ticks):.1f} s")
    print(f"then: {standing(house)}")
    late = await another(house, count + 2)
    print(f"another customer's job: {shown(late)} when all is read")
    idle = [await tick(house) for _ in range(5)]
    print(f"a tick with nothing new: {1000 * max(idle):.0f} ms at most, {1000 * min(idle):.0f} ms at least")
    after = figures.size_bytes(house.path)
    print(f"ledger: {before / 1e6:.2f} MB before, {after / 1e6:.2f} MB after")
    print(f"memory: {memory / 1e3:.0f} MB before, {peak() / 1e3:.0f} MB at most, with the devnet")
    house.ledger.close()
    await chain.stop()
    return late.ticks <= GOAL_TICKS


async def tick(house: House) -> float:
    began = time.monotonic()
    await house.intake.tick()
    await house.advance.tick()
    house.chain.clock.time += 2
    return time.monotonic() - began


async def another(house: House, number: int) -> Delay:
    """Submits a job of another customer, and ticks until it is in SLURM."""
    assert (await house.chain.send(BOB, job(BOB), gas_limit=10**12, fee=10**11)).ok
    began, ticks = time.monotonic(), 0
    while (known := house.ledger.job(f"JOB-{number}")) is None or not known.slurm_id:
        await tick(house)
        ticks += 1
    return Delay(ticks, time.monotonic() - began)


def shown(delay: Delay) -> str:
    return f"submitted by tick {delay.ticks} after it was on chain, {delay.seconds:.1f} s"


def standing(house: House) -> str:
    held = {each.customer: each.jobs for each in customers.held(house.ledger)}
    unread = held.pop("", 0)
    taken = len(house.ledger.open_ids("HPC-1"))
    return f"{taken} in the ledger, {sum(held.values())} postponed, {unread} unread"


def peak() -> int:
    """Returns the most resident memory of this process so far, in kB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what a flood of one customer's jobs costs another.")
    parser.add_argument("--jobs", type=int, default=100_000, help="jobs of the flood")
    configure("console", "error")
    sys.exit(0 if asyncio.run(measure(parser.parse_args().jobs)) else 1)


if __name__ == "__main__":
    main()
