"""The gas and fees of provd's own transactions. Pure.

The figures are the devnet's, as tests/unit/loops/test_planned_gas.py measures them.
"""

from collections.abc import Iterable

from provider_daemon.planning.heartbeats import STALE_SECONDS, interval, patience

GAS_ADJUSTMENT = 1.2  # requested gas by used gas; fees are paid for requested gas
TX_GAS = 45_700  # of a transaction, without its messages
NODE_GAS = 58_100  # of one node's heartbeat
REPORT_GAS = 34_000  # of one report of a small job; more for a larger one (docs/protocol.md, 'Gas')
DAY = 86_400
LEAST_SECONDS = 3600.0


def fee(gas: float, price: float) -> float:
    """Returns the fee of transactions that use this much gas, at a price for each unit of it."""
    return gas * GAS_ADJUSTMENT * price


def idle_gas(clusters: Iterable[tuple[int, float]]) -> float:
    """Returns the gas of a day in which no node changes and no job is reported.

    `clusters`: number of nodes and polling interval of each (`clusters.heartbeat_seconds`).
    """
    limit = patience(STALE_SECONDS, usable=True)
    return sum(
        DAY / interval(period, limit) * (TX_GAS + NODE_GAS * nodes) for nodes, period in clusters if nodes
    )


def daily_fees(paid: float, seconds: float, least: float) -> float:
    """Returns the fees of a day: at the rate of those `paid` in `seconds`, and not below `least`.

    A time of less than an hour has no rate: it may hold a single transaction. Doctor, metrics and status page
    compute the runway from it.
    """
    return max(paid / seconds * DAY if seconds >= LEAST_SECONDS else paid, least)
