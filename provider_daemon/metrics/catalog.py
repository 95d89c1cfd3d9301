"""Every metric that provd exports, in one place. Values are read when Prometheus asks, so none outlives its source.

Labels are bounded: cluster names, states, loop names, key addresses, endpoints, event words. No free text.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from provider_daemon import __version__
from provider_daemon.ledger import comparison
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.troubles import Troubles


class LoopHealth(Protocol):
    """What is exported of a loop. `last_success` and `tick_since` in seconds since the epoch, 0 before the first and between ticks."""

    name: str
    ticks: int
    last_success: float
    tick_since: float
    failure: str


class LedgerCollector(Collector):
    """Counts what the ledger holds and how the loops fare."""

    def __init__(self, ledger: Ledger, loops: Sequence[LoopHealth], troubles: Troubles) -> None:
        self._ledger = ledger
        self._loops = loops
        self._troubles = troubles

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("provd_build", "Version of the daemon.", value={"version": __version__})
        yield from self._jobs()
        yield from self._outbox()
        yield self._txs()
        yield from self._health()
        yield self._lasting()
        yield self._differences()

    def _jobs(self) -> Iterator[Metric]:
        jobs = GaugeMetricFamily("provd_jobs", "Open jobs by cluster and state.", labels=["cluster", "state"])
        parked = GaugeMetricFamily("provd_jobs_parked", "Jobs that wait for an operator.", labels=["cluster"])
        waiting: dict[str, int] = {}
        for row in self._ledger.count_open_jobs():
            if row["parked"]:
                waiting[row["cluster_id"]] = waiting.get(row["cluster_id"], 0) + row["jobs"]
            else:
                jobs.add_metric([row["cluster_id"], row["state"]], row["jobs"])
        for cluster, count in waiting.items():
            parked.add_metric([cluster], count)
        yield from (jobs, parked)
        yield GaugeMetricFamily("provd_jobs_quarantined", "Unreadable chain records set aside.", value=len(self._ledger.quarantined()))

    def _outbox(self) -> Iterator[Metric]:
        size = GaugeMetricFamily("provd_outbox_messages", "Messages that the chain has not confirmed.", labels=["signer", "kind"])
        oldest = GaugeMetricFamily(
            "provd_outbox_oldest_timestamp_seconds", "When the oldest of them was stored.", labels=["signer", "kind"]
        )
        for row in self._ledger.count_waiting():
            size.add_metric([row["signer"], row["kind"]], row["messages"])
            oldest.add_metric([row["signer"], row["kind"]], row["oldest"])
        yield from (size, oldest)

    def _txs(self) -> Metric:
        txs = CounterMetricFamily("provd_txs", "Transactions by outcome.", labels=["status"])
        for row in self._ledger.count_txs():
            txs.add_metric([row["status"]], row["txs"])
        return txs

    def _differences(self) -> Metric:
        """Of the last comparison; no value before the first one."""
        help_text = "What SLURM, ledger and chain differed in when they were last compared."
        found = GaugeMetricFamily("provd_reconciliation_differences", help_text, labels=["severity"])
        for severity, count in comparison.last_counts(self._ledger).items():
            found.add_metric([severity], count)
        return found

    def _health(self) -> Iterator[Metric]:
        success = GaugeMetricFamily("provd_loop_last_success_timestamp_seconds", "When the loop's last good tick ended.", labels=["loop"])
        failing = GaugeMetricFamily("provd_loop_failing", "1 while the loop's last tick failed.", labels=["loop"])
        since = GaugeMetricFamily(
            "provd_loop_tick_start_timestamp_seconds", "When the tick under way began; 0 between ticks.", labels=["loop"]
        )
        ticks = CounterMetricFamily("provd_loop_ticks", "Ticks that ended, well or badly.", labels=["loop"])
        for loop in self._loops:
            success.add_metric([loop.name], loop.last_success)
            failing.add_metric([loop.name], 1.0 if loop.failure else 0.0)
            since.add_metric([loop.name], loop.tick_since)
            ticks.add_metric([loop.name], loop.ticks)
        yield from (success, failing, since, ticks)

    def _lasting(self) -> Metric:
        lasting = GaugeMetricFamily(
            "provd_trouble",
            "1 while it lasts; `what` is the log event that told of it, `subject` whom it concerns.",
            labels=["what", "subject"],
        )
        for what, subject in self._troubles.lasting():
            lasting.add_metric([what, subject], 1.0)
        return lasting
