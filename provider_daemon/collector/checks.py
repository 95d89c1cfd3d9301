"""What the collector accepts of a node agent. Pure: each function raises Rejected with the reason.

The order of the checks decides the reason: who the node is, the signature, the clock, and then what was used
before. Nothing about a node's state is disclosed before its signature is verified.
"""

from collections.abc import Container
from datetime import datetime

from provider_daemon.errors import Refused
from provider_daemon.node_protocol import token as tokens
from provider_daemon.node_protocol.rejection import Rejected, Rejection
from provider_daemon.node_protocol.request import Auth, Request
from provider_daemon.node_protocol.signature import (
    AHEAD_SECONDS,
    NONCE_BYTES,
    OLDEST_SECONDS,
    Purpose,
    Scheme,
    Stamp,
    base_text,
    is_in_time,
    is_public_key,
    verify,
)
from provider_daemon.node_store.rows import KnownAgent
from provider_daemon.nodes.allowed import AllowedNode, NodeDirectory
from provider_daemon.nodes.report import Heartbeat, Registration

NONCE_CHARACTERS = -(-NONCE_BYTES // 3) * 4  # in base64


def allowed_node(directory: NodeDirectory, node_id: str, cluster_id: str) -> AllowedNode:
    """Returns the operator's permission for a node."""
    node = directory.allowed.get(node_id)
    if node is None:
        raise Rejected(Rejection.UNKNOWN_NODE, "no operator allowed this node")
    if node.revoked_at:
        raise Rejected(Rejection.REVOKED, "an operator revoked this node")
    if node.cluster_id != cluster_id:
        raise Rejected(Rejection.CLUSTER_MISMATCH, f"the node does not belong to cluster {cluster_id[:40]!r}")
    return node


def heartbeat(
    request: Request, beat: Heartbeat, node: AllowedNode, agent: KnownAgent | None, now: float
) -> float:
    """Checks a heartbeat of an allowed node; returns its signed time, in seconds since the epoch."""
    if agent is None or not _is_of(agent, node):
        raise Rejected(Rejection.UNKNOWN_NODE, "the node's agent is not registered")
    if not node.trusts(agent.registered_at):
        raise Rejected(Rejection.REVOKED, "the node was revoked after its agent registered")
    auth = _auth(request, node)
    if auth.scheme is Scheme.PUBLISHED:
        return _published_heartbeat(request, auth, beat, agent, now)
    stamp = Stamp(beat.node_id, beat.cluster_id, auth.timestamp, auth.nonce)
    _check_signature(agent.public_key, _base(Purpose.HEARTBEAT, stamp, request.payload), auth)
    _check_time(auth.timestamp, now)
    if beat.sequence_number <= agent.sequence:
        raise Rejected(
            Rejection.STALE_SEQUENCE, f"sequence {beat.sequence_number} is not above {agent.sequence}"
        )
    return float(auth.timestamp)


def _is_of(agent: KnownAgent, node: AllowedNode) -> bool:
    """Returns False if the node was given to another cluster, or another key, since the agent registered."""
    return agent.cluster_id == node.cluster_id and node.agent_key in ("", agent.public_key)


def _published_heartbeat(
    request: Request, auth: Auth, beat: Heartbeat, agent: KnownAgent, now: float
) -> float:
    """The published agent starts its sequence again at each start: the signed time must grow in its place."""
    _check_signature(agent.public_key, request.payload, auth)
    signed_at = _time(beat.timestamp)
    _check_time(signed_at, now)
    if signed_at <= agent.signed_at:
        raise Rejected(Rejection.STALE_SEQUENCE, "the signed time is not after that of the last heartbeat")
    return signed_at


def registration(
    request: Request,
    wanted: Registration,
    node: AllowedNode,
    agent: KnownAgent | None,
    nonces: Container[str],
    now: float,
) -> str:
    """Checks a registration of an allowed node; returns the digest of its token, "" if it needs none."""
    if wanted.provider_address != node.provider_address:
        raise Rejected(Rejection.PROVIDER_MISMATCH, "the node belongs to another provider")
    if not is_public_key(wanted.agent_pubkey):
        raise Rejected(Rejection.INVALID_REQUEST, "agent_pubkey: not base64 of an Ed25519 public key")
    if node.agent_key:
        return _published_registration(wanted, node)
    if request.auth is None:
        raise Rejected(
            Rejection.UNSUPPORTED_SCHEME, "the node was allowed with a token: sign the registration"
        )
    auth = _auth(request, node)
    stamp = Stamp(wanted.node_id, wanted.cluster_id, auth.timestamp, auth.nonce)
    _check_signature(wanted.agent_pubkey, _base(Purpose.REGISTRATION, stamp, request.payload), auth)
    _check_time(auth.timestamp, now)
    if len(auth.nonce) != NONCE_CHARACTERS:
        raise Rejected(Rejection.INVALID_REQUEST, f"auth: nonce must be base64 of {NONCE_BYTES} bytes")
    if auth.nonce in nonces:
        raise Rejected(Rejection.REPLAYED, "this registration was accepted before")
    return _token(request.token, wanted, node, agent, now)


def _published_registration(wanted: Registration, node: AllowedNode) -> str:
    """It has no signature: only the key that an operator named is accepted."""
    if wanted.agent_pubkey != node.agent_key:
        raise Rejected(Rejection.UNKNOWN_NODE, "the operator allowed another key for this node")
    return ""


def _token(text: str, wanted: Registration, node: AllowedNode, agent: KnownAgent | None, now: float) -> str:
    try:
        token = tokens.read(text)
    except Refused as error:
        raise Rejected(Rejection.TOKEN_INVALID, str(error)) from None
    digest = tokens.digest(text)
    if token.provider_address != node.provider_address or digest != node.token_sha256:
        raise Rejected(Rejection.TOKEN_INVALID, "the token is not the newest one of this node")
    if wanted.hostname != node.hostname:
        raise Rejected(Rejection.TOKEN_INVALID, f"the token is for the host {node.hostname}")
    if agent is not None and agent.token_sha256 == digest:
        if agent.public_key == wanted.agent_pubkey:
            return digest  # its answer was lost
        raise Rejected(Rejection.TOKEN_USED, "another key registered with this token")
    if now >= node.expires_at:
        raise Rejected(Rejection.TOKEN_EXPIRED, "the token has expired")
    return digest


def _auth(request: Request, node: AllowedNode) -> Auth:
    if request.auth is None:
        raise Rejected(Rejection.INVALID_REQUEST, "auth: missing")
    wanted = Scheme.PUBLISHED if node.agent_key else Scheme.PROVD
    if request.auth.scheme is not wanted:
        raise Rejected(
            Rejection.UNSUPPORTED_SCHEME, f"the node was allowed for signatures of scheme {wanted}"
        )
    return request.auth


def _base(purpose: Purpose, stamp: Stamp, payload: bytes) -> bytes:
    try:
        return base_text(purpose, stamp, payload)
    except ValueError as error:
        raise Rejected(Rejection.INVALID_REQUEST, str(error)) from None


def _check_signature(public_key: str, data: bytes, auth: Auth) -> None:
    if not verify(public_key, data, auth.signature):
        raise Rejected(Rejection.BAD_SIGNATURE, "the signature is not that of the node's key")


def _check_time(signed_at: float, now: float) -> None:
    if not is_in_time(int(signed_at), now):
        ahead = min(max(signed_at, 0), 2**40) - now
        side = "ahead of" if ahead > 0 else "behind"
        limits = f"at most {AHEAD_SECONDS} s ahead and {OLDEST_SECONDS} s behind are accepted"
        raise Rejected(
            Rejection.WRONG_CLOCK, f"the node's clock is {abs(ahead):.0f} s {side} the collector's; {limits}"
        )


def _time(text: str) -> float:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = datetime.min
    if found.tzinfo is None:
        raise Rejected(Rejection.INVALID_REQUEST, "timestamp: not RFC 3339")
    return found.timestamp()
