"""Disputes in the ledger."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from provider_daemon.ledger import disputes
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ports import Dispute, DisputeStatus

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@settings(max_examples=25, deadline=None)
@given(TEXTS, TEXTS, TEXTS, st.sampled_from(DisputeStatus), st.integers(0, 2**40))
def test_a_record_is_read_as_it_was_written(
    kind: str, reason: str, resolution: str, status: DisputeStatus, at: int
) -> None:
    """Whatever text the parties wrote; only undecided ones are open."""
    written = Dispute("hpc-dispute-2", "JOB-1", status, at, kind=kind, reason=reason, resolution=resolution)
    with tempfile.TemporaryDirectory() as directory:
        ledger = Ledger.open(Path(directory) / "ledger.sqlite")
        with ledger.write():
            disputes.save(ledger, written, "HPC-1")
        (known,) = disputes.newest(ledger, 5)
        assert known == disputes.KnownDispute(written, "HPC-1")
        assert len(disputes.still_open(ledger)) == int(status in ("pending", "under_review"))
        ledger.close()
