"""What a provider's operation costs in a day: transactions, fees, queries of SLURM, ledger. Pure.

Each figure comes with its formula, so that it can be checked and adapted. The gas figures are measured on the
devnet (`planning/gas.py`); the bytes of the ledger by tests/unit/loops/test_planned_size.py.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from provider_daemon.planning.gas import DAY, GAS_ADJUSTMENT, NODE_GAS, REPORT_GAS, TX_GAS, fee
from provider_daemon.planning.heartbeats import STALE_SECONDS, interval, patience

REPORTS = 3  # of a job: queued, running, and its end
TX_MESSAGES = 100  # at most, in one transaction
JOB_BYTES = 7_000  # of the ledger, for a job with its reports and timeline
RECORD_BYTES = 1_500  # of the ledger, for one signed usage record
RECORD_SECONDS = 300  # between two usage records of a running job
SBATCH_JOBS = 50  # at most, in one command


@dataclass(frozen=True, slots=True)
class Load:
    """What the site does in a day. `nodes_a_job` change with each start and end of a job."""

    nodes: int
    jobs: int
    nodes_a_job: float = 1.0
    hours_a_job: float = 1.0


@dataclass(frozen=True, slots=True)
class Pace:
    """Intervals in seconds: polls of SLURM, nodes and chain, and blocks. `gas_price` is in the fee denom."""

    poll: float
    heartbeat: float
    chain_poll: float
    block: float
    gas_price: float


@dataclass(frozen=True, slots=True)
class Figure:
    """`a_day` is in `unit`; `how` is the formula with its numbers."""

    what: str
    a_day: float
    unit: str
    how: str


def figures(load: Load, pace: Pace, denom: str) -> Iterator[Figure]:
    """Yields the figures in the order in which each builds on those before it."""
    refresh = interval(pace.heartbeat, patience(STALE_SECONDS, usable=True))
    kept_alive = load.nodes * DAY / refresh
    every_poll = load.nodes * DAY / pace.heartbeat
    changed = min(2 * load.jobs * load.nodes_a_job, every_poll)
    beats = min(kept_alive + changed, every_poll)
    yield Figure(
        "node heartbeats",
        beats,
        "messages",
        f"{load.nodes} nodes x {DAY} s / {refresh:g} s + 2 changes x {load.jobs} jobs x "
        f"{load.nodes_a_job:g} nodes, at most one a poll ({pace.heartbeat:g} s)",
    )
    reports = REPORTS * load.jobs
    yield Figure("reports", reports, "messages", f"{REPORTS} for each of {load.jobs} jobs")
    txs = _transactions(load, pace, refresh, changed, reports)
    cycle = pace.chain_poll + pace.block
    yield Figure(
        "transactions",
        txs,
        "transactions",
        f"at most {TX_MESSAGES} messages each, and one every {cycle:g} s (chain.poll_seconds + a block)",
    )
    gas = txs * TX_GAS + beats * NODE_GAS + reports * REPORT_GAS
    yield Figure(
        "gas used",
        gas,
        "gas",
        f"{TX_GAS} a transaction + {NODE_GAS} a heartbeat + {REPORT_GAS} a report",
    )
    yield Figure(
        "fees",
        fee(gas, pace.gas_price),
        denom,
        f"gas used x {GAS_ADJUSTMENT:g} (requested for safety) x {pace.gas_price:g} {denom}",
    )
    yield Figure(
        "blocks with our transactions",
        min(txs, DAY / pace.block),
        "blocks",
        f"{_share(txs, DAY / pace.block)} of {DAY / pace.block:.0f} blocks, one transaction in each",
    )
    yield from _slurm(load, pace)
    records = load.jobs * math.floor(load.hours_a_job * 3600 / RECORD_SECONDS)
    yield Figure(
        "ledger growth",
        load.jobs * JOB_BYTES + records * RECORD_BYTES,
        "bytes",
        f"{JOB_BYTES} a job + {RECORD_BYTES} for each of {records} usage records (every {RECORD_SECONDS} s)",
    )


def too_much(load: Load, pace: Pace) -> str:
    """Returns why one key cannot report all of this, or ""."""
    most = DAY / (pace.chain_poll + pace.block) * TX_MESSAGES
    wanted = REPORTS * load.jobs + load.nodes * DAY / interval(
        pace.heartbeat, patience(STALE_SECONDS, usable=True)
    )
    if wanted <= most:
        return ""
    return (
        f"one key sends at most {most:.0f} messages a day, and this needs {wanted:.0f}: give each cluster "
        "a key of its own, or lower chain.poll_seconds"
    )


def _transactions(load: Load, pace: Pace, refresh: float, changed: float, reports: int) -> float:
    """Messages that are due at the same time share a transaction; a key has one open transaction."""
    polls, batches = DAY / pace.heartbeat, math.ceil(load.nodes / TX_MESSAGES)
    beating = min(DAY / refresh * batches + min(changed, polls), polls * batches)
    full = (load.nodes * DAY / refresh + changed + reports) / TX_MESSAGES
    return max(full, min(beating + reports, DAY / (pace.chain_poll + pace.block)))


def _slurm(load: Load, pace: Pace) -> Iterator[Figure]:
    polls = DAY / pace.poll
    yield Figure("squeue", polls, "calls", f"one a poll ({pace.poll:g} s) for all jobs")
    yield Figure("sacct", min(polls, load.jobs), "calls", "one a poll in which a job has left squeue")
    yield Figure(
        "scontrol show node", DAY / pace.heartbeat, "calls", f"one every {pace.heartbeat:g} s for all nodes"
    )
    yield Figure(
        "sbatch", load.jobs, "calls", f"one a job, up to {SBATCH_JOBS} of them in one command over SSH"
    )


def _share(part: float, whole: float) -> str:
    return f"{min(part / whole, 1) * 100:.1f}%"
