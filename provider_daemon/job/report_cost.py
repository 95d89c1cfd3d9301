"""What it will cost in gas to report a job: known from the size of its record before anything runs. Pure.

The chain rewrites the whole record of a job with each report, pointers and command included, so a customer
decides how dear reports are. Measured: 75,000 gas for one report on a record of 700 bytes, and 36 more for
each further byte."""

from dataclasses import dataclass

FIXED = 50_000  # gas of a report that is alone in its transaction, without what the record's bytes cost
PER_BYTE = 36
REPORTS = 3  # queued, running, and how it ended
TIMES = 48  # bytes that each report adds to the record: queued_at, started_at, completed_at
MAX_MESSAGE = 500  # bytes of a status message, as the store writes it
ADJUSTMENT = 1.2  # a transaction asks for more gas than its simulation used


def of_one(stored_bytes: int) -> int:
    """Gas of the one report that refuses a pending job, message included."""
    return FIXED + PER_BYTE * (stored_bytes + TIMES + MAX_MESSAGE)


def of_all(stored_bytes: int) -> int:
    """Gas of all reports of a job that runs and ends with a message, each in a transaction of its own: the
    most that they can cost."""
    sizes = (stored_bytes + TIMES, stored_bytes + 2 * TIMES, stored_bytes + 3 * TIMES + MAX_MESSAGE)
    return sum(FIXED + PER_BYTE * size for size in sizes)


@dataclass(frozen=True, slots=True)
class ReportGasLimits:
    """`reports`: for all reports of one job; 0 is no limit. `transaction`: the most that one may ask for, or
    0."""

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
    """The reason that the customer (of a refused job) or the operator (of an ignored one) reads."""
    limit = f"{limits.reports} gas" if limits.reports else f"a transaction of {limits.transaction} gas"
    return (
        f"the job's record on chain has {stored_bytes} bytes, so its status reports need "
        f"{of_all(stored_bytes)} gas, over this provider's "
        f"limit of {limit}: shorten command, arguments, environment, data references and pointers"
    )
