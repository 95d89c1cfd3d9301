"""The overview: the ledger's rows and the daemon's word as what is shown, no stranger's text as anything but
text."""

from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.job.job import Job
from provider_daemon.job.maintenance import Window, WindowSource
from provider_daemon.job.parking import Parked, ParkReason
from provider_daemon.job.state import State
from provider_daemon.job.usage import Usage
from provider_daemon.ledger import listing, maintenance, meta, nodes
from provider_daemon.ledger.books import BookedJob
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ledger.pause import Pause
from provider_daemon.ledger.rows import OpenTx, SetAside, Waiting
from provider_daemon.money.account import Accounted
from provider_daemon.money.job_bill import expected_bill
from provider_daemon.nodes.condition import FailedGpus
from provider_daemon.nodes.hold import HoldSource, NodeHold
from provider_daemon.status.cluster_line import notes
from provider_daemon.status.job_status import JobStatus, standing, why
from provider_daemon.status.overview import Count, DaemonStatus, line, overview
from provider_daemon.status.units import LONGEST
from tests.unit.job.jobs import JOB
from tests.unit.metrics.parts import fill

TWICE = Parked(ParkReason.SEVERAL, "twice in squeue")
QUEUED = replace(JOB, state=State.QUEUED, reported=State.QUEUED, slurm_id="7")
OVER = replace(
    QUEUED,
    state=State.FAILED,
    reported=State.RUNNING,
    usage=Usage(),
    settled_at=5.0,
    message="SLURM: FAILED, exit code 1",
)

STANDINGS: list[tuple[Job, JobStatus, str]] = [
    (JOB, JobStatus.WAITING, "waiting for submission"),
    (replace(JOB, intent_at=5.0, attempt=1), JobStatus.WAITING, "submitted; searching for its SLURM job"),
    (QUEUED, JobStatus.WAITING, "pending in SLURM"),
    (
        replace(QUEUED, hopeless_since=5.0),
        JobStatus.WAITING,
        "pending in SLURM for a permanent reason; cancelled after 120 s",
    ),
    (
        replace(QUEUED, missing_since=5.0),
        JobStatus.WAITING,
        "not found in SLURM at the last poll; checking again",
    ),
    (replace(QUEUED, state=State.RUNNING), JobStatus.RUNNING, "waiting for the chain to confirm running"),
    (replace(QUEUED, state=State.RUNNING, reported=State.RUNNING), JobStatus.RUNNING, ""),
    (
        replace(QUEUED, refused="no such partition"),
        JobStatus.WAITING,
        "refused, being ended: no such partition",
    ),
    (replace(QUEUED, parked=TWICE), JobStatus.PARKED, "parked (several): twice in squeue"),
    (
        replace(QUEUED, reported=State.CANCELLED),
        JobStatus.ENDING,
        "cancelled on chain; cancelling its SLURM job",
    ),
    (
        replace(OVER, settled_at=None),
        JobStatus.ENDING,
        "failed; the report waits for the manifest of the results",
    ),
    (OVER, JobStatus.ENDING, "waiting for the chain to confirm failed"),
    (replace(OVER, reported=State.FAILED), JobStatus.ENDING, "ended; closed at the next tick"),
    (replace(OVER, reported=State.FAILED, closed_at=9.0), JobStatus.ENDED, "SLURM: FAILED, exit code 1"),
]


@pytest.mark.parametrize(("job", "stands", "because"), STANDINGS)
def test_where_a_job_stands_and_why(job: Job, stands: JobStatus, because: str) -> None:
    """One word, and what it waits for or how it ended."""
    assert (standing(job), why(job)) == (stands, because)


@pytest.mark.parametrize(
    ("job", "because"),
    [
        (JOB, "SLURM does not answer; waiting for submission"),
        (replace(QUEUED, state=State.RUNNING, reported=State.RUNNING), "SLURM does not answer"),
        (replace(OVER, usage=None), "SLURM does not answer; waiting for the chain to confirm failed"),
        (OVER, "waiting for the chain to confirm failed"),
        (replace(QUEUED, parked=TWICE), "parked (several): twice in squeue"),
        (replace(OVER, reported=State.FAILED, closed_at=9.0), "SLURM: FAILED, exit code 1"),
    ],
)
def test_why_while_slurm_is_silent(job: Job, because: str) -> None:
    """What waits for SLURM says that it does not answer; what needs no more of SLURM does not."""
    assert why(job, silent=True) == because


def test_a_silent_cluster_concerns_its_own_jobs(ledger: Ledger) -> None:
    fill(ledger)
    rows = listing.read(ledger)
    for silent, said in (("HPC-1", True), ("HPC-2", False)):
        found = overview(rows, DaemonStatus("9.9", (), (), (), (), silent=(silent,)), 1000.0)
        assert any(each.why.startswith("SLURM does not answer") for each in found.jobs) is said


def accounted(job: Job, **changes: object) -> BookedJob:
    spec = job.spec
    account = Accounted(
        spec.job_id, spec.cluster_id, "OFF-1", spec.queue, "ve1p", spec.customer, "completed", 1, 1, 2
    )
    return BookedJob(replace(account, **changes), None, None)  # type: ignore[arg-type]


def test_price_and_paid() -> None:
    """At most the estimate; with its usage known the bill; then what the chain billed, and paid or not."""
    asked = replace(JOB, estimate=500, escrowed=10**9)
    used = replace(asked, usage=Usage(wall_clock_seconds=3600, cpu_core_seconds=7200, node_hours=1))
    found = [
        line(1, asked),
        line(1, used),
        line(1, used, (), accounted(used)),
        line(1, used, (), accounted(used, status="pending", total=77)),
        line(1, used, (), accounted(used, status="settled", total=77, settled_at=9)),
    ]
    bill = expected_bill(used).total
    assert bill > 500
    assert [(each.price, each.paid) for each in found] == [
        (500, None),
        (bill, None),
        (bill, None),
        (77, 0),
        (77, 77),
    ]
    assert (found[0].customer, found[0].nodes, found[0].price_denom) == (JOB.spec.customer, 1, "uvirt")


