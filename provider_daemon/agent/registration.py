"""What an agent registers with, and what a registration settles. Pure (docs/agent.md, 'Registration')."""

from provider_daemon.agent.config import AgentSettings
from provider_daemon.agent.requests import Description
from provider_daemon.agent.sampling import Sample
from provider_daemon.agent.state import Registered
from provider_daemon.errors import Refused
from provider_daemon.node_protocol import token as node_token
from provider_daemon.nodes.report import Registration


def from_token(text: str, hostname: str, fingerprint: str, now: float) -> Registered:
    """Raises Refused if the token cannot register this node. The collector checks who its provider is."""
    token = node_token.read(text)
    if token.hostname != hostname:
        raise Refused(
            f"the node token is for {token.hostname}, this node is {hostname}: "
            f"issue one with `provd node token {hostname}`, or set hostname in agent.toml"
        )
    if token.expires_at < now:
        raise Refused(f"the node token has expired: issue a new one with `provd node token {hostname}`")
    return Registered(
        token.node_id,
        token.cluster_id,
        token.provider_address,
        token.provider_pubkey,
        token.collector_url,
        token.issued_at,
        node_token.digest(text),
        fingerprint,
    )


def from_settings(settings: AgentSettings, fingerprint: str) -> Registered:
    """The published protocol has no tokens, and no signed commands: its public key is empty."""
    return Registered(
        settings.node_id,
        settings.cluster_id,
        settings.provider_address,
        provider_pubkey="",
        collector_url=settings.collector_url,
        since=0,
        token_sha256="",
        fingerprint=fingerprint,
    )


def document(
    node: Registered, hostname: str, public_key: str, version: str, sample: Sample, description: Description
) -> Registration:
    """Returns what is sent. `public_key`: the agent's, in base64."""
    return Registration(
        node.node_id,
        node.cluster_id,
        node.provider_address,
        public_key,
        hostname,
        description.fingerprint,
        version,
        sample.capacity,
        sample.health,
        description.locality.region,
        description.locality.datacenter,
        description.hardware,
        description.topology,
        description.locality,
    )
