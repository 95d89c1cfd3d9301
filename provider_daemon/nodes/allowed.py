"""Which compute nodes may report to the collector, and what it hands out to them. Pure values."""

from collections.abc import Mapping
from dataclasses import dataclass

from provider_daemon.nodes.command import SignedCommand


@dataclass(frozen=True, slots=True)
class AllowedNode:
    """A node that an operator allows. Times: seconds since the epoch, 0 for what has not happened.

    `node_id`: the first one, `<cluster>.<host>`. `token_sha256`: hex digest of the token with which its agent
    registers, "" for an agent of the published form; `agent_key`, base64, is that agent's key, "" for ours.
    `operator`: who decided last. `keys_since`: when the node was last revoked. It outlasts a new token: keys
    that were registered before stay invalid.
    """

    node_id: str
    cluster_id: str
    hostname: str
    provider_address: str
    token_sha256: str
    issued_at: float
    expires_at: float
    agent_key: str = ""
    revoked_at: float = 0.0
    operator: str = ""
    keys_since: float = 0.0

    def trusts(self, registered_at: float) -> bool:
        """Whether an agent that registered then may report."""
        return not self.revoked_at and registered_at > self.keys_since


@dataclass(frozen=True, slots=True)
class NodeDirectory:
    """`commands`: the open ones before their deadline, by node id, in the order of their sequence."""

    allowed: Mapping[str, AllowedNode]
    commands: Mapping[str, tuple[SignedCommand, ...]]

    def trusts(self, node_id: str, registered_at: float) -> bool:
        """Whether the node's agent, which registered then, may report."""
        node = self.allowed.get(node_id)
        return node is not None and node.trusts(registered_at)