def test_nodes_that_are_not_sold(ledger: Ledger) -> None:
    """A few are named, a whole node before its GPUs, and the rest is counted."""
    with ledger.write():
        ledger.set(meta.SERVED, "HPC-1 HPC-2")
        ledger.set(
            meta.failed_gpus("HPC-1"), {"n0": FailedGpus(4, {0: 0.0, 2: 9.0}), "n1": FailedGpus(1, {0: 0.0})}
        )
        for number in range(1, 5):
            hold = NodeHold("HPC-1", f"n{number}", HoldSource.HEALTH, 1.0, "slurmd is not running")
            nodes.hold(ledger, hold)
    (found,) = overview(listing.read(ledger), None, 9.0).clusters
    assert list(notes(found, 9.0)) == [
        "2 failed GPUs of n0 not sold",
        "n1 is not sold: slurmd is not running",
        "n2 is not sold: slurmd is not running",
        "2 more; see provd node list",
    ]


def test_what_keeps_clusters_from_accepting_jobs(ledger: Ledger) -> None:
    """A pause, a silent SLURM, and maintenance that is not over; other clusters are not listed."""
    with ledger.write():
        ledger.set(meta.SERVED, "HPC-1 HPC-2 HPC-3")
        ledger.set(meta.pause("HPC-1"), Pause("upgrade", "carol", 400.0))
        for start, end in ((100, 200), (900, 1100), (5000, 6000)):
            maintenance.add(ledger, "HPC-2", Window(WindowSource.OPERATOR, start, end))
    found = overview(listing.read(ledger), None, 1000.0)
    assert [(each.cluster, each.paused_by, len(each.maintenance)) for each in found.clusters] == [
        ("HPC-1", "carol", 0),
        ("HPC-2", "", 2),
    ]
    assert [each.in_maintenance for each in found.clusters] == [False, True]
    assert [list(notes(each, 1000.0)) for each in found.clusters] == [
        ["paused by carol 10 min ago: upgrade; draining on chain"],
        [str(Window(WindowSource.OPERATOR, *times)) for times in ((900, 1100), (5000, 6000))],
    ]
    with ledger.write():
        ledger.set(meta.pause("HPC-1"), Pause("upgrade", "carol", 400.0, over=True))
    silent = overview(
        listing.read(ledger), DaemonStatus("9.9", (), (), (), (), silent=("HPC-3",)), 1000.0
    ).clusters
    assert list(notes(silent[0], 1000.0)) == ["resumed; the chain still shows it as draining"]
    assert list(notes(silent[2], 1000.0)) == ["SLURM does not answer"]


def test_everything_of_the_ledger(ledger: Ledger) -> None:
    """Counts of open jobs with the parked ones apart, the newest job first, what waits, what was set
    aside."""
    fill(ledger)
    seen = overview(listing.read(ledger), None, 1000.0)
    assert (seen.at, seen.total, seen.daemon) == (1000.0, 6, None)
    assert seen.counts == (
        Count("HPC-1", "parked", 2),
        Count("HPC-1", "running", 2),
        Count("HPC-1", "waiting", 1),
    )
    assert [job.job_id for job in seen.jobs] == [f"JOB-{number}" for number in range(6, 0, -1)]
    assert [job.job_id for job in seen.parked] == ["JOB-5", "JOB-4"]
    assert set(seen.waiting) == {Waiting("ve1p", "node", 1, 7.0), Waiting("ve1p", "report", 2, 5.0)}
    assert seen.set_aside == (SetAside("JOB-9", 'x"}\\nprovd_jobs{cluster="forged"} 1', 1.0),)
    assert [(tx.tx_hash, tx.status, tx.fee) for tx in seen.transactions] == [("BB", "open", 5)]


def test_an_old_parked_job_is_shown_however_many_came_after_it(ledger: Ledger) -> None:
    """It waits for the operator, who does not page for it."""
    with ledger.write():
        for number in range(1, 302):
            spec = replace(JOB.spec, job_id=f"JOB-{number}", created_ns=number)
            ledger.save_job(
                replace(
                    JOB,
                    spec=spec,
                    parked=TWICE if number == 1 else None,
                    closed_at=None if number == 1 else 5.0,
                )
            )
    seen = overview(listing.read(ledger), None, 1000.0)
    assert len(seen.jobs) == 200
    assert [job.job_id for job in seen.parked] == ["JOB-1"]


def test_only_the_last_transactions(ledger: Ledger) -> None:
    for number in range(30):
        with ledger.write():
            ledger.close_tx(
                ledger.add_tx(OpenTx(0, "ve1p", f"{number}", b"", number, 9, 5, 1.0), []),
                "included",
                height=3,
            )
    seen = overview(listing.read(ledger), None, 1000.0)
    assert [tx.tx_hash for tx in seen.transactions] == [str(number) for number in range(29, 9, -1)]


@given(st.text())
def test_every_text_is_one_short_printable_line(text: str) -> None:
    """Whatever a customer, SLURM or the chain wrote."""
    workload = replace(JOB.spec.workload, command=text)
    job = replace(JOB, spec=replace(JOB.spec, queue=text, workload=workload), message=text)
    shown = asdict(line(1, replace(job, parked=Parked(ParkReason.OTHER, text))))
    for value in shown.values():
        assert not isinstance(value, str) or (value.isprintable() and len(value) <= LONGEST)
