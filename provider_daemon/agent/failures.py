"""Why an agent did not get through, and what the operator does about it. Pure."""

from provider_daemon.node_protocol.answer import Answer
from provider_daemon.node_protocol.rejection import Rejection
from provider_daemon.node_protocol.signature import AHEAD_SECONDS, OLDEST_SECONDS

AGAIN = "the agent tries again; until then the node is reported from SLURM alone"
NEW_TOKEN = "issue a token with `provd node token HOST` and write it to token_file"  # noqa: S105
_REMEDIES: dict[str, str] = {
    Rejection.INVALID_REQUEST: "agent and collector have incompatible versions: install the same one",
    Rejection.UNKNOWN_NODE: NEW_TOKEN,
    Rejection.CLUSTER_MISMATCH: NEW_TOKEN,
    Rejection.PROVIDER_MISMATCH: NEW_TOKEN,
    Rejection.REVOKED: f"an operator revoked this node; to sell it again, {NEW_TOKEN}",
    Rejection.BAD_SIGNATURE: f"another key is registered for this node; {NEW_TOKEN}",
    Rejection.WRONG_CLOCK: "correct this node's clock",
    Rejection.STALE_SEQUENCE: "if this lasts, two agents use one key: register one of them with a new token",
    Rejection.UNSUPPORTED_SCHEME: "the collector does not accept this protocol; set protocol in agent.toml",
    Rejection.TOKEN_INVALID: f"the token is not the newest one for this node; {NEW_TOKEN}",
    Rejection.TOKEN_USED: f"another agent registered with this token; {NEW_TOKEN}",
    Rejection.TOKEN_EXPIRED: NEW_TOKEN,
}


class Failed(Exception):
    """A turn without success. `event`: for the log. `following`: what to do, or what happens next.

    `answer`: the collector's, if it refused the request.
    """

    def __init__(self, event: str, why: str, following: str = AGAIN, answer: Answer | None = None) -> None:
        super().__init__(why)
        self.event = event
        self.following = following
        self.answer = answer


def rejected(event: str, answer: Answer, now: float) -> Failed:
    """Returns the failure for an answer that refuses the request. `now`: this node's clock, epoch seconds."""
    code = code_of(answer)
    why = f"{code}: {answer.errors[0].message}" if answer.errors else "the collector gives no reason"
    if code == Rejection.WRONG_CLOCK and answer.timestamp:
        skew = now - answer.timestamp
        window = f"the collector accepts {OLDEST_SECONDS} s behind to {AHEAD_SECONDS} s ahead"
        why = f"{code}: this node's clock differs by {skew:+.0f} s from the collector's; {window}"
    return Failed(event, why, _REMEDIES.get(code, AGAIN), answer)


def code_of(answer: Answer) -> str:
    """Returns the first Rejection of an answer, or the code of a later version; empty if there is none."""
    return answer.errors[0].code if answer.errors else ""
