"""Kinds, tolerances and severity (docs/reference.md, 'Usage records and reconciliation')."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

PER_MILLE = 1000
CLOCK_SECONDS = 60  # maximum difference of two clocks

# Usage field -> tolerance, in thousandths of the larger value. Numbers of nodes must be equal.
TOLERANCES: dict[str, int] = {
    "cpu_core_seconds": 10,
    "memory_gb_seconds": 10,
    "gpu_seconds": 5,
    "wall_clock_seconds": 1,
    "network_bytes_in": 50,
    "network_bytes_out": 50,
    "storage_gb_hours": 20,
    "node_hours": 1,
    "nodes_used": 0,
}


class Severity(StrEnum):
    """In ascending order of severity."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Outcome(StrEnum):
    """A job's result. RESOLVED: it matches again, or a dispute was decided. FAILED: it was not compared."""

    MATCHED = "matched"
    DISCREPANCY = "discrepancy"
    RESOLVED = "resolved"
    FAILED = "failed"


# Minimum amount in uvirt, wrongly earned or lost -> severity. The chain bills nothing below 10,000, so a
# smaller amount is not severe.
MONEY = ((1_000_000, Severity.CRITICAL), (10_000, Severity.HIGH), (1, Severity.MEDIUM), (0, Severity.LOW))


@dataclass(frozen=True, slots=True)
class DifferenceKind:
    """`severity` None: the money decides. `reason` explains the severity; `advice` is for operators."""

    severity: Severity | None
    reason: str
    advice: str


_USAGE = DifferenceKind(
    None, "the bill depends on it", "compare sacct with the report's transaction and the signed usage records"
)
_BILL = DifferenceKind(
    None,
    "the chain's amount differs from the one computed from the usage",
    "check discounts, caps and decided disputes; otherwise flag a dispute on chain",
)

KINDS: dict[str, DifferenceKind] = {
    **dict.fromkeys(TOLERANCES, _USAGE),
    "bill": _BILL,
    "provider_reward": _BILL,
    "platform_fee": _BILL,
    "escrow": DifferenceKind(
        Severity.CRITICAL, "more was paid out than was paid in", "flag a dispute on chain"
    ),
    "doubled": DifferenceKind(
        Severity.CRITICAL,
        "the work is done twice and paid once",
        "cancel all but one of its SLURM jobs with scancel",
    ),
    "unknown_job": DifferenceKind(
        Severity.CRITICAL, "nobody will pay for it", "check which chain the endpoint serves"
    ),
    "state": DifferenceKind(
        Severity.CRITICAL,
        "the chain has lost what it had confirmed",
        "check whether the endpoint serves the same chain, and whether it is in sync",
    ),
    "report_missing": DifferenceKind(
        Severity.CRITICAL,
        "usage that counts as reported is not on chain",
        "query the transaction on another node",
    ),
    "evidence": DifferenceKind(
        Severity.HIGH,
        "the report proves nothing in a dispute",
        "run `provd evidence verify JOB`, which prints what does not match",
    ),
    "gone": DifferenceKind(
        Severity.HIGH,
        "its customer pays until the chain ends it",
        "check the job's timeline with `provd job explain`",
    ),
    "runaway": DifferenceKind(
        Severity.HIGH,
        "it holds nodes that nobody pays for",
        "cancel it with scancel; check that the daemon is running",
    ),
    "stray": DifferenceKind(
        Severity.HIGH,
        "it holds nodes that nobody pays for",
        "cancel it with scancel, unless another provd uses this account",
    ),
    "foreign_tx": DifferenceKind(
        Severity.HIGH,
        "whoever has the key can spend its balance",
        "find out who else signs with this key; give provd its own key",
    ),
    "unmeasured": DifferenceKind(
        Severity.MEDIUM,
        "its usage is not reported yet, and the chain's time limit approaches",
        "check that the daemon is running, and its log",
    ),
    "report_late": DifferenceKind(
        Severity.MEDIUM,
        "its usage is not reported yet, and the chain's time limit approaches",
        "check `provd_outbox_messages` and the log",
    ),
    "parked": DifferenceKind(
        Severity.MEDIUM,
        "it is not reported until an operator acts",
        "fix the reason that `provd jobs` shows, then run `provd job unpark JOB`",
    ),
    "quarantined": DifferenceKind(
        Severity.MEDIUM,
        "a customer's job may be waiting in it",
        "upgrade provd: the chain's records may have changed",
    ),
    "site_clock": DifferenceKind(
        Severity.MEDIUM,
        "times in reports and records cannot be compared",
        "check NTP on the login node and on this host",
    ),
    "chain_clock": DifferenceKind(
        Severity.MEDIUM,
        "the chain ends jobs by its own clock",
        "check NTP on this host; if the chain has halted, wait",
    ),
    "record_gone": DifferenceKind(
        Severity.LOW,
        "SLURM can no longer prove its usage",
        "keep slurmdbd's records longer than a dispute can last",
    ),
}


@dataclass(frozen=True, slots=True)
class Difference:
    """What each side has ('' for nothing), in the units of `what`. `job_id` is '' if no job is concerned."""

    job_id: str
    what: str
    slurm: str = ""
    ledger: str = ""
    chain: str = ""
    difference: int = 0
    tolerance: int = 0
    severity: Severity = Severity.LOW

    @property
    def advice(self) -> str:
        return KINDS[self.what].advice


def by_money(amount: int) -> Severity:
    """Returns the severity of an amount in uvirt."""
    return next(severity for least, severity in MONEY if abs(amount) >= least)


def found(
    job_id: str,
    what: str,
    *,
    slurm: str = "",
    ledger: str = "",
    chain: str = "",
    difference: int = 0,
    tolerance: int = 0,
) -> Difference:
    """Returns a difference with the severity of its kind."""
    severity = KINDS[what].severity
    assert severity is not None
    return Difference(job_id, what, slurm, ledger, chain, difference, tolerance, severity)


def worst_first(differences: Iterable[Difference]) -> list[Difference]:
    """Sorts by severity, worst first, and keeps the order within a severity."""
    order = list(Severity)
    return sorted(differences, key=lambda each: -order.index(each.severity))


def by_severity(differences: Iterable[Difference]) -> dict[str, int]:
    """Returns the number of differences of every severity, 0 included."""
    counts = Counter(each.severity for each in differences)
    return {severity.value: counts[severity] for severity in Severity}


def tolerated(field: str, one: int, other: int) -> int:
    """Returns the tolerance for two values of a usage field, in its unit, rounded down."""
    return max(one, other) * TOLERANCES[field] // PER_MILLE


def clock(what: str, ours: float, theirs: float) -> tuple[Difference, ...]:
    """Compares two clocks (epoch seconds). The chain's is its newest block's, so a halt shows too."""
    apart = abs(int(ours) - int(theirs))
    if apart <= CLOCK_SECONDS:
        return ()
    said = {"site_clock": {"slurm": str(int(theirs))}, "chain_clock": {"chain": str(int(theirs))}}[what]
    return (found("", what, ledger=str(int(ours)), difference=apart, tolerance=CLOCK_SECONDS, **said),)
