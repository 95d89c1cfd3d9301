"""A model of the chain's state: jobs, money, node heartbeats, and what a signed transaction changes in them.

See docs/protocol.md, 'Messages of the HPC module'.
"""

import copy
from collections import Counter
from dataclasses import dataclass, field, replace

from google.protobuf.message import Message

from provider_daemon.chain import messages
from provider_daemon.chain.job_names import job_name
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2, types_pb2
from provider_daemon.job.spec import Spec
from provider_daemon.job.state import TERMINAL, TRANSITIONS, State
from provider_daemon.job.usage import Usage
from provider_daemon.money.bill import bill
from tests.fakes.chain import PROVIDER

ESCROW = 10**9  # uvirt that a customer puts into escrow for a job


class Failed(Exception):
    """The chain refuses a message; the text ends as the SDK's does."""


@dataclass
class Record:
    """A job.

    `by_report`: the report that ended it, unchanged; None while it is open, or if customer or chain ended it.
    """

    spec: Spec
    height: int
    state: State = State.PENDING
    started_at: int = 0
    by_report: tx_pb2.MsgReportJobStatus | None = None
    ended: str = ""
    ended_at: float = 0.0  # by the block's clock
    told: list[State] = field(default_factory=list)
    paid: dict[str, int] = field(default_factory=dict)
    # the node cannot decode the record from then on, for `unreadable_for` seconds
    unreadable_from: float = float("inf")
    unreadable_for: float = 0.0

    @property
    def slurm_name(self) -> str:
        return job_name(PROVIDER, self.spec)

    def readable(self, now: float) -> bool:
        return not self.unreadable_from <= now < self.unreadable_from + self.unreadable_for


@dataclass(frozen=True)
class Lie:
    """A record that the endpoint shows until then in place of the chain's record, or where there is none."""

    record: Record
    until: float


@dataclass
class Books:
    """Everything that a transaction can change, and the `lies` of the endpoint about it."""

    jobs: dict[str, Record] = field(default_factory=dict)
    nodes: dict[str, int] = field(default_factory=dict)
    active: dict[str, bool] = field(default_factory=dict)
    cluster: str = "active"
    wallet: int = 10**12
    sequence: int = 0
    uvirt: Counter[str] = field(default_factory=Counter)  # uvirt by owner; "escrow" is the module's
    lies: dict[str, Lie] = field(default_factory=dict)

    def shown(self, job_id: str, now: float) -> Record | None:
        """Returns the record that the endpoint shows."""
        lie, true = self.lies.get(job_id), self.jobs.get(job_id)
        if lie is None or now >= lie.until:
            return true
        return replace(
            lie.record, state=true.state if true else State.PENDING, started_at=true.started_at if true else 0
        )

    def counter(self, now: float) -> int:
        """Returns the next job number that the endpoint shows."""
        invented = (int(job_id.removeprefix("JOB-")) for job_id, lie in self.lies.items() if now < lie.until)
        return max(len(self.jobs), *invented, 0) + 1

    def add(self, record: Record) -> None:
        """Adds a customer's job with its escrow. An invented record ends when its number is in use."""
        self.jobs[record.spec.job_id] = record
        self.lies.pop(record.spec.job_id, None)
        self.uvirt["customer"] -= ESCROW
        self.uvirt["escrow"] += ESCROW

    def apply(self, message: Message, now: float) -> None:
        """Applies the messages. If it raises Failed, nothing has changed."""
        if isinstance(message, tx_pb2.MsgReportJobStatus):
            self._report(message, now)
        elif isinstance(message, tx_pb2.MsgUpdateNodeMetadata):
            self._heartbeat(message)
        elif isinstance(message, tx_pb2.MsgUpdateCluster):
            self.cluster = "active"
        else:
            raise Failed(f"unexpected message {type(message).__name__}")

    def _report(self, message: tx_pb2.MsgReportJobStatus, now: float) -> None:
        record = self.jobs.get(message.job_id)
        if record is None:
            raise Failed("job not found")
        state = State(types_pb2.JobState.Name(message.state).removeprefix("JOB_STATE_").lower())
        if state not in TRANSITIONS[record.state]:
            raise Failed(f"cannot transition from {record.state} to {state}: invalid job state transition")
        record.state = state
        record.told.append(state)
        if state is State.RUNNING:
            record.started_at = int(now)
        if state in TERMINAL:
            record.by_report, record.ended, record.ended_at = message, "report", now
            self.settle(record, messages.usage_of(message.usage_metrics))

    def _heartbeat(self, message: tx_pb2.MsgUpdateNodeMetadata) -> None:
        if 0 < message.last_sequence_number <= self.nodes.get(message.node_id, 0):
            raise Failed("heartbeat sequence must grow: stale heartbeat")
        self.nodes[message.node_id] = message.last_sequence_number
        self.active[message.node_id] = message.active

    def settle(self, record: Record, usage: Usage) -> None:
        """Pays the escrow out once: to provider and platform, and the rest back to the customer."""
        if record.paid:
            raise Failed("escrow is closed")
        owed = bill(usage, record.spec.resources.gpu_type, ceiling=ESCROW)
        record.paid = {"provider": owed.provider_reward, "platform": owed.platform_fee}
        record.paid["customer"] = ESCROW - sum(record.paid.values())
        self.uvirt["escrow"] -= ESCROW
        self.uvirt.update(record.paid)


def snapshot_of(books: Books) -> Books:
    """Returns a copy on which messages can be tried."""
    tried = copy.copy(books)
    tried.jobs = {job_id: copy.copy(record) for job_id, record in books.jobs.items()}
    for record in tried.jobs.values():
        record.told, record.paid = list(record.told), dict(record.paid)
    tried.nodes, tried.active, tried.uvirt = dict(books.nodes), dict(books.active), Counter(books.uvirt)
    return tried
