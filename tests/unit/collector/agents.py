"""Agents that tests act for: they sign as `provd agent` and as the published agent do."""

import base64
import json
import secrets
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from provider_daemon.chain.sign import LocalSigner
from provider_daemon.node_protocol import request, signature, token
from provider_daemon.node_protocol.request import Auth
from provider_daemon.node_protocol.signature import Purpose, Scheme, Stamp, base_text
from provider_daemon.node_protocol.token import NodeToken
from provider_daemon.nodes import writing
from provider_daemon.nodes.allowed import AllowedNode
from provider_daemon.nodes.report import Capacity, Health, HealthStatus, Heartbeat, Registration
from tests.fakes.chain import CHAIN_ID, PROVIDER

CLUSTER = "HPC-1"
HEALTHY = Health(HealthStatus.HEALTHY)
URL = "https://provd.example.org:8444"


def issue(host: str, now: float, signer: LocalSigner = PROVIDER, **changes: Any) -> str:
    """Returns a node token of the provider, valid for an hour."""
    made = NodeToken(
        CHAIN_ID,
        CLUSTER,
        f"alpha.{host}",
        host,
        signer.address,
        signer.public_key.hex(),
        URL,
        secrets.token_hex(32),
        int(now),
        int(now) + 3600,
    )
    return token.issue(replace(made, **changes), signer)


def permission(text: str, operator: str = "ann") -> AllowedNode:
    """Returns what the ledger has of a token."""
    found = token.read(text)
    return AllowedNode(
        found.node_id,
        found.cluster_id,
        found.hostname,
        found.provider_address,
        token.digest(text),
        found.issued_at,
        found.expires_at,
        operator=operator,
    )


@dataclass
class SigningAgent:
    """One node's agent with its own key."""

    host: str
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    cluster_id: str = CLUSTER
    sequence: int = 0

    @property
    def node_id(self) -> str:
        return f"alpha.{self.host}"

    @property
    def public_key(self) -> str:
        return base64.b64encode(self.key.public_key().public_bytes_raw()).decode()

    @property
    def heartbeat_path(self) -> str:
        return request.HEARTBEAT_PATH.format(node_id=self.node_id)

    def registration(self, text: str, now: float, nonce: str = "", **changes: Any) -> bytes:
        """Returns the body of a registration with a token."""
        wanted = Registration(
            self.node_id,
            self.cluster_id,
            PROVIDER.address,
            self.public_key,
            self.host,
            "f" * 64,
            "1.0",
            Capacity(cpu_cores_total=8),
            HEALTHY,
        )
        payload = writing.encode(replace(wanted, **changes))
        return request.encode(
            "registration", payload, self._auth(Purpose.REGISTRATION, payload, now, nonce), text
        )

    def heartbeat(self, now: float, **changes: Any) -> bytes:
        """Returns the body of the next heartbeat."""
        payload = writing.encode(self.beat(now, **changes))
        return request.encode("heartbeat", payload, self._auth(Purpose.HEARTBEAT, payload, now))

    def beat(self, now: float, **changes: Any) -> Heartbeat:
        self.sequence += 1
        written = datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z")
        made = Heartbeat(
            self.node_id,
            self.cluster_id,
            self.sequence,
            written,
            "1.0",
            Capacity(cpu_cores_total=8),
            HEALTHY,
        )
        return replace(made, **changes)

    def published_heartbeat(self, now: float, **changes: Any) -> bytes:
        """Returns the body of the published agent: it signs the bytes of the heartbeat alone."""
        payload = writing.encode(self.beat(now, **changes))
        auth = {
            "signature": signature.sign(self.key, payload),
            "nonce": base64.b64encode(payload[:16]).decode(),
            "timestamp": int(now),
        }
        return b'{"heartbeat":' + payload + b',"auth":' + json.dumps(auth).encode() + b"}"

    def _auth(self, purpose: Purpose, payload: bytes, now: float, nonce: str = "") -> Auth:
        nonce = nonce or base64.b64encode(secrets.token_bytes(signature.NONCE_BYTES)).decode()
        stamp = Stamp(self.node_id, self.cluster_id, int(now), nonce)
        signed = signature.sign(self.key, base_text(purpose, stamp, payload))
        return Auth(signed, nonce, int(now), Scheme.PROVD)
