"""Commands to node agents: what a provider may ask, and what can become of it. Pure values."""

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
