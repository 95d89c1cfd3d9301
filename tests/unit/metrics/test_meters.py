"""Sums since the start, and values that go stale."""

from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector

from provider_daemon.metrics.catalog import CHAIN_ERRORS, SLURM_NODES, SUBMISSION_LATENCY
from provider_daemon.metrics.meters import Meters


def shown(meters: Meters, name: str, *, at: float = 0.0, **labels: str) -> float | None:
    class Shown(Collector):
        def collect(self):  # type: ignore[no-untyped-def]
            return meters.collect(at)

    registry = CollectorRegistry()
    registry.register(Shown())
    return registry.get_sample_value(name, labels)


def test_counters_begin_at_zero_and_add_up() -> None:
    """A series that Prometheus first sees at 1 would hide the event that made it."""
    meters = Meters()
    meters.begin(CHAIN_ERRORS, "down")
    assert shown(meters, "provd_chain_call_errors_total", error="down") == 0
    meters.inc(CHAIN_ERRORS, "down")
    meters.inc(CHAIN_ERRORS, "down", amount=2.5)
    assert shown(meters, "provd_chain_call_errors_total", error="down") == 3.5


def test_histograms_count_up_to_each_bound() -> None:
    """A value on a bound is within it; what is beyond all is in +Inf; a negative one counts as 0."""
    meters = Meters()
    for value in (-1.0, 5.0, 6.0, 5000.0):
        meters.observe(SUBMISSION_LATENCY, value, "HPC-1")
    name = "provd_submission_latency_seconds"
    found = {
        bound: shown(meters, f"{name}_bucket", le=bound, cluster="HPC-1")
        for bound in ("5.0", "15.0", "900.0", "+Inf")
    }
    assert found == {"5.0": 2, "15.0": 3, "900.0": 3, "+Inf": 4}
    assert (
        shown(meters, f"{name}_count", cluster="HPC-1"),
        shown(meters, f"{name}_sum", cluster="HPC-1"),
    ) == (4, 5011)


def test_what_was_told_goes_stale() -> None:
    """Absent from the moment on from which nobody knows, not the last value for ever."""
    meters = Meters()
    meters.set(SLURM_NODES, 4, "HPC-1", "usable", until=100.0)
    assert shown(meters, "provd_slurm_nodes", at=99.0, cluster="HPC-1", state="usable") == 4
    assert shown(meters, "provd_slurm_nodes", at=100.0, cluster="HPC-1", state="usable") is None
