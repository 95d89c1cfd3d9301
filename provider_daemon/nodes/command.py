"""Commands to node agents: what a provider may ask, and what can become of it. Pure values."""

from dataclasses import dataclass
from enum import StrEnum


class CommandKind(StrEnum):
    """The fixed list. An agent does the last two only where its own configuration allows them."""

    DRAIN = "drain"
    RESUME = "resume"
    RUN_DIAGNOSTIC = "run_diagnostic"
    SHUTDOWN = "shutdown"
    UPDATE_AGENT = "update_agent"


class CommandResult(StrEnum):
    """`refused`: valid, but the node's configuration does not allow it.

    `invalid`: a bad signature, an old sequence, another node's, or malformed. `expired`: its deadline had
    passed.
    """

    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"
    INVALID = "invalid"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class SignedCommand:
    """`document`: the canonical JSON. `signature`: base64, ADR-036 of the provider's key over it."""

    document: str
    signature: str


@dataclass(frozen=True, slots=True)
class IssuedCommand:
    """A command as the ledger keeps it. Times: seconds since the epoch.

    `sequence`: as in the signed document. `reason`: the operator's, "" without one. `result`: what became of
    it, None while that is not known; then `finished_at` is 0. `output`: as the agent reported it.
    """

    command_id: str
    node_id: str
    cluster_id: str
    sequence: int
    kind: CommandKind
    signed: SignedCommand
    issued_at: int
    deadline: int
    operator: str
    reason: str = ""
    result: CommandResult | None = None
    output: str = ""
    finished_at: float = 0.0
