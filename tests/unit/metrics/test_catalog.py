"""The metrics: each explains itself, says what the ledger says, and has bounded labels."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

from provider_daemon import __version__
from provider_daemon.job.state import State
from provider_daemon.ledger import comparison
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ledger.rows import Message, OpenTx
from provider_daemon.metrics.catalog import LedgerCollector
from provider_daemon.troubles import Troubles
from tests.unit.job.test_lifecycle import JOB

HOSTILE = 'x"}\nprovd_jobs{cluster="forged"} 1'
LABELS = {"cluster", "state", "signer", "kind", "status", "loop", "version", "what", "subject", "severity"}


@dataclass
class Health:
    name: str
    last_success: float = 0.0
    failure: str = ""
    tick_since: float = 0.0
    ticks: int = 0


LOOPS = (Health("intake", ticks=3, last_success=70.0, tick_since=71.0), Health("advance:alpha", failure=HOSTILE))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger.open(tmp_path / "ledger.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def registry(ledger: Ledger) -> CollectorRegistry:
    made = CollectorRegistry()
    troubles = Troubles()
    troubles.begins("chain_halted", "chain-1", 5.0)
    troubles.begins("accounting_down", "alpha", 5.0)
    troubles.ends("accounting_down", "alpha")
    made.register(LedgerCollector(ledger, LOOPS, troubles))
    return made


def fill(ledger: Ledger) -> None:
    """Four open jobs, one closed; three messages of two kinds; three transactions; one record set aside."""
    changes: list[dict[str, object]] = [
        {"state": State.RUNNING},
        {"state": State.RUNNING, "message": HOSTILE},
        {"state": State.QUEUED},
        {"state": State.QUEUED, "parked": HOSTILE},
        {"state": State.COMPLETED, "closed_at": 9.0},
    ]
    with ledger.write():
        for number, change in enumerate(changes, 1):
            ledger.save_job(replace(JOB, spec=replace(JOB.spec, job_id=f"JOB-{number}", queue=HOSTILE), **change))  # type: ignore[arg-type]
        ledger.add_message("ve1p", Message("report", "JOB-1", b"q", "queued"), 5.0)
        ledger.add_message("ve1p", Message("report", "JOB-1", b"r", "running"), 6.0)
        ledger.add_message("ve1p", Message("node", "alpha.n1", b"n"), 7.0)
        for number, status in enumerate(("included", "expired")):
            ledger.close_tx(ledger.add_tx(OpenTx(0, "ve1p", f"AA{number}", b"", number, 9, 5, 1.0), []), status)
        ledger.add_tx(OpenTx(0, "ve1p", "BB", b"", 2, 9, 5, 1.0), [])
        ledger.quarantine("JOB-9", HOSTILE, 1.0)


def families(registry: CollectorRegistry) -> list[Metric]:
    return list(registry.collect())


def test_each_family_explains_itself(registry: CollectorRegistry) -> None:
    """Every metric has a help text, and a name with our prefix; all are there in an empty ledger too."""
    found = families(registry)
    assert all(family.documentation.endswith(".") and family.name.startswith("provd_") for family in found)
    assert {family.name for family in found} == {
        "provd_build",
        "provd_jobs",
        "provd_jobs_parked",
        "provd_jobs_quarantined",
        "provd_reconciliation_differences",
        "provd_outbox_messages",
        "provd_outbox_oldest_timestamp_seconds",
        "provd_txs",
        "provd_loop_last_success_timestamp_seconds",
        "provd_loop_failing",
        "provd_loop_tick_start_timestamp_seconds",
        "provd_loop_ticks",
        "provd_trouble",
    }


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("provd_build_info", {"version": __version__}, 1),
        ("provd_jobs", {"cluster": "HPC-1", "state": "running"}, 2),
        ("provd_jobs", {"cluster": "HPC-1", "state": "queued"}, 1),
        ("provd_jobs", {"cluster": "HPC-1", "state": "completed"}, None),
        ("provd_jobs_parked", {"cluster": "HPC-1"}, 1),
        ("provd_jobs_quarantined", {}, 1),
        ("provd_outbox_messages", {"signer": "ve1p", "kind": "report"}, 2),
        ("provd_outbox_messages", {"signer": "ve1p", "kind": "node"}, 1),
        ("provd_outbox_oldest_timestamp_seconds", {"signer": "ve1p", "kind": "report"}, 5),
        ("provd_txs_total", {"status": "included"}, 1),
        ("provd_txs_total", {"status": "expired"}, 1),
        ("provd_txs_total", {"status": "open"}, 1),
        ("provd_loop_last_success_timestamp_seconds", {"loop": "intake"}, 70),
        ("provd_loop_last_success_timestamp_seconds", {"loop": "advance:alpha"}, 0),
        ("provd_loop_failing", {"loop": "intake"}, 0),
        ("provd_loop_failing", {"loop": "advance:alpha"}, 1),
        ("provd_loop_ticks_total", {"loop": "intake"}, 3),
        ("provd_loop_tick_start_timestamp_seconds", {"loop": "intake"}, 71),
        ("provd_loop_tick_start_timestamp_seconds", {"loop": "advance:alpha"}, 0),
        ("provd_trouble", {"what": "chain_halted", "subject": "chain-1"}, 1),
        ("provd_trouble", {"what": "accounting_down", "subject": "alpha"}, None),
    ],
)
def test_values_are_the_ledgers(
    ledger: Ledger, registry: CollectorRegistry, name: str, labels: dict[str, str], value: float | None
) -> None:
    """Each count is what the ledger and the loops hold at the moment of asking."""
    fill(ledger)
    assert registry.get_sample_value(name, labels) == value


def test_differences_are_those_of_the_last_comparison(ledger: Ledger, registry: CollectorRegistry) -> None:
    """No value before the first one; then one a severity, also where nothing was found."""
    assert registry.get_sample_value("provd_reconciliation_differences", {"severity": "high"}) is None
    with ledger.write():
        comparison.save(ledger, {"low": 0, "high": 2}, ["JOB-1"], 5.0)
    found = [registry.get_sample_value("provd_reconciliation_differences", {"severity": severity}) for severity in ("low", "high")]
    assert found == [0, 2]


def test_values_do_not_outlive_their_source(ledger: Ledger, registry: CollectorRegistry) -> None:
    """A state that no open job is in any more is not exported with its last value."""
    fill(ledger)
    running = {"cluster": "HPC-1", "state": "running"}
    assert registry.get_sample_value("provd_jobs", running) == 2
    with ledger.write():
        for job in ledger.open_jobs("HPC-1"):
            ledger.save_job(replace(job, closed_at=9.0))
    assert registry.get_sample_value("provd_jobs", running) is None


def test_labels_are_bounded(ledger: Ledger, registry: CollectorRegistry) -> None:
    """No text of a customer or of an error becomes a label, so no series is made by them."""
    fill(ledger)
    labels = [sample.labels for family in families(registry) for sample in family.samples]
    assert {name for each in labels for name in each} <= LABELS
    assert not any("forged" in value or "JOB" in value for each in labels for value in each.values())
