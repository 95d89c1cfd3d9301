"""What is read at a scrape: each family explains itself, says what its source says, and has bounded
labels."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from provider_daemon import __version__
from provider_daemon.job.leases import Lease, LeaseState
from provider_daemon.job.state import State
from provider_daemon.job.usage import Usage
from provider_daemon.ledger import leases, reconciliation
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.metrics.catalog import CATALOG, LEASES, MetricKind
from provider_daemon.metrics.collector import DaemonCollector
from provider_daemon.money.bill import bill
from provider_daemon.ongoing import OngoingProblems
from provider_daemon.ports import EndpointState
from tests.fakes.chain import FakeClock
from tests.unit.job.jobs import JOB
from tests.unit.metrics.parts import HOSTILE, Endpoint, Health, Ssh, fill, parts

LOOPS = (
    Health("intake", ticks=3, last_success=70.0, tick_since=71.0),
    Health("advance:alpha", failure=HOSTILE, death="the loop has ended"),
)


def scrape(ledger: Ledger, path: Path, **more: object) -> CollectorRegistry:
    made = CollectorRegistry()
    ongoing = OngoingProblems()
    ongoing.start("chain_halted", "chain-1", 5.0)
    ongoing.start("accounting_down", "alpha", 5.0)
    ongoing.clear("accounting_down", "alpha")
    values: dict[str, object] = {
        "ongoing": ongoing,
        "endpoints": lambda: [
            Endpoint(),
            Endpoint("b:1", state=EndpointState.CATCHING_UP),
            Endpoint("c:1", checked_at=800.0),
            Endpoint("d:1", state=EndpointState.UNREACHABLE, checked_at=0.0),
        ],
        "rpcs": {"HPC-1": lambda: 12},
        "ssh": {"HPC-1": Ssh()},
        **more,
    }
    made.register(DaemonCollector(parts(ledger, path, *LOOPS, **values)))
    return made


def test_the_catalog_keeps_to_prometheus_conventions() -> None:
    """Prefix, base units, _total for counters and nothing else; help texts; a name once; labels without free
    text."""
    assert len({family.name for family in CATALOG}) == len(CATALOG)
    for family in CATALOG:
        assert re.fullmatch(r"provd(_[a-z]+)+", family.name)
        assert family.help.endswith(".")
        assert family.name.endswith("_total") == (family.kind is MetricKind.COUNTER)
        assert bool(family.buckets) == (family.kind is MetricKind.HISTOGRAM)
        assert not re.search(r"_(ms|milliseconds|minutes|hours|mb|mib|percent)(_|$)", family.name)
        assert not {"job", "job_id", "why", "message", "error_text"} & set(family.labels)


def test_each_family_is_there_in_an_empty_ledger(ledger: Ledger, path: Path) -> None:
    """With its help, whatever it has a value for yet."""
    found = {family.name for family in scrape(ledger, path, endpoints=tuple).collect()}
    assert found == {family.name.removesuffix("_total") for family in CATALOG}


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("provd_build_info", {"version": __version__}, 1),
        ("provd_config_last_reload_successful", {}, 1),
        ("provd_config_last_reload_success_timestamp_seconds", {}, 3),
        ("provd_jobs", {"cluster": "HPC-1", "state": "running"}, 2),
        ("provd_jobs", {"cluster": "HPC-1", "state": "queued"}, 1),
        ("provd_jobs", {"cluster": "HPC-1", "state": "completed"}, 0),
        ("provd_jobs_parked", {"cluster": "HPC-1", "reason": "unknown_state"}, 1),
        ("provd_jobs_parked", {"cluster": "HPC-1", "reason": "other"}, 1),
        ("provd_jobs_parked", {"cluster": "HPC-1", "reason": "missing"}, 0),
        ("provd_jobs_quarantined", {}, 1),
        ("provd_outbox_messages", {"signer": "ve1p", "kind": "report"}, 2),
        ("provd_outbox_messages", {"signer": "ve1p", "kind": "node"}, 1),
        ("provd_outbox_messages", {"signer": "ve1p", "kind": "cluster"}, 0),
        ("provd_outbox_oldest_timestamp_seconds", {"signer": "ve1p", "kind": "report"}, 5),
        ("provd_outbox_oldest_timestamp_seconds", {"signer": "ve1p", "kind": "cluster"}, None),
        ("provd_chain_height", {"endpoint": "127.0.0.1:9090"}, 7),
        ("provd_chain_block_timestamp_seconds", {"endpoint": "127.0.0.1:9090"}, 5),
        ("provd_chain_endpoint", {"endpoint": "127.0.0.1:9090", "state": "healthy"}, 1),
        ("provd_chain_endpoint", {"endpoint": "b:1", "state": "catching_up"}, 1),
        ("provd_chain_endpoint", {"endpoint": "b:1", "state": "healthy"}, 0),
        ("provd_chain_height", {"endpoint": "b:1"}, None),
        ("provd_chain_height", {"endpoint": "c:1"}, None),
        ("provd_chain_endpoint", {"endpoint": "c:1", "state": "healthy"}, None),
        ("provd_chain_endpoint", {"endpoint": "d:1", "state": "unreachable"}, 1),
        ("provd_slurm_rpcs_total", {"cluster": "HPC-1"}, 12),
        ("provd_ssh_connects_total", {"cluster": "HPC-1", "outcome": "connected"}, 2),
        ("provd_ssh_connects_total", {"cluster": "HPC-1", "outcome": "login_refused"}, 1),
        ("provd_ssh_connects_total", {"cluster": "HPC-1", "outcome": "host_key_mismatch"}, 0),
        ("provd_ssh_login_problem", {"cluster": "HPC-1", "cause": "second_factor"}, 1),
        ("provd_ssh_channels_total", {"cluster": "HPC-1"}, 9),
        ("provd_ssh_channels_refused_total", {"cluster": "HPC-1"}, 3),
        ("provd_ssh_channels_open", {"cluster": "HPC-1"}, 1),
        ("provd_loop_last_success_timestamp_seconds", {"loop": "intake"}, 70),
        ("provd_loop_last_success_timestamp_seconds", {"loop": "advance:alpha"}, 0),
        ("provd_loop_failing", {"loop": "intake"}, 0),
        ("provd_loop_failing", {"loop": "advance:alpha"}, 1),
        ("provd_loop_alive", {"loop": "intake"}, 1),
        ("provd_loop_alive", {"loop": "advance:alpha"}, 0),
        ("provd_loop_ticks_total", {"loop": "intake"}, 4),
        ("provd_loop_ticks_total", {"loop": "advance:alpha"}, 0),
        ("provd_trouble", {"what": "chain_halted", "subject": "chain-1"}, 1),
        ("provd_trouble", {"what": "accounting_down", "subject": "alpha"}, None),
        ("provd_reconciliation_differences", {"severity": "high"}, None),
        ("provd_reconciliation_last_timestamp_seconds", {}, None),
    ],
)
def test_values_are_their_sources(
    ledger: Ledger, path: Path, name: str, labels: dict[str, str], value: float | None
) -> None:
    """Each is what the ledger, the loops and the adapters hold at the moment of asking."""
    fill(ledger)
    assert scrape(ledger, path).get_sample_value(name, labels) == value


def test_users_of_a_pool(ledger: Ledger, path: Path) -> None:
    """Each cluster with a pool has all states; a cluster without one has no series."""
    with ledger.write():
        leases.save(
            ledger, [Lease("HPC-1", "u1", "ve1a", 1.0, confirmed_at=2.0), Lease("HPC-1", "u2", "ve1b", 1.0)]
        )
    found = scrape(ledger, path, clusters=["HPC-1", "HPC-2"], pools=["HPC-1"])
    counts = {
        state: found.get_sample_value("provd_pool_users", {"cluster": "HPC-1", "state": state})
        for state in LEASES
    }
    assert counts == {**dict.fromkeys(LEASES, 0.0), LeaseState.LEASED: 1.0, LeaseState.CLAIMING: 1.0}
    assert found.get_sample_value("provd_pool_users", {"cluster": "HPC-2", "state": "leased"}) is None


def test_ledger_sizes(ledger: Ledger, path: Path) -> None:
    """The file and what is left beside it."""
    found = scrape(ledger, path)
    assert (found.get_sample_value("provd_ledger_size_bytes") or 0) >= path.stat().st_size > 0
    assert (found.get_sample_value("provd_ledger_disk_free_bytes") or 0) > 0


def test_differences_are_those_of_the_last_comparison(ledger: Ledger, path: Path) -> None:
    """One a severity, also where nothing was found."""
    with ledger.write():
        reconciliation.save(ledger, {"low": 0, "high": 2}, ["JOB-1"], 5.0)
    found = scrape(ledger, path)
    assert [
        found.get_sample_value("provd_reconciliation_differences", {"severity": severity})
        for severity in ("low", "high")
    ] == [0, 2]
    assert found.get_sample_value("provd_reconciliation_last_timestamp_seconds") == 5


def test_unsettled_is_what_ended_jobs_cost_until_it_is_confirmed(ledger: Ledger, path: Path) -> None:
    """A job counts from its last word until the chain has it, and no longer."""
    used = Usage(wall_clock_seconds=3600, cpu_core_seconds=36_000, nodes_used=1)
    ended = replace(JOB, state=State.COMPLETED, reported=State.RUNNING, usage=used)
    labels = {"cluster": "HPC-1", "denom": "uvirt"}
    found = scrape(ledger, path)
    assert found.get_sample_value("provd_unsettled", labels) == 0
    with ledger.write():
        ledger.save_job(ended)
    assert [found.get_sample_value("provd_unsettled", labels) for _ in range(2)] == [bill(used).total] * 2
    with ledger.write():
        ledger.save_job(replace(ended, reported=State.COMPLETED))
    assert found.get_sample_value("provd_unsettled", labels) == 0


def test_values_do_not_outlive_their_source(ledger: Ledger, path: Path) -> None:
    """A state that no open job is in any more is 0, not what it was."""
    fill(ledger)
    found, running = scrape(ledger, path), {"cluster": "HPC-1", "state": "running"}
    assert found.get_sample_value("provd_jobs", running) == 2
    with ledger.write():
        for job in ledger.open_jobs("HPC-1"):
            ledger.save_job(replace(job, closed_at=9.0))
    assert found.get_sample_value("provd_jobs", running) == 0


def test_labels_are_bounded(ledger: Ledger, path: Path) -> None:
    """No text of a customer or of an error becomes a label, so no series is made by them."""
    fill(ledger)
    labels = [sample.labels for family in scrape(ledger, path).collect() for sample in family.samples]
    assert {name for each in labels for name in each} <= {
        name for family in CATALOG for name in family.labels
    }
    assert not any("forged" in value or "JOB" in value for each in labels for value in each.values())


def test_endpoint_that_nobody_asked_yet_says_nothing(ledger: Ledger, path: Path) -> None:
    found = scrape(
        ledger,
        path,
        endpoints=lambda: [Endpoint(height=0, state=EndpointState.UNREACHABLE, checked_at=0.0)],
        clock=FakeClock(1000.0),
    )
    assert (
        found.get_sample_value("provd_chain_endpoint", {"endpoint": "127.0.0.1:9090", "state": "unreachable"})
        is None
    )
