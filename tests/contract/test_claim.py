"""Jobs that are submitted twice, as by two daemons: one of the SLURM jobs runs the program."""

from dataclasses import replace
from pathlib import Path

import pytest

from provider_daemon.job.claim import CLAIMED, CLAIMS, UNCLAIMED, Claim
from provider_daemon.job.snapshot import Phase
from tests.contract.places import Place, unique

RAN = "echo ran >>ran; sleep 1"


async def test_two_slurm_jobs_of_one_job(place: Place) -> None:
    """The program runs once; the other SLURM job is known as a duplicate of the one that ran it."""
    name = unique()
    orders = [place.order("sh", "-c", RAN, name=name) for _ in range(2)]
    receipts = [receipt for order in orders for receipt in await place.submit(order)]
    claim = place.root / CLAIMS / name
    await place.until(claim.is_symlink)
    runner = claim.readlink().name.partition(":")[0]
    (other,) = {receipt.slurm_id for receipt in receipts} - {runner}
    ran = next(order for order, receipt in zip(orders, receipts, strict=True) if receipt.slurm_id == runner)
    seen = await place.until_phase(name, Phase.ENDED, ids={name: other})
    assert (seen.exit_code, seen.duplicate) == (CLAIMED, Claim(runner, ran.directory))
    seen = await place.until_phase(name, Phase.ENDED, ids={name: runner})
    assert (seen.exit_code, seen.ran_nothing) == (0, False)
    assert [Path(order.directory, "ran").exists() for order in orders].count(True) == 1
    assert Path(ran.directory, "ran").read_text() == "ran\n"


@pytest.mark.parametrize("code", [CLAIMED, UNCLAIMED])
async def test_a_program_with_the_exit_code_of_a_claim(place: Place, code: int) -> None:
    """It is the program's own, as the claim says, which one more command reads."""
    order = place.order("sh", "-c", f"exit {code}")
    seen = await place.run(order)
    assert (seen.exit_code, seen.ran_nothing) == (code, False)
    before = place.scheduler.rpcs
    await place.look(order.name, ids={order.name: seen.slurm_id})
    assert place.scheduler.rpcs - before == 3


async def test_a_job_that_cannot_be_claimed(place: Place) -> None:
    """Nothing of it runs, and its claim proves that."""
    order = place.order("sh", "-c", RAN, prologue=("touch prologue",))
    impossible = order.script.replace(f"{CLAIMS}/", f"{CLAIMS}/no-such-directory/")
    seen = await place.run(replace(order, script=impossible))
    assert (seen.exit_code, seen.unclaimed) == (UNCLAIMED, True)
    assert {path.name for path in Path(order.directory).iterdir()} <= {"error.txt", "output.txt"}
