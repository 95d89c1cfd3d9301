"""The names of our SLURM jobs, derived from the signing key.

Nobody else can compute one, and they survive the loss of the ledger.
"""

import hashlib
from functools import lru_cache

from provider_daemon.chain.keys import Signer
from provider_daemon.job.naming import secret_name
from provider_daemon.job.spec import Spec

# What is signed to derive the secret. It is neither a transaction nor an ADR-036 document, so the signature
# is valid for nothing.
DOMAIN = hashlib.sha256(b"provd: secret of SLURM job names, version 1").digest()


def job_name(signer: Signer, spec: Spec) -> str:
    """Returns the SLURM job name, which is also the name of the job's directory."""
    return secret_name(_secret(signer), spec)


@lru_cache(maxsize=16)
def _secret(signer: Signer) -> bytes:
    """Returns the secret, derived once per signer and never logged.

    The signature is deterministic, so the same key always gives the same secret.
    """
    return hashlib.sha256(signer.sign(DOMAIN)).digest()
