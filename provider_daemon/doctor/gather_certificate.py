"""Reads the certificate of a process that serves TLS."""

import ssl
from pathlib import Path

from cryptography import x509

from provider_daemon.doctor.facts import Certificate
from provider_daemon.doctor.finding import Unknown
from provider_daemon.listener.certificates import new_context


def certificate(path: str, key: str) -> Certificate | Unknown | None:
    """Returns None without a path: the process serves plain HTTP then."""
    if not path:
        return None
    try:
        found = x509.load_pem_x509_certificates(Path(path).read_bytes())[0]
    except (OSError, ValueError) as error:
        return Unknown(f"{path}: {error}")
    fits: bool | None = True
    try:
        new_context().load_cert_chain(path, key)
    except ssl.SSLError:
        fits = False
    except PermissionError:
        fits = None
    except (OSError, ValueError) as error:
        return Unknown(f"{key}: {error}")
    return Certificate(found.not_valid_after_utc.timestamp(), fits)
