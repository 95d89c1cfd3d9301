"""Changes on chain are learned although some record cannot be read."""

import pytest

from provider_daemon.errors import Unreadable
from provider_daemon.job.spec import ChainJob
from provider_daemon.job.state import State
from provider_daemon.loops.intake import SWEEP_SECONDS
from tests.fakes.chain import ALICE, cancel, job
from tests.unit.loops.conftest import House


async def test_one_bad_record_hides_no_other(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """JOB-1 becomes unreadable after it was adopted; JOB-2's cancel is still noticed by its event and by the sweep."""
    await house.chain.send(ALICE, job(), job())
    await house.intake.tick()
    ask = house.chain.client.job

    async def bad(job_id: str) -> ChainJob | None:
        if job_id == "JOB-1":
            raise Unreadable("the record of JOB-1 cannot be read")
        return await ask(job_id)

    monkeypatch.setattr(house.chain.client, "job", bad)
    await house.chain.send(ALICE, cancel("JOB-2"))
    house.chain.clock.time += SWEEP_SECONDS
    await house.intake.tick()
    changed = house.ledger.job("JOB-2")
    assert changed is not None
    assert changed.reported is State.CANCELLED
