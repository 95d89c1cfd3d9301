"""What a login proves itself with: the configured key, or a new key that the configured one certifies."""

from collections.abc import Sequence
from typing import TypeAlias

import asyncssh

from provider_daemon import names

SKEW_SECONDS = 300  # that the site's clock may be behind provd's
ClientKey: TypeAlias = str | tuple[asyncssh.SSHKey, asyncssh.SSHCertificate]


def client_keys(key_file: str, certificate_seconds: float, user: str, now: float) -> Sequence[ClientKey]:
    """Returns the key file, or with `certificate_seconds` a new key with a certificate of it for `user`.

    The new key is never written anywhere. Raises ValueError and OSError for an unusable key file.
    """
    if not certificate_seconds:
        return [key_file]
    authority = asyncssh.read_private_key(key_file)
    key = asyncssh.generate_private_key("ssh-ed25519")
    certificate = authority.generate_user_certificate(
        key,
        f"provd:{user}",  # sshd logs it with each login
        principals=[names.PRINCIPAL],
        valid_after=int(now - SKEW_SECONDS),
        valid_before=int(now + certificate_seconds),
        permit_x11_forwarding=False,
        permit_agent_forwarding=False,
        permit_port_forwarding=False,
        permit_pty=False,
        permit_user_rc=False,
    )
    return [(key, certificate)]
