"""Closing a month and answering a dispute, as the daemon does it for an operator."""

import base64
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from provider_daemon.books.bundle import check
from provider_daemon.books.months import bounds
from provider_daemon.config.model import Config, load
from provider_daemon.control.books import ANSWER, CLOSE, AnswerDispute, CloseMonth
from provider_daemon.control.operation import Context
from provider_daemon.control.perform import perform
from provider_daemon.errors import Refused
from provider_daemon.ledger import books, disputes
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.money.account import Reading, opening
from provider_daemon.ports import Dispute, DisputeStatus
from tests.fakes.chain import PROVIDER
from tests.unit.daemons import config_text
from tests.unit.job.jobs import JOB

DISPUTE = Dispute("hpc-dispute-2", JOB.spec.job_id, DisputeStatus.PENDING, 5, reason="idle")
RECORDS = {"chain/job.json": '{"job_id": "JOB-1"}'}


@pytest.fixture
def config(tmp_path: Path) -> Config:
    file = tmp_path / "provd.toml"
    file.write_text(config_text(tmp_path, 9090, {"alpha": "main"}))
    return load(file)


@pytest.fixture
def context(config: Config, tmp_path: Path) -> Iterator[Context]:
    """A running daemon whose books were opened in January and reach into March."""
    ledger = Ledger.open(Path(config.ledger.path))
    with ledger.write():
        for month in ("2026-01", "2026-03"):
            books.add_note(ledger, opening("ve1ours", Reading(bounds(month)[0], 1, 0, {"uve": 5})))
        ledger.save_job(JOB)
        disputes.save(ledger, DISPUTE, config.clusters[0].id)
    keys = {config.clusters[0].key: PROVIDER}
    yield Context(ledger, config, "nora", bounds("2026-03")[0] + 5, {}, keys)
    ledger.close()


def test_months_are_closed_in_order(context: Context) -> None:
    """Each once, and only when it is over; the audit log has its hash."""
    with pytest.raises(Refused, match="the next one is 2026-01"):
        perform(CLOSE, CloseMonth(month="2026-02"), context)
    first = perform(CLOSE, CloseMonth(month="2026-01"), context)
    with pytest.raises(Refused, match="is closed already"):
        perform(CLOSE, CloseMonth(month="2026-01"), context)
    second = perform(CLOSE, CloseMonth(month="2026-02"), context)
    with pytest.raises(Refused, match="the books must cover all of it"):
        perform(CLOSE, CloseMonth(month="2026-03"), context)
    last = books.last_closing(context.ledger)
    assert last is not None
    assert (last.hash, first.hash.encode() in last.document) == (second.hash, True)
    log = "".join(file.read_text() for file in Path(context.config.ledger.path).parent.glob("audit/*.jsonl"))
    assert all(text in log for text in (first.hash, second.hash, "month_closed", "nora"))


def test_the_daemons_key_signs_an_answer(context: Context) -> None:
    """An operator needs no key; what the ledger keeps is what is returned."""
    asked = AnswerDispute(dispute_id="hpc-dispute-2", text="it was not", records=RECORDS)
    answered = perform(ANSWER, asked, context)
    archive = base64.b64decode(answered.archive)
    checked = check(archive)
    assert (checked.problems, checked.provider) == ((), PROVIDER.address)
    assert (checked.manifest_hash, checked.manifest["text"]) == (answered.hash, "it was not")
    assert disputes.bundle(context.ledger, "hpc-dispute-2") == archive


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"dispute_id": "hpc-dispute-4"}, "is not in the ledger"),
        ({"records": {"chain/job.json": "x" * 400_000}}, "more than"),
    ],
)
def test_what_is_not_answered(context: Context, change: dict[str, object], why: str) -> None:
    """Nothing is signed or stored."""
    fields = {"dispute_id": "hpc-dispute-2", "text": "no", "records": RECORDS, **change}
    with pytest.raises(Refused, match=why):
        perform(ANSWER, AnswerDispute.model_validate(fields), context)
    assert disputes.bundle(context.ledger, "hpc-dispute-2") is None


def test_a_cluster_that_is_not_configured(context: Context) -> None:
    """Its key is not known."""
    with context.ledger.write():
        disputes.save(context.ledger, replace(DISPUTE, dispute_id="hpc-dispute-8"), "HPC-9")
    asked = AnswerDispute(dispute_id="hpc-dispute-8", text="no", records=RECORDS)
    with pytest.raises(Refused, match="cluster HPC-9 is not in the configuration"):
        perform(ANSWER, asked, context)
