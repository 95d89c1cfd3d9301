"""The audit's document, hash, summary and word."""

import json
from dataclasses import replace

from provider_daemon.chain.audit_marker import find, put
from provider_daemon.ledger import audit_summary
from provider_daemon.site_audit.document import Audit, document, sha256, summary, word
from provider_daemon.site_audit.verdicts import Judged, Verdict

CLOSED = Judged("gpus", "open GPUs", Verdict.CLOSED, "no GPU device is visible", "")
AUDIT = Audit(
    "HPC-1", 1_795_000_000.7, "22.05.8", "c" * 64, "shared", ("", ""), "image", "bwrap", "n1", (CLOSED,)
)


def test_exit_code() -> None:
    """0 only if every row is closed; an open row counts more than one that was not tried."""
    opened, untried = replace(CLOSED, verdict=Verdict.OPEN), replace(CLOSED, verdict=Verdict.NOT_TRIED)
    assert AUDIT.exit_code == 0
    assert replace(AUDIT, rows=(CLOSED, untried)).exit_code == 4
    assert replace(AUDIT, rows=(CLOSED, untried, opened)).exit_code == 3


def test_the_document_decides_the_hash() -> None:
    """It is plain JSON, and every fact of it is under the hash."""
    assert json.loads(json.dumps(document(AUDIT)))["rows"][0]["verdict"] == "closed"
    assert len(sha256(AUDIT)) == 64
    for other in (
        replace(AUDIT, node="n2"),
        replace(AUDIT, slurm_version="25.11.1"),
        replace(AUDIT, rows=(replace(CLOSED, verdict=Verdict.OPEN),)),
    ):
        assert sha256(other) != sha256(AUDIT)


def test_the_summary_is_kept_and_read_again() -> None:
    found = summary(AUDIT)
    assert audit_summary.load(audit_summary.dump(found)) == found
    assert audit_summary.dump(None) == ""
    assert audit_summary.load("") is None
    assert audit_summary.load('{"sha256": "x"}') is None
    assert audit_summary.load("{") is None


def test_the_word_for_customers() -> None:
    """What the audit prints is what the description accepts."""
    text = put("In Basel", str(word(summary(AUDIT))))
    assert find(text) == word(summary(AUDIT))
    assert text.startswith("In Basel site-audit=2026-11-18/1-0-0/")
