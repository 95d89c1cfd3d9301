"""TLS from certificate files, which are read again when they change."""

import ssl
from pathlib import Path

import structlog
from cryptography import x509

from provider_daemon.errors import ConfigError
from provider_daemon.ongoing import OngoingProblems
from provider_daemon.ports import Clock

log = structlog.get_logger("provd.tls")

PROBLEM = "certificate_not_reloaded"


class Certificates:
    """`context` is what the listener uses. New connections get a new certificate; open ones keep theirs.

    `expires`: when the certificate in use does, in seconds since the epoch.
    """

    def __init__(
        self, section: str, certificate: Path, key: Path, ongoing: OngoingProblems, clock: Clock
    ) -> None:
        """`section`: where the files are configured. Raises ConfigError if they cannot be used."""
        self._certificate, self._key = certificate, key
        self._ongoing, self._clock = ongoing, clock
        self.context = new_context()
        self.expires = 0.0
        self._seen: tuple[tuple[int, ...], ...] = ()
        try:
            self._load()
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise ConfigError([f"{section}.certificate {certificate}, {section}.key {key}: {why}"]) from None

    def reload(self) -> None:
        """Reads the files if they changed. Files that do not fit together change nothing."""
        try:
            if self._state() == self._seen:
                return
            self._load()
        except (OSError, ValueError) as error:
            if self._ongoing.start(PROBLEM, str(self._certificate), self._clock.now(), str(error)):
                following = "the old certificate stays in use; correct the files, which are read every minute"
                log.error(PROBLEM, certificate=str(self._certificate), why=str(error), next=following)
            return
        self._ongoing.clear(PROBLEM, str(self._certificate))
        log.info("certificate_reloaded", certificate=str(self._certificate), expires=self.expires)

    def _load(self) -> None:
        """Loads into a new context first: a key of another certificate leaves the one in use unchanged."""
        state = self._state()
        new_context().load_cert_chain(self._certificate, self._key)
        found = x509.load_pem_x509_certificates(self._certificate.read_bytes())[0]
        self.context.load_cert_chain(self._certificate, self._key)
        self.expires = found.not_valid_after_utc.timestamp()
        self._seen = state

    def _state(self) -> tuple[tuple[int, ...], ...]:
        facts = [path.stat() for path in (self._certificate, self._key)]
        return tuple((each.st_ino, each.st_size, each.st_mtime_ns) for each in facts)


def new_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    return context
