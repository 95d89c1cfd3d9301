"""The customers' policy of a cluster now: that of the configuration, and what operators changed since."""

from dataclasses import replace

from provider_daemon.job.customer_limits import CustomerPolicy
from provider_daemon.ledger import meta
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.loops.cluster import ServedCluster


def current(ledger: Ledger, served: ServedCluster) -> CustomerPolicy:
    pause = ledger.get(meta.pause(served.cluster_id))
    return replace(served.customers, paused=pause is not None and not pause.over)
