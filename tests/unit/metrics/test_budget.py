"""How many series a busy site makes, and what a scrape costs the loops."""

import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, generate_latest

from provider_daemon.chain.client import GrpcChain
from provider_daemon.job.parking import Parked, ParkReason
from provider_daemon.job.state import State
from provider_daemon.ledger import reconciliation
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ledger.rows import Message, job_to_row
from provider_daemon.metrics import catalog
from provider_daemon.metrics.agents import MeasuredAgents
from provider_daemon.metrics.chain import MeasuredChain
from provider_daemon.metrics.collector import DaemonCollector
from provider_daemon.metrics.ledger import begin
from provider_daemon.metrics.meters import Meters
from provider_daemon.metrics.scheduler import FOREVER, MeasuredScheduler
from provider_daemon.ongoing import OngoingProblems
from tests.fakes.agents import FakeAgents
from tests.fakes.chain import FakeClock
from tests.fakes.scheduler import FakeScheduler
from tests.unit.docs import page
from tests.unit.job.jobs import JOB
from tests.unit.metrics.parts import Endpoint, Health, Ssh, parts
from tools import metrics_reference
from tools.metrics_reference import SERIES

JOBS, BUDGET, SCRAPE_SECONDS = 10_000, 435, 1.0


@dataclass(frozen=True, slots=True)
class Site:
    """With everything wrong that can be at once, so that whatever can have a series has one.

    An endpoint that is unhealthy has fewer than one that is; the first loop that dies ends the daemon.
    """

    clusters: list[str]
    signers: list[str]
    endpoints: list[str]

    @property
    def loops(self) -> list[str]:
        each = ("advance", "heartbeat", "leases", "catalogue")
        by_cluster = [f"{what}:{cluster}" for cluster in self.clusters for what in each]
        return [
            "intake",
            "reconcile",
            "disputes",
            "books",
            "wallet",
            *by_cluster,
            *(f"outbox:{signer}" for signer in self.signers),
        ]

    def ongoing(self) -> OngoingProblems:
        found = OngoingProblems()
        for what, subjects in {
            "cancel_events_not_indexed": ["chain-1"],
            "chain_halted": ["chain-1"],
            "clocks_differ": ["chain-1"],
            "accounting_down": self.clusters,
            "wallet_empty": self.signers,
            "tx_refused": self.signers,
            "loop_dead": ["intake"],
        }.items():
            for subject in subjects:
                found.start(what, subject, 1.0)
        return found

    def meters(self) -> Meters:
        """All that the wrappers can ever show."""
        made, clock = Meters(), FakeClock()
        MeasuredChain(GrpcChain("test-1", [], clock), made, clock)
        begin(made, self.clusters, self.signers, "uve")
        made.set(catalog.CHAIN_SUCCESS, 1.0, until=FOREVER)
        made.set(catalog.GAS_PRICE, 1.0, "uve", until=FOREVER)
        for signer in self.signers:
            for family, labels in (
                (catalog.WALLET_BALANCE, ("uve",)),
                (catalog.WALLET_RUNWAY, ()),
                (catalog.OUTBOX_PROGRESS, ()),
            ):
                made.set(family, 1.0, signer, *labels, until=FOREVER)
        for cluster in self.clusters:
            MeasuredScheduler(FakeScheduler(clock), made, cluster, clock)
            made.set(catalog.SLURM_SUCCESS, 1.0, cluster, until=FOREVER)
            for state in catalog.NODE_STATES:
                made.set(catalog.SLURM_NODES, 1.0, cluster, state, until=FOREVER)
            MeasuredAgents(FakeAgents(clock), made, clock, lambda _: ()).facts(cluster)
        return made

    def crowd(self, ledger: Ledger, jobs: int) -> None:
        """Jobs in every state, some parked; everything waits; everything was compared."""
        states = list(State)
        with ledger.write():
            for number in range(jobs):
                parked = Parked(ParkReason.MISSING, f"SLURM job {number}") if number % 100 == 0 else None
                spec = replace(
                    JOB.spec, job_id=f"JOB-{number}", cluster_id=self.clusters[number % len(self.clusters)]
                )
                ledger._run(
                    "save_job",
                    **job_to_row(replace(JOB, spec=spec, state=states[number % len(states)], parked=parked)),
                )
                for kind in catalog.KINDS:
                    signer = self.signers[number % len(self.signers)]
                    ledger.add_message(signer, Message(kind, f"{kind}-{number}", b"x", "queued"), 5.0)
            reconciliation.save(ledger, dict.fromkeys(("low", "medium", "high", "critical"), 1), [], 5.0)

    def scrape(self, ledger: Ledger, path: Path) -> str:
        registry = CollectorRegistry()
        found = parts(
            ledger,
            path,
            *(Health(name, 1.0) for name in self.loops),
            meters=self.meters(),
            ongoing=self.ongoing(),
            clusters=self.clusters,
            pools=self.clusters,
            signers=self.signers,
            endpoints=lambda: [Endpoint(url) for url in self.endpoints],
            rpcs={cluster: lambda: 1 for cluster in self.clusters},
            ssh={cluster: Ssh() for cluster in self.clusters},
        )
        registry.register(DaemonCollector(found))
        for collector in (ProcessCollector, PlatformCollector):
            collector(registry=registry)
        generate_latest(registry)  # once, as every scrape but the first finds what it has read before
        began = time.process_time()
        text = generate_latest(registry).decode()
        assert time.process_time() - began < SCRAPE_SECONDS
        return text


def site(clusters: int, keys: int = 1, endpoints: int = 1) -> Site:
    return Site(
        [f"HPC-{number}" for number in range(1, clusters + 1)],
        [f"ve1{number}" for number in range(keys)],
        [f"127.0.0.1:{9090 + number}" for number in range(endpoints)],
    )


def series(text: str) -> int:
    return sum(not line.startswith("#") for line in text.splitlines())


@pytest.mark.parametrize(
    "place", [site(1), site(1, 1, 3), site(2), site(2, 1, 2)], ids=["1-1-1", "1-1-3", "2-1-1", "2-1-2"]
)
def test_series_at_10_000_jobs(ledger: Ledger, path: Path, place: Site) -> None:
    """All that one cluster or two can show at once is within the budget, and read in well under a second."""
    place.crowd(ledger, JOBS)
    text = place.scrape(ledger, path)
    assert series(text) <= BUDGET
    assert [family.name for family in catalog.CATALOG if f"\n{family.name}" not in text] == []


@pytest.mark.parametrize(
    ("clusters", "keys", "endpoints"), [(1, 1, 1), (2, 1, 1), (2, 2, 1), (2, 1, 2), (4, 3, 3)]
)
def test_series_by_the_documented_sum(
    ledger: Ledger, path: Path, clusters: int, keys: int, endpoints: int
) -> None:
    """What docs/metrics.md says of any site is what a scrape has."""
    place = site(clusters, keys, endpoints)
    place.crowd(ledger, 100)
    expected = (
        SERIES["daemon"]
        + SERIES["cluster"] * clusters
        + SERIES["key"] * keys
        + SERIES["endpoint"] * endpoints
    )
    assert series(place.scrape(ledger, path)) == expected


def test_series_do_not_grow_with_the_jobs(ledger: Ledger, path: Path) -> None:
    place = site(1)
    place.crowd(ledger, 100)
    before = series(place.scrape(ledger, path))
    place.crowd(ledger, 1000)
    assert series(place.scrape(ledger, path)) == before


def test_reference_is_the_catalog() -> None:
    """docs/metrics.md is what `make generate` writes."""
    assert page("metrics.md") == metrics_reference.text()
