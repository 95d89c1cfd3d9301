"""`provd run --dry-run`: what would be sent, by the loops that would send it, and nothing is sent."""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provider_daemon.chain import tx as transactions
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.cli import run
from provider_daemon.client.tx_json import decoded
from provider_daemon.config.model import parse
from provider_daemon.dry_run.loops import (
    NO_ID,
    Prospect,
    ShownDraft,
    Unsending,
    Unsigning,
    Unsubmitting,
    dry_run,
)
from provider_daemon.errors import Transient, Unreadable
from provider_daemon.job.spec import ChainJob
from provider_daemon.loops.outbox import OutboxSettings
from provider_daemon.ports import Submission
from provider_daemon.slurm.logins import SiteLogins
from provider_daemon.slurm.transport import CommandResult
from tests.fakes.chain import ALICE, CHAIN_ID, PROVIDER, TestChain, cancel, job
from tests.fakes.scheduler import FakeScheduler, known
from tests.unit.daemons import config_text
from tests.unit.loops.conftest import TENANCY, House, house

__all__ = ["house"]

KNOWN = replace(TENANCY, signer=Unsigning(PROVIDER))


@pytest.fixture
async def chain(house: House) -> AsyncIterator[Unsending]:
    client = Unsending(CHAIN_ID, [f"127.0.0.1:{house.chain.devnet.port}"], house.chain.clock)
    yield client
    await client.close()


async def play(
    house: House, chain: Unsending, settings: OutboxSettings | None = None
) -> tuple[list[Prospect], list[ShownDraft]]:
    """Over a site that holds what the house's holds, and remembers nothing of the rehearsal."""
    site = FakeScheduler(house.chain.clock, jobs=dict(house.scheduler.jobs))
    with dry_run(chain, {"HPC-1": KNOWN}, {"HPC-1": site}, house.chain.clock) as ours:
        return await ours.prospects(), await ours.drafts(settings or OutboxSettings())


def plain(document: dict[str, Any]) -> dict[str, Any]:
    """Without the signatures."""
    for message in document["body"]["messages"]:
        message["signature"] = ""
    return document


def without_token(order: Submission | None) -> Submission:
    """Every submission has a directory of its own."""
    assert order is not None
    directory, _, token = order.directory.rpartition(".")
    return Submission(order.name, order.script.replace(token, "token"), directory)


async def test_script_and_transaction_are_the_daemons(house: House, chain: Unsending) -> None:
    """Byte for byte the script that the daemon then submits, and its transaction but for the signatures."""
    await house.chain.send(ALICE, job(), job())
    prospects, (draft,) = await play(house, chain)
    assert [(each.job_id, each.cluster, each.why) for each in prospects] == [
        ("JOB-1", "alpha", ""),
        ("JOB-2", "alpha", ""),
    ]
    await house.intake.tick()
    await house.advance.tick()
    await house.outbox.tick()
    assert [without_token(each.order) for each in prospects] == [
        without_token(order) for order in house.scheduler.orders
    ]
    sent = house.ledger.open_tx(PROVIDER.address)
    assert sent is not None
    assert plain(decoded(draft.tx_bytes)) == plain(decoded(sent.tx_bytes))
    assert (draft.signer, draft.later) == (PROVIDER.address, 0)


async def test_nothing_is_changed(house: House, chain: Unsending) -> None:
    """Neither SLURM nor the chain nor the daemon's ledger has seen anything."""
    await house.chain.send(ALICE, job())
    before = (await house.chain.client.account(PROVIDER.address)).sequence
    _, (draft,) = await play(house, chain)
    house.chain.block()
    assert (await house.chain.client.account(PROVIDER.address)).sequence == before
    assert await house.chain.client.find(transactions.tx_hash(draft.tx_bytes)) is None
    assert await house.state() == "pending"
    assert (house.scheduler.orders, house.ledger.job("JOB-1")) == ([], None)


async def test_nothing_is_signed(house: House, chain: Unsending) -> None:
    """What is shown carries no signature that the chain, or anybody who reads evidence, would take."""
    await house.chain.send(ALICE, job())
    _, (draft,) = await play(house, chain)
    assert list(transactions.decode(draft.tx_bytes).signatures) == [bytes(64)]
    assert decoded(draft.tx_bytes)["signatures"] == []
    assert not (await house.chain.client.broadcast(draft.tx_bytes)).ok


async def test_a_refused_job_has_no_script(house: House, chain: Unsending) -> None:
    """It has the text that its customer would read, in the transaction too. A job that is not pending is no
    matter."""
    await house.chain.send(ALICE, job(), job())
    await house.chain.send(ALICE, cancel("JOB-2"))
    known = replace(KNOWN, site=replace(KNOWN.site, images=()))
    with dry_run(
        chain, {"HPC-1": known}, {"HPC-1": FakeScheduler(house.chain.clock)}, house.chain.clock
    ) as ours:
        (prospect,) = await ours.prospects()
        (draft,) = await ours.drafts(OutboxSettings())
    assert (prospect.job_id, prospect.order) == ("JOB-1", None)
    assert prospect.why.startswith("refused: image 'alpine:3' is not allowed on this site")
    (message,) = decoded(draft.tx_bytes)["body"]["messages"]
    assert "is not allowed on this site" in str(message)


