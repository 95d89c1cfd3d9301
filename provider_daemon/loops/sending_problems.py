"""Problems that prevent sending: one at a time, logged when it starts, shown by /readyz and provd_trouble."""

from enum import StrEnum

import structlog

from provider_daemon.ongoing import OngoingProblems
from provider_daemon.refusals import Refusal

log = structlog.get_logger("provd.outbox")


class Problem(StrEnum):
    """The name of the log event, and the label `what` of provd_trouble."""

    WALLET_EMPTY = "wallet_empty"
    TX_REFUSED = "tx_refused"
    FEE_TOO_LOW = "fee_too_low"
    MEMPOOL_FULL = "mempool_full"
    RATE_LIMITED = "rate_limited"
    FEE_BUDGET_SPENT = "fee_budget_spent"
    FEE_OVER_CEILING = "fee_over_ceiling"
    GAS_PRICE_OVER_CEILING = "gas_price_over_ceiling"
    SEQUENCE_UNEXPLAINED = "sequence_unexplained"


_NEXT = {
    Problem.WALLET_EMPTY: "reports wait, provd retries at every tick; fund the account",
    Problem.TX_REFUSED: "reports wait, provd retries at every tick",
    Problem.FEE_TOO_LOW: "the next transaction pays the fee that the node requires, within the fee limits",
    Problem.MEMPOOL_FULL: "reports wait, provd retries at every tick; use another endpoint if it lasts",
    Problem.RATE_LIMITED: "reports wait, provd retries at every tick; if it lasts, use your own node",
    Problem.FEE_BUDGET_SPENT: (
        "messages wait for the budget; check chain.max_fee_per_hour and max_fee_per_day"
    ),
    Problem.FEE_OVER_CEILING: "reports wait until the fee is lower; check chain.max_fee",
    Problem.GAS_PRICE_OVER_CEILING: (
        "reports wait for a lower price; check chain.max_gas_price and the endpoints"
    ),
    Problem.SEQUENCE_UNEXPLAINED: "reports wait for the expected sequence; compare the chain endpoints",
}


PROBLEMS = {
    Refusal.FUNDS: Problem.WALLET_EMPTY,
    Refusal.FEE: Problem.FEE_TOO_LOW,
    Refusal.MEMPOOL_FULL: Problem.MEMPOOL_FULL,
    Refusal.RATE_LIMIT: Problem.RATE_LIMITED,
}
"""The problem that each refusal is for all transactions."""

GRACE_SECONDS = 10.0  # an endpoint that is one block behind explains problems shorter than this


class SendingProblems:
    """The problems of one key, by its address. `why` is the current one, or ''."""

    def __init__(self, signer: str, ongoing: OngoingProblems) -> None:
        self._signer = signer
        self._ongoing = ongoing
        self._current: Problem | None = None
        self._suspected: tuple[Problem, float] | None = None
        self.why = ""

    def start(self, problem: Problem, why: str, now: float, code: int = 0) -> None:
        """Starts a problem that prevents sending. It replaces the current one."""
        if self._current not in (None, problem):
            self._ongoing.clear(self._current or "", self._signer)
        self._current, self.why = problem, f"{problem}: {why}"
        if self._ongoing.start(problem, self._signer, now):
            log.error(problem.value, signer=self._signer, code=code, why=why, next=_NEXT[problem])

    def suspect(self, problem: Problem, why: str, now: float, code: int = 0) -> None:
        """Reports a possible problem. It starts when it has lasted for GRACE_SECONDS."""
        if self._suspected is None or self._suspected[0] is not problem or now < self._suspected[1]:
            self._suspected = (problem, now)
        if now - self._suspected[1] >= GRACE_SECONDS:
            self.start(problem, why, now, code)

    def clear(self) -> None:
        """Clears the problem after a node accepted a transaction."""
        self._suspected = None
        problem, self._current, self.why = self._current, None, ""
        if problem is not None and self._ongoing.clear(problem, self._signer):
            log.info("tx_accepted_again", signer=self._signer, after=problem.value)
