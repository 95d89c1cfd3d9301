"""Builds the requests of an agent. Pure (docs/agent.md, 'Requests')."""

from dataclasses import dataclass, replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from provider_daemon.node_protocol import published, request, signature
from provider_daemon.node_protocol.request import Auth
from provider_daemon.node_protocol.signature import Purpose, Scheme, Stamp
from provider_daemon.nodes import writing
from provider_daemon.nodes.report import (
    Hardware,
    Health,
    HealthStatus,
    Heartbeat,
    Locality,
    Registration,
    Topology,
)

HEARTBEAT, REGISTRATION = "heartbeat", "registration"


@dataclass(frozen=True, slots=True)
class Description:
    """What the node is. `fingerprint`: hex SHA-256 of the hardware."""

    hardware: Hardware
    topology: Topology
    locality: Locality
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Moment:
    """When a request is made: seconds since the epoch, RFC 3339, and 16 random bytes in base64."""

    timestamp: int
    text: str
    nonce: str


def described(beat: Heartbeat, description: Description) -> Heartbeat:
    """Returns the heartbeat with what the node is."""
    return replace(
        beat,
        hardware=description.hardware,
        topology=description.topology,
        locality=description.locality,
    )


def drained(health: Health) -> Health:
    """Returns the health of a node that the provider has drained; a sick one stays sick."""
    sick = health.status in (HealthStatus.UNHEALTHY, HealthStatus.OFFLINE)
    return health if sick else replace(health, status=HealthStatus.DRAINING)


def heartbeat_body(key: Ed25519PrivateKey, scheme: Scheme, beat: Heartbeat, moment: Moment) -> bytes:
    """Returns the signed body. In the published protocol only what its collector verifies is sent."""
    if scheme is Scheme.PUBLISHED:
        payload = published.signed_form(beat)
        auth = Auth(signature.sign(key, payload), moment.nonce, moment.timestamp, scheme)
        return request.encode(HEARTBEAT, payload, auth)
    payload = writing.encode(beat)
    return request.encode(
        HEARTBEAT, payload, _auth(key, Purpose.HEARTBEAT, beat.node_id, beat.cluster_id, moment, payload)
    )


def registration_body(
    key: Ed25519PrivateKey, registration: Registration, moment: Moment, token: str
) -> bytes:
    """Returns the signed body with the token; without one it is the published protocol's, unsigned."""
    payload = writing.encode(registration)
    if not token:
        return payload
    auth = _auth(key, Purpose.REGISTRATION, registration.node_id, registration.cluster_id, moment, payload)
    return request.encode(REGISTRATION, payload, auth, token)


def _auth(
    key: Ed25519PrivateKey, purpose: Purpose, node_id: str, cluster_id: str, moment: Moment, payload: bytes
) -> Auth:
    base = signature.base_text(purpose, Stamp(node_id, cluster_id, moment.timestamp, moment.nonce), payload)
    return Auth(signature.sign(key, base), moment.nonce, moment.timestamp, Scheme.PROVD)