async def test_a_job_that_slurm_has_already(house: House, chain: Unsending) -> None:
    """The daemon beside it has submitted it a moment ago."""
    await house.chain.send(ALICE, job())
    await house.intake.tick()
    await house.advance.tick()
    (prospect,), _ = await play(house, chain)
    assert (prospect.order, prospect.why) == (None, "is in SLURM already, as job 1")


async def test_an_unreadable_job_hides_no_other(
    house: House, chain: Unsending, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named with why, as intake would set it aside."""
    await house.chain.send(ALICE, job(), job())
    read = chain.job

    async def damaged(job_id: str) -> ChainJob | None:
        if job_id == "JOB-1":
            raise Unreadable("JOB-1: a state of 99")
        return await read(job_id)

    monkeypatch.setattr(chain, "job", damaged)
    prospects, _ = await play(house, chain)
    assert [(each.job_id, each.why) for each in prospects] == [
        ("JOB-2", ""),
        ("JOB-1", "set aside: JOB-1: a state of 99"),
    ]


async def test_jobs_beyond_the_limit_wait(house: House, chain: Unsending) -> None:
    """With room for one, the second has no script yet."""
    await house.chain.send(ALICE, job(), job())
    site = FakeScheduler(house.chain.clock)
    with dry_run(chain, {"HPC-1": replace(KNOWN, max_jobs=1)}, {"HPC-1": site}, house.chain.clock) as ours:
        first, second = await ours.prospects()
    assert first.order is not None
    assert second.why.startswith("waits: ")


async def test_later_messages_are_counted(house: House, chain: Unsending) -> None:
    """What does not fit in the first transaction comes after it."""
    await house.chain.send(ALICE, job(), job(), job())
    _, (draft,) = await play(house, chain, OutboxSettings(max_messages=2))
    assert draft.later == 1


async def test_slurm_that_is_down_is_one_error(house: House, chain: Unsending) -> None:
    """Without a look at SLURM nobody knows what would be sent."""
    site = FakeScheduler(house.chain.clock, down=True)
    with (
        dry_run(chain, {"HPC-1": KNOWN}, {"HPC-1": site}, house.chain.clock) as ours,
        pytest.raises(Transient, match="controller"),
    ):
        await ours.prospects()


async def test_real_site_is_only_looked_at() -> None:
    """No command goes out for a submission or a cancel."""

    class Deaf:
        async def run(self, program: str, payload: bytes, timeout: float) -> CommandResult:
            raise AssertionError(program)

        async def close(self) -> None:
            pass

    site = Unsubmitting(SiteLogins(Deaf()), TestChain().clock, "alpha")
    order = Submission("ve-x-JOB-1", "#!/bin/bash\n", "/scratch/ve-x-JOB-1")
    (receipt,) = await site.submit([order])
    await site.cancel(known({"ve-x-JOB-1": "7"}))
    assert (receipt.slurm_id, site.orders) == (NO_ID, [order])


async def test_command(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each script under a line that says what it is for, refusals on one line, then the transaction as JSON;
    no ledger is made."""
    hostile = types_pb2.JobWorkloadSpec(container_image="evil\n", command="true")
    await house.chain.send(ALICE, job(), job(workload_spec=hostile))
    monkeypatch.setattr(
        "provider_daemon.dry_run.loops.Unsubmitting",
        lambda transport, clock, name, account: FakeScheduler(clock),
    )
    site = tmp_path / "site"
    site.mkdir()
    text = (
        config_text(site, house.chain.devnet.port, {"alpha": "main"})
        + '\n[[clusters.images]]\npattern = "alpine:*"\nnative = true\n'
    )
    await run.rehearse(parse(text, "provd.toml"))
    out = capsys.readouterr().out
    assert re.search(
        r"^# JOB-1 on alpha: sbatch ve-\w+-JOB-1 in /scratch/ve-\w+-JOB-1\.\w+\n#!/bin/bash\n",
        out,
        re.MULTILINE,
    )
    assert re.search(
        r"^# JOB-2 on alpha: refused: image 'evil\\+n' is not allowed on this site", out, re.MULTILINE
    )
    _, _, document = out.partition(f"\n# transaction of {PROVIDER.address}\n")
    assert len(json.loads(document)["body"]["messages"]) == 2
    assert not (site / "ledger.sqlite").exists()


async def test_command_without_jobs(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says that there is nothing to show."""
    monkeypatch.setattr(
        "provider_daemon.dry_run.loops.Unsubmitting",
        lambda transport, clock, name, account: FakeScheduler(clock),
    )
    await run.rehearse(parse(config_text(tmp_path, house.chain.devnet.port, {"alpha": "main"}), "provd.toml"))
    assert capsys.readouterr().out == "# no pending jobs\n"
