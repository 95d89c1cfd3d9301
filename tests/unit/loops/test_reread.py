"""Changes on chain are learned although some record cannot be read."""

from typing import NoReturn

import pytest

from provider_daemon.errors import Unreadable
from provider_daemon.job.spec import ChainJob
from provider_daemon.job.state import State
from provider_daemon.loops.chain_changes import SWEEP_SECONDS
from tests.fakes.chain import ALICE, cancel, job
from tests.unit.loops.conftest import House


async def test_one_bad_record_hides_no_other(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """JOB-1 becomes unreadable after it was adopted; JOB-2's cancel is still noticed by its event and by the
    sweep."""
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


async def test_a_tick_reads_only_what_may_have_changed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two sweeps: of the ledger's jobs and of the chain's records those that were cancelled, or have
    run past their limit."""
    await house.chain.send(ALICE, job(), job(), job())
    await house.round()
    house.scheduler.run()
    await house.round()
    await house.intake.tick()
    asked: list[str] = []
    ask = house.chain.client.job

    async def counted(job_id: str) -> ChainJob | None:
        asked.append(job_id)
        return await ask(job_id)

    def not_all(_: str) -> NoReturn:
        raise AssertionError("every open job was read")

    monkeypatch.setattr(house.chain.client, "job", counted)
    monkeypatch.setattr(house.ledger, "open_jobs", not_all)
    await house.intake.tick()
    assert asked == []
    await house.chain.send(ALICE, cancel("JOB-2"))
    await house.intake.tick()
    assert asked == ["JOB-2"]
