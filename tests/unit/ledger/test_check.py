"""What `provd ledger check` finds: every broken promise between rows has a line of its own; a ledger in order
has none."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from provider_daemon.job.state import State
from provider_daemon.ledger import file
from provider_daemon.ledger.check import Health, check
from provider_daemon.ledger.event_kind import EventKind
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ledger.rows import Message, OpenTx
from tests.unit.job.jobs import JOB

CLOSED = replace(JOB, state=State.FAILED, reported=State.FAILED, promised=State.FAILED, closed_at=5.0)


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """Held open by its daemon: one job queued, its report in the open transaction, the next one waits."""
    place = tmp_path / "ledger.sqlite"
    ledger = Ledger.open(place)
    ledger.claim("test-1")
    with ledger.write():
        ledger.save_job(replace(JOB, slurm_id="7", state=State.RUNNING, promised=State.RUNNING))
        ledger.add_message("ve1p", Message("report", "JOB-1", b"q", "queued"), 1.0)
        ledger.add_tx(OpenTx(0, "ve1p", "AA", b"bytes", 0, 100, 5, 1.0), ledger.waiting_messages("ve1p"))
        ledger.add_message("ve1p", Message("report", "JOB-1", b"r", "running"), 1.0)
        ledger.add_event("JOB-1", EventKind.ADOPTED, "", 1.0)
        ledger.quarantine("JOB-2", "unreadable", 1.0)
    yield place
    ledger.close()


def looked_at(path: Path, chain_id: str = "test-1") -> Health:
    with closing(file.connect(path, readonly=True)) as connection:
        return check(connection, chain_id)


def found(path: Path, *spoil: str, chain_id: str = "test-1") -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(";".join(spoil))
    return [finding.what for finding in looked_at(path, chain_id).findings]


def test_in_order(path: Path) -> None:
    """Beside a running daemon: nothing is found, and everything is counted by its state."""
    health = looked_at(path)
    assert health.findings == []
    assert (health.schema, health.chain_id) == (file.SCHEMA_VERSION, "test-1")
    assert health.counts == {
        "jobs": {"running": 1},
        "messages": {"waiting": 2},
        "txs": {"open": 1},
        "quarantine": {"set aside": 1},
    }


def test_real_ledger_is_in_order(old: Path) -> None:
    """One that a daemon left, with jobs in every stage, breaks no rule once it is brought forward."""
    assert [finding.what for finding in looked_at(old).findings] == [
        f"the ledger has schema 1, this provd uses {file.SCHEMA_VERSION}"
    ]
    Ledger.open(old).close()
    assert looked_at(old).findings == []


def test_other_chain(path: Path) -> None:
    assert found(path, chain_id="test-2") == [
        "the ledger belongs to chain 'test-1', the configuration has chain.id 'test-2'"
    ]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (
            "UPDATE messages SET subject = 'JOB-9' WHERE state = 'queued'",
            "JOB-9: a report of a job that is not in the ledger",
        ),
        (
            "INSERT INTO events (at, job_id, what, detail) VALUES (1, 'JOB-9', '', '')",
            "JOB-9: a timeline of a job that is not in the ledger",
        ),
        (
            "UPDATE messages SET status = 'dropped', tx_id = NULL WHERE state = 'queued'",
            "transaction AA is open and contains no message",
        ),
        (
            "UPDATE txs SET status = 'included'",
            "JOB-1: a message is open in a closed transaction and would never be sent again",
        ),
        (
            "UPDATE messages SET status = 'confirmed' WHERE state = 'queued'",
            "JOB-1: a message is marked confirmed, but its transaction was not included",
        ),
        (
            "DELETE FROM messages WHERE state = 'running'",
            "JOB-1: its promised state is not on chain, and no report of it is in the outbox",
        ),
        (
            "UPDATE messages SET state = iif(state = 'running', 'queued', 'running')",
            "JOB-1: its unsent reports are not in the order that the chain accepts",
        ),
        (
            "UPDATE jobs SET closed_at = 5.0, value = json_set(value, '$.closed_at', 5.0)",
            "JOB-1: closed, but its last state on chain is not a final one",
        ),
        ("UPDATE jobs SET slurm_id = '8'", "JOB-1: the columns of its row differ from the job stored in it"),
        (
            "UPDATE jobs SET value = json_set(value, '$.state', 'melted')",
            "JOB-1: its row cannot be read: state: Input should be 'pending', 'queued', 'running', "
            "'completed', 'failed', 'cancelled' or 'timeout'",
        ),
        (
            "UPDATE jobs SET value = 'torn'",
            "JOB-1: its row cannot be read: Invalid JSON: expected ident at line 1 column 2",
        ),
    ],
)
def test_what_is_wrong_is_named(path: Path, spoil: str, words: str) -> None:
    """One line for each, with the job or transaction that it is about, and something to do."""
    assert found(path, spoil) == [words]
    assert all(finding.todo for finding in looked_at(path).findings)


def test_one_slurm_job_for_two(path: Path) -> None:
    """Two chain jobs of one cluster cannot be the same SLURM job."""
    other = replace(
        JOB,
        spec=replace(JOB.spec, job_id="JOB-3"),
        slurm_id="7",
        reported=State.RUNNING,
        promised=State.RUNNING,
    )
    with closing(Ledger.open(path, lock=False)) as ledger, ledger.write():
        ledger.save_job(other)
    assert found(path) == ["SLURM job 7 is assigned to two open chain jobs"]


def test_a_closed_job_is_no_trouble(path: Path) -> None:
    with closing(Ledger.open(path, lock=False)) as ledger, ledger.write():
        ledger.save_job(replace(CLOSED, spec=replace(JOB.spec, job_id="JOB-3")))
    assert found(path) == []


def test_damage(path: Path) -> None:
    """A row that a torn file lost is named, and nothing more is concluded from what is left."""
    spoiled = found(path, "PRAGMA foreign_keys = OFF", "DELETE FROM txs")
    assert spoiled == ["row 1 of messages refers to a missing row of txs"]
