"""What passes through the ledger for ever does not stay in it, and no loop reads all that ever was."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from provider_daemon.ledger import figures, reconciliation, sql
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ledger.rows import Message, OpenTx
from provider_daemon.ledger.usage_records import a_transaction_of_each_key

OLD, NOW = 1.0, 9_000_000.0
KEY = "ve1p"
# Of the status page and its commands, bounded by a LIMIT; or over an index of what is open or waiting, and
# nothing else.
SMALL = {"json_each", "jobs_open", "jobs_hold", "messages_waiting", "sqlite_autoindex_quarantine_1"}
ONCE = {
    "count_open_jobs",
    "witnesses",
    "count_txs",
    "count_jobs",
    "set_aside",
    "last_txs",
    "newest_tx_of_each_signer",
}


def sent(ledger: Ledger, number: int, at: float, status: str, *messages: Message) -> str:
    """A transaction made at that moment, whose fate is known; its hash."""
    with ledger.write():
        for message in messages:
            ledger.add_message(KEY, message, at)
        tx = ledger.add_tx(
            OpenTx(0, KEY, f"HASH{number}", b"signed", number, 9, 5, at), ledger.waiting_messages(KEY)
        )
        if status != "open":
            ledger.close_tx(tx, status, height=number * (status == "included"))
    return tx.tx_hash


def kept(ledger: Ledger) -> dict[str, bytes]:
    return {
        row["tx_hash"]: row["tx_bytes"]
        for row in ledger._db.execute("SELECT tx_hash, tx_bytes FROM txs ORDER BY id")
    }


def prune(ledger: Ledger, count: int = 100) -> None:
    with ledger.write():
        ledger.prune_messages(NOW - 3600)
        ledger.prune_txs(NOW - reconciliation.KEEP_SECONDS, count)


def test_heartbeats_leave_nothing(ledger: Ledger) -> None:
    """A cluster of 100 nodes signs 36 MB of them a day: after a week nothing of it is left, in a block or
    not."""
    sent(ledger, 1, OLD, "included", Message("node", "a.n1", b"n"))
    sent(ledger, 2, OLD, "expired", Message("node", "a.n1", b"n"))
    last = sent(ledger, 3, NOW, "included")
    prune(ledger)
    assert kept(ledger) == {last: b"signed"}
    assert ledger._db.execute("SELECT count(*) FROM messages WHERE status <> 'waiting'").fetchone()[0] == 0


def test_reports_keep_their_place(ledger: Ledger) -> None:
    """Of an old transaction with a report its hash, height and fee stay for the timeline; the bytes, most of
    which were heartbeats, go."""
    told = sent(
        ledger, 1, OLD, "included", Message("report", "JOB-1", b"r", "queued"), Message("node", "a.n1", b"n")
    )
    last = sent(ledger, 2, NOW, "included")
    prune(ledger)
    assert kept(ledger) == {told: b"", last: b"signed"}
    (row,) = ledger.messages_of("JOB-1")
    assert (row.tx_hash, row.height, row.fee, row.body) == (told, 1, 5, b"r")


def test_what_is_open_or_the_last_stays_whole(ledger: Ledger) -> None:
    """However long the daemon rested: the open one is sent again as signed, and the newest in a block shows
    the key's public half."""
    first = sent(ledger, 1, OLD, "included", Message("node", "a.n1", b"n"))
    opened = sent(ledger, 2, OLD, "open", Message("report", "JOB-1", b"r", "queued"))
    prune(ledger)
    assert kept(ledger) == {first: b"signed", opened: b"signed"}
    assert a_transaction_of_each_key(ledger) == [b"signed"]


def test_a_week_stays(ledger: Ledger) -> None:
    """For so long a comparison can tell our own transactions from a stranger's."""
    hashes = frozenset(
        sent(ledger, number, NOW - reconciliation.KEEP_SECONDS + number, "included") for number in (1, 2)
    )
    prune(ledger)
    assert reconciliation.txs_since(ledger, KEY, 0) == (frozenset({1, 2}), hashes)


def test_a_backlog_goes_in_parts(ledger: Ledger) -> None:
    """The first time after an upgrade there may be millions: no single commit holds up the loops."""
    for number in range(1, 6):
        sent(ledger, number, OLD, "included")
    left = []
    for _ in range(3):
        prune(ledger, count=2)
        left.append(len(kept(ledger)))
    assert left == [3, 1, 1]


def test_bytes_that_were_forgotten_can_be_sent_again(ledger: Ledger) -> None:
    """The same bytes made anew open the same row, whole."""
    sent(ledger, 1, OLD, "failed", Message("report", "JOB-1", b"r", "queued"))
    sent(ledger, 2, OLD, "included")
    with ledger.write():
        ledger._db.execute("UPDATE txs SET tx_bytes = x''")
        again = ledger.add_tx(OpenTx(0, KEY, "HASH1", b"signed", 1, 9, 5, NOW), [])
    assert again.tx_bytes == b"signed"


def test_fees_of_a_day(ledger: Ledger) -> None:
    """What was paid since a moment, by that key, for what is in a block; another's and older ones do not
    count."""
    sent(ledger, 1, 10.0, "included")
    sent(ledger, 2, 20.0, "included")
    sent(ledger, 3, 30.0, "expired")
    assert figures.fees_lately(ledger, KEY, 15.0) == (5, 20.0)
    assert figures.fees_lately(ledger, "ve1other", 15.0) == (0, 0.0)


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize("file", ["queries.sql", "figures.sql", "listing.sql"])
def test_no_loop_reads_everything(path: Path, file: str) -> None:
    """By SQLite's own plan: no table that grows with the jobs that ever were is read from end to end."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        for name, query in sql.load(file).items():
            values = dict.fromkeys(re.findall(r":(\w+)", query), 1)
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}", values)]
            scans = [line for line in plan if line.startswith("SCAN") and not SMALL & set(line.split())]
            assert not scans or name in ONCE, (name, plan)
