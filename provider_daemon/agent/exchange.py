"""One request and the collector's answer to it."""

from provider_daemon.agent.clock import Clock
from provider_daemon.agent.collector_client import CollectorClient, Reply
from provider_daemon.agent.config import AgentSettings
from provider_daemon.agent.failures import Failed, rejected
from provider_daemon.agent.state import Registered
from provider_daemon.errors import ConfigError, Transient, Unreadable
from provider_daemon.node_protocol import answer as answers
from provider_daemon.node_protocol.answer import Answer
from provider_daemon.node_protocol.signature import Scheme

SHOWN_CHARACTERS = 100


class Exchange:
    """Keeps a connection to the collector; after a failure it makes a new one, and reads `ca_file` again."""

    def __init__(self, settings: AgentSettings, version: str, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._user_agent = f"provd-agent/{version}"
        self._url = ""
        self._client: CollectorClient | None = None
        self.round_trip_us = 0  # at the last answer

    def post(self, node: Registered, path: str, body: bytes, what: str) -> Answer:
        """Returns the answer of a collector that accepted the request; `what` begins the events of failures.

        Raises Failed.
        """
        headers = {"X-Node-ID": node.node_id, "X-Cluster-ID": node.cluster_id}
        try:
            client = self._connected(node.collector_url)
            answer = _answer(client.post(path, body, headers))
            self.round_trip_us = client.round_trip_us
        except (Transient, Unreadable) as error:
            self._disconnect()
            raise Failed(f"{what}_failed", str(error)) from None
        except ConfigError as error:
            following = "correct ca_file in agent.toml, or register with a token that names another address"
            raise Failed(f"{what}_failed", str(error), following) from None
        if not answer.accepted:
            raise rejected(f"{what}_rejected", answer, self._clock.now())
        return answer

    def _connected(self, url: str) -> CollectorClient:
        if self._client is None or url != self._url:
            self._disconnect()
            plain = self._settings.protocol is Scheme.PUBLISHED
            self._client = CollectorClient(url, self._settings.ca_file, self._user_agent, plain=plain)
            self._url = url
        return self._client

    def _disconnect(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = None


def _answer(reply: Reply) -> Answer:
    try:
        return answers.read(reply.data)
    except Unreadable:
        shown = " ".join(reply.data[:SHOWN_CHARACTERS].decode(errors="replace").split())
        raise Unreadable(f"HTTP status {reply.status}, without a collector's answer: {shown!r}") from None
