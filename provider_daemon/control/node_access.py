"""Which node agents may report: one-time tokens, agents of the published form, and revocation."""

from secrets import token_hex

from pydantic import Field

from provider_daemon.audit_log.records import Action
from provider_daemon.control.cluster_key import cluster_key
from provider_daemon.control.node_hosts import Nodes, OneNode, check_known, the_cluster
from provider_daemon.control.operation import Body, Context, Deed, Operation
from provider_daemon.errors import Refused
from provider_daemon.ledger import nodes
from provider_daemon.node_protocol import token
from provider_daemon.node_protocol.signature import is_public_key
from provider_daemon.node_protocol.token import NodeToken
from provider_daemon.nodes.allowed import AllowedNode
from provider_daemon.nodes.ids import first_id

NONCE_BYTES = 32
LONGEST_HOURS = 30 * 24


class IssueTokens(Nodes):
    valid_hours: float = Field(default=24, gt=0, le=LONGEST_HOURS)


class IssuedToken(Body):
    """`expires_at`: seconds since the epoch; the agent must have registered until then."""

    host: str
    node_id: str
    token: str = Field(repr=False)
    expires_at: int


class IssuedTokens(Body):
    cluster_id: str
    tokens: tuple[IssuedToken, ...]


class AllowNode(OneNode):
    """`agent_key`: the agent's public key, base64 of 32 bytes."""

    agent_key: str = Field(max_length=64)


class RevokeNodes(Nodes):
    reason: str = Field(default="", max_length=200)


class ChangedNodes(Body):
    """`hosts`: those that were changed; `node_ids`: their ids, in the same order."""

    hosts: tuple[str, ...]
    node_ids: tuple[str, ...]


def _issue(asked: IssueTokens, context: Context) -> IssuedTokens:
    """Signs a token for each node. It replaces an older one; an agent that has registered goes on."""
    cluster = the_cluster(asked.cluster, context)
    check_known(asked.hosts, cluster, context)
    collector = context.config.collector
    if collector is None:
        raise Refused("provd.toml has no [collector]: set collector.url, then restart provd")
    signer, issued_at = cluster_key(cluster.id, context), int(context.now)
    issued = [
        NodeToken(
            chain_id=context.config.chain.id,
            cluster_id=cluster.id,
            node_id=first_id(cluster.name, host),
            hostname=host,
            provider_address=signer.address,
            provider_pubkey=signer.public_key.hex(),
            collector_url=collector.url,
            nonce=token_hex(NONCE_BYTES),
            issued_at=issued_at,
            expires_at=issued_at + int(asked.valid_hours * 3600),
        )
        for host in dict.fromkeys(asked.hosts)
    ]
    texts = [token.issue(each, signer) for each in issued]
    for each, text in zip(issued, texts, strict=True):
        nodes.allow(context.ledger, _allowed(each, text, context.operator))
    return IssuedTokens(
        cluster_id=cluster.id,
        tokens=tuple(
            IssuedToken(host=each.hostname, node_id=each.node_id, token=text, expires_at=each.expires_at)
            for each, text in zip(issued, texts, strict=True)
        ),
    )


def _allowed(issued: NodeToken, text: str, operator: str) -> AllowedNode:
    return AllowedNode(
        issued.node_id,
        issued.cluster_id,
        issued.hostname,
        issued.provider_address,
        token.digest(text),
        issued.issued_at,
        issued.expires_at,
        operator=operator,
    )


def _allow(asked: AllowNode, context: Context) -> ChangedNodes:
    cluster = the_cluster(asked.cluster, context)
    check_known((asked.host,), cluster, context)
    if context.config.collector is None or not context.config.collector.published_agents:
        raise Refused("collector.published_agents is off: without it the collector refuses such agents")
    if not is_public_key(asked.agent_key):
        raise Refused("not an agent's public key: it must be base64 of the Ed25519 key's 32 bytes")
    allowed = AllowedNode(
        node_id=first_id(cluster.name, asked.host),
        cluster_id=cluster.id,
        hostname=asked.host,
        provider_address=cluster_key(cluster.id, context).address,
        token_sha256="",
        issued_at=context.now,
        expires_at=0.0,
        agent_key=asked.agent_key,
        operator=context.operator,
    )
    nodes.allow(context.ledger, allowed)
    return ChangedNodes(hosts=(asked.host,), node_ids=(allowed.node_id,))


def _revoke(asked: RevokeNodes, context: Context) -> ChangedNodes:
    cluster = the_cluster(asked.cluster, context)
    known = nodes.allowed(context.ledger, cluster.id)
    if strangers := [host for host in asked.hosts if first_id(cluster.name, host) not in known]:
        raise Refused(f"{', '.join(strangers)}: no agent is allowed there; nothing was changed")
    changed = [
        host
        for host in asked.hosts
        if nodes.revoke(context.ledger, first_id(cluster.name, host), context.operator, context.now)
    ]
    return ChangedNodes(
        hosts=tuple(changed), node_ids=tuple(first_id(cluster.name, host) for host in changed)
    )


TOKEN = Operation(
    "nodes/token",
    IssueTokens,
    IssuedTokens,
    _issue,
    lambda asked, answer: [
        Deed(Action.NODE_TOKEN_ISSUED, object=each.node_id, detail=f"valid for {asked.valid_hours:g} hours")
        for each in answer.tokens
    ],
)
ALLOW = Operation(
    "nodes/allow",
    AllowNode,
    ChangedNodes,
    _allow,
    lambda asked, answer: [
        Deed(Action.NODE_ALLOWED, object=each, detail=f"key {asked.agent_key}") for each in answer.node_ids
    ],
)
REVOKE = Operation(
    "nodes/revoke",
    RevokeNodes,
    ChangedNodes,
    _revoke,
    lambda asked, answer: [
        Deed(Action.NODE_REVOKED, object=each, detail=asked.reason) for each in answer.node_ids
    ],
)
