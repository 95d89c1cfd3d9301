"""Registers the node: once with each token, or after each start in the published protocol."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from provider_daemon.agent import files, registration, requests
from provider_daemon.agent.config import AgentSettings
from provider_daemon.agent.exchange import Exchange
from provider_daemon.agent.failures import NEW_TOKEN, Failed
from provider_daemon.agent.journal import Journal
from provider_daemon.agent.key_file import public_text
from provider_daemon.agent.requests import Description, Moment
from provider_daemon.agent.sampling import Sample
from provider_daemon.agent.state import Registered
from provider_daemon.agent.state_file import StateFile
from provider_daemon.errors import ConfigError, Refused
from provider_daemon.node_protocol import token as node_token
from provider_daemon.node_protocol.request import REGISTER_PATH
from provider_daemon.node_protocol.signature import Scheme


@dataclass(frozen=True, slots=True)
class Identity:
    """`hostname`: SLURM's name of the node. `version`: the agent's."""

    hostname: str
    version: str
    key: Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class Present:
    """What a registration says about the node now."""

    moment: Moment
    sample: Sample
    description: Description


class Registrar:
    def __init__(
        self,
        settings: AgentSettings,
        identity: Identity,
        file: StateFile,
        exchange: Exchange,
        journal: Journal,
        report: Callable[[Failed], None],
    ) -> None:
        """`report` is told of failures that do not stop heartbeats."""
        self._settings, self._identity, self._file = settings, identity, file
        self._exchange, self._journal, self._report = exchange, journal, report
        self._token_file = Path(settings.token_file)
        self._introduced = False

    def registered(self, present: Present) -> Registered:
        """Returns the registration, a new one if there is a new token.

        Raises Failed if there is none, or if it cannot be stored.
        """
        if self._settings.protocol is Scheme.PUBLISHED:
            return self._introduce(present)
        current = self._file.current.registered
        try:
            if text := self._new_token():
                return self._register(text, present)
        except Failed as failed:
            if current is None:
                raise
            self._report(failed)
        if current is None:
            raise Failed("not_registered", f"{self._token_file} does not exist", NEW_TOKEN)
        return current

    def _new_token(self) -> str:
        """Returns the content of the token's file, empty without one. Deletes a token that was used."""
        try:
            text = files.read_private(self._token_file).decode(errors="replace").strip()
        except FileNotFoundError:
            return ""
        except ConfigError as error:
            raise Failed("token_unusable", str(error), "the agent reads the file again") from None
        current = self._file.current.registered
        if current is not None and node_token.digest(text) == current.token_sha256:
            self._delete_token()
            return ""
        return text

    def _register(self, text: str, present: Present) -> Registered:
        hostname, fingerprint = self._identity.hostname, present.description.fingerprint
        try:
            node = registration.from_token(text, hostname, fingerprint, present.moment.timestamp)
        except Refused as error:
            raise Failed("token_unusable", str(error), "the agent reads the file again") from None
        self._send(node, text, present)
        # A crash before this line is repaired by the next start: the collector accepts the same key again.
        self._file.change(replace(self._file.current, registered=node))
        self._delete_token()
        return node

    def _introduce(self, present: Present) -> Registered:
        """Registers once after each start, as the published agent does."""
        node = registration.from_settings(self._settings, present.description.fingerprint)
        if not self._introduced:
            self._send(node, "", present)
            self._introduced = True
        return node

    def forgotten(self) -> None:
        """The collector does not know the node: a published one keeps nodes in memory alone."""
        self._introduced = False

    def _send(self, node: Registered, text: str, present: Present) -> None:
        key = self._identity.key
        document = registration.document(
            node,
            self._identity.hostname,
            public_text(key),
            self._identity.version,
            present.sample,
            present.description,
        )
        body = requests.registration_body(key, document, present.moment, text)
        answer = self._exchange.post(node, REGISTER_PATH, body, "registration")
        self._file.advance_sequence(answer.sequence_ack)
        self._journal.info(
            "node_registered", node=node.node_id, cluster=node.cluster_id, collector=node.collector_url
        )

    def _delete_token(self) -> None:
        try:
            self._token_file.unlink()
        except OSError as error:
            problem = f"{self._token_file}: {error.strerror}"
            self._report(Failed("token_not_deleted", problem, "delete the file; the token was used"))
