"""Computes the gas of a job's reports from the size of its record, before the job runs. Pure.

The chain rewrites the whole record of a job with each report, pointers and command included, so the customer
determines the cost of reports. Measured: 75,000 gas for one report on a record of 700 bytes, and 36 more for
each further byte.
"""

from dataclasses import dataclass

FIXED = 50_000  # gas of a single report in its transaction, without the cost of the record's bytes
PER_BYTE = 36
REPORTS = 3  # queued, running, and the final state
TIMES = 48  # bytes that each report adds to the record: queued_at, started_at, completed_at
MAX_MESSAGE = 500  # bytes of a status message, as the store writes it
ADJUSTMENT = 1.2  # a transaction asks for more gas than its simulation used


def of_one(stored_bytes: int) -> int:
    """Returns the gas of the one report that refuses a pending job, message included."""
    return FIXED + PER_BYTE * (stored_bytes + TIMES + MAX_MESSAGE)


def of_all(stored_bytes: int) -> int:
    """Returns the most gas that a job's reports can cost: each in its own transaction, with a message."""
    sizes = (stored_bytes + TIMES, stored_bytes + 2 * TIMES, stored_bytes + 3 * TIMES + MAX_MESSAGE)
    return sum(FIXED + PER_BYTE * size for size in sizes)


@dataclass(frozen=True, slots=True)
class ReportGasLimits:
    """The gas limits of one job's reports (`reports`) and of one transaction; 0 means no limit."""

    reports: int = 0
    transaction: int = 0

    def allow_job(self, stored_bytes: int) -> bool:
        return self._allow(of_all(stored_bytes)) and self._fits(stored_bytes)

    def allow_refusal(self, stored_bytes: int) -> bool:
        return self._allow(of_one(stored_bytes)) and self._fits(stored_bytes)

    def _allow(self, gas: int) -> bool:
        return not self.reports or gas <= self.reports

    def _fits(self, stored_bytes: int) -> bool:
        return not self.transaction or of_one(stored_bytes) * ADJUSTMENT <= self.transaction


def too_dear(stored_bytes: int, limits: ReportGasLimits) -> str:
    """Returns the reason for the customer (of a refused job) or the operator (of an ignored one)."""
    limit = f"{limits.reports} gas" if limits.reports else f"a transaction of {limits.transaction} gas"
    return (
        f"the job's record on chain has {stored_bytes} bytes, so its status reports need "
        f"{of_all(stored_bytes)} gas, over this provider's "
        f"limit of {limit}: shorten command, arguments, environment, data references and pointers"
    )
