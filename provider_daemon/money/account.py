"""A provider's account: what jobs pay, what else moves, and whether that explains the balance. Pure.

A *note* is the balance of an account with everything that moved since the note before it. What the chain's
balance has more, or less, than the movements explain is `other`. So for each denomination

    balance = balance of the note before + earned + received - sent - fees + other

holds for every note, and over any number of notes.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from provider_daemon.job.usage import Usage
from provider_daemon.money.accounting import Status
from provider_daemon.money.settlement import DENOM


@dataclass(frozen=True, slots=True)
class Accounted:
    """What the chain recorded for an ended job. Amounts are in uvirt, times in seconds since the epoch.

    `status` is the settlement status, "" while the chain has no accounting. `node_rewards`: (address,
    amount). `price`: the coins that the customer promised, as text; `escrowed`: what of it is in escrow, in
    uvirt. `settled_at` is 0 while nothing is paid.
    """

    job_id: str
    cluster_id: str
    offering_id: str
    queue: str
    provider: str
    customer: str
    state: str
    nodes: int
    started_at: int
    ended_at: int
    usage: Usage = field(default_factory=Usage)
    status: str = ""
    total: int = 0
    platform_fee: int = 0
    provider_reward: int = 0
    node_rewards: tuple[tuple[str, int], ...] = ()
    price: str = ""
    escrowed: int = 0
    settled_at: int = 0

    @property
    def paid(self) -> bool:
        return self.status == Status.SETTLED

    @property
    def refund(self) -> int:
        """What returns to the customer; 0 before the settlement."""
        nodes = sum(amount for _, amount in self.node_rewards)
        return max(0, self.escrowed - self.platform_fee - self.provider_reward - nodes) if self.paid else 0

    def earned(self, address: str) -> int:
        """Returns what the settlement pays to an account; 0 before it, and without an escrow."""
        if not self.paid or not self.escrowed:
            return 0
        nodes = sum(amount for holder, amount in self.node_rewards if holder == address)
        return nodes + (self.provider_reward if self.provider == address else 0)


@dataclass(frozen=True, slots=True)
class Reading:
    """An account at one moment. `sequence`: that of its next transaction. `balances` by denomination."""

    at: float
    height: int
    sequence: int
    balances: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Movement:
    """What transactions moved on an account, besides settlements; amounts by denomination.

    `transactions`: those that the account signed; `missing`: those of them that could not be found.
    """

    transactions: int = 0
    missing: int = 0
    fees: Mapping[str, int] = field(default_factory=dict)
    sent: Mapping[str, int] = field(default_factory=dict)
    received: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, more: "Movement") -> "Movement":
        return Movement(
            self.transactions + more.transactions,
            self.missing + more.missing,
            _sum(self.fees, more.fees),
            _sum(self.sent, more.sent),
            _sum(self.received, more.received),
        )


@dataclass(frozen=True, slots=True)
class Line:
    """A denomination of a note."""

    balance: int
    earned: int = 0
    received: int = 0
    sent: int = 0
    fees: int = 0
    other: int = 0


@dataclass(frozen=True, slots=True)
class Note:
    """`first`: it opens the books, so that nothing has moved before it. `lines` by denomination."""

    address: str
    at: float
    height: int
    sequence: int
    lines: Mapping[str, Line]
    transactions: int = 0
    missing: int = 0
    first: bool = False

    @property
    def explained(self) -> bool:
        return not any(line.other for line in self.lines.values())


def opening(address: str, reading: Reading) -> Note:
    """Returns the note that opens an account's books."""
    lines = {denom: Line(balance) for denom, balance in reading.balances.items()}
    return Note(address, reading.at, reading.height, reading.sequence, lines, first=True)


def following(before: Note, reading: Reading, moved: Movement, paid: Iterable[Accounted]) -> Note:
    """Returns the note after `before`. `paid`: the jobs whose settlement was booked since."""
    earned = {DENOM: sum(job.earned(before.address) for job in paid)}
    lines = {}
    for denom in sorted(
        {*reading.balances, *before.lines, *(name for name, amount in earned.items() if amount)}
    ):
        held = before.lines[denom].balance if denom in before.lines else 0
        line = Line(
            balance=reading.balances.get(denom, 0),
            earned=earned.get(denom, 0),
            received=moved.received.get(denom, 0),
            sent=moved.sent.get(denom, 0),
            fees=moved.fees.get(denom, 0),
        )
        lines[denom] = _explained(line, held)
    return Note(
        before.address,
        reading.at,
        reading.height,
        reading.sequence,
        lines,
        moved.transactions,
        moved.missing,
    )


def _explained(line: Line, held: int) -> Line:
    expected = held + line.earned + line.received - line.sent - line.fees
    return replace(line, other=line.balance - expected)


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return dict(Counter(one) + Counter(other))
