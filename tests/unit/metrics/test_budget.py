"""How many series a busy site makes, and what a scrape costs the loops."""

import time
from dataclasses import replace
from pathlib import Path

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, generate_latest

from provider_daemon.chain.client import GrpcChain
from provider_daemon.job.state import State
from provider_daemon.ledger import comparison
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ledger.rows import Message, job_to_row
from provider_daemon.metrics import catalog, reference
from provider_daemon.metrics.chain import MeasuredChain
from provider_daemon.metrics.collector import DaemonCollector
from provider_daemon.metrics.ledger import begin
from provider_daemon.metrics.meters import Meters
from provider_daemon.metrics.scheduler import FOREVER, MeasuredScheduler
from provider_daemon.troubles import Troubles
from tests.fakes.chain import FakeClock
from tests.fakes.scheduler import FakeScheduler
from tests.unit.docs import page
from tests.unit.job.test_lifecycle import JOB
from tests.unit.metrics.parts import Endpoint, Health, Ssh, parts

JOBS, SERIES, SCRAPE_SECONDS = 10_000, 300, 1.0
SIGNER = "ve1qxyqxyqxyqxyqxyqxyqxyqxyqxyqxyqxyqxyqxy"
LOOPS = [Health(name, 1.0) for name in (f"outbox:{SIGNER}", "advance:alpha", "heartbeat:alpha", "intake", "reconcile", "wallet")]


def crowd(ledger: Ledger) -> None:
    """Jobs in every state, some parked for each of many reasons; everything waits; everything was compared."""
    states = list(State)
    with ledger.write():
        for number in range(JOBS):
            parked = f"SLURM job {number} is in neither squeue nor sacct" if number % 100 == 0 else ""
            spec = replace(JOB.spec, job_id=f"JOB-{number}")
            ledger._run("save_job", **job_to_row(replace(JOB, spec=spec, state=states[number % len(states)], parked=parked)))
            for kind in ("report", "node"):
                ledger.add_message(SIGNER, Message(kind, f"JOB-{number}", b"x", "queued"), 5.0)
        ledger.add_message(SIGNER, Message("cluster", "HPC-1", b"x"), 5.0)
        comparison.save(ledger, dict.fromkeys(("low", "medium", "high", "critical"), 1), [], 5.0)


def everything(meters: Meters) -> None:
    """All that the wrappers can ever show for one cluster and one key."""
    clock = FakeClock()
    MeasuredChain(GrpcChain("test-1", [], clock), meters, clock)
    MeasuredScheduler(FakeScheduler(clock), meters, "HPC-1", clock)
    begin(meters, ["HPC-1"], [SIGNER], "uve")
    for family, labels in (
        (catalog.CHAIN_SUCCESS, [()]),
        (catalog.GAS_PRICE, [("uve",)]),
        (catalog.WALLET_BALANCE, [(SIGNER, "uve")]),
        (catalog.WALLET_RUNWAY, [(SIGNER,)]),
        (catalog.OUTBOX_PROGRESS, [(SIGNER,)]),
        (catalog.SLURM_SUCCESS, [("HPC-1", query) for query in catalog.QUERIES]),
        (catalog.SLURM_NODES, [("HPC-1", state) for state in catalog.NODE_STATES]),
    ):
        for each in labels:
            meters.tell(family, 1.0, *each, until=FOREVER)


def test_series_at_10_000_jobs(ledger: Ledger, path: Path) -> None:
    """Everything that one cluster, one key and one endpoint can show at once is within the budget, and read in well under a second."""
    crowd(ledger)
    meters, troubles = Meters(), Troubles()
    everything(meters)
    for what in ("accounting_down", "cancels_not_indexed", "chain_halted", "clocks_differ", "endpoint_not_believed", "wallet_empty"):
        troubles.begins(what, "alpha", 1.0)
    registry = CollectorRegistry()
    found = parts(
        ledger,
        path,
        *LOOPS,
        meters=meters,
        troubles=troubles,
        signers=[SIGNER],
        endpoints=lambda: [Endpoint()],
        rpcs={"HPC-1": lambda: 1},
        ssh={"HPC-1": Ssh()},
    )
    registry.register(DaemonCollector(found))
    for collector in (ProcessCollector, PlatformCollector):
        collector(registry=registry)
    text = generate_latest(registry).decode()
    began = time.process_time()
    series = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    assert time.process_time() - began < SCRAPE_SECONDS
    assert len(series) <= SERIES, len(series)
    print(len(series), time.process_time() - began)
    without = [family.name for family in catalog.CATALOG if f"\n{family.name}" not in text]
    assert without == []


def test_reference_is_the_catalog() -> None:
    """docs/metrics.md is what `python -m provider_daemon.metrics.reference` prints."""
    assert page("metrics.md") == reference.text()
