"""SLURM job names: how they are computed, and how provd recognises its own.

A SLURM job counts as ours if it has the job's name, so nobody else may be able to use the name first. Chain
id, job id and creation time are public. Only the holder of the signing key can compute the name before the
job is in SLURM.
"""

import hashlib
import hmac
import re

from provider_daemon.job.spec import Spec

DIGITS = 20  # hexadecimal digits of the name's secret part: 80 bits
PUBLIC_DIGITS = 12  # of names by versions up to 0.1.0
_UNSAFE = re.compile(r"[^A-Za-z0-9-]")
_OURS = re.compile(rf"ve-(?:[0-9a-f]{{{PUBLIC_DIGITS}}}|[0-9a-f]{{{DIGITS}}})-(JOB-\d+)")


def secret_name(secret: bytes, spec: Spec) -> str:
    """Returns the name of a new job: unguessable without `secret`, in [A-Za-z0-9-] only.

    The creation time guards against a chain that restarted from genesis with the same chain id: its JOB-1
    must not adopt the SLURM job of the old JOB-1. The digest guards against an endpoint that altered a job:
    the true job must not adopt the SLURM job of the altered one.
    """
    identity = _identity(spec) + f"\n{spec.digest}".encode()
    return _name(hmac.new(secret, identity, hashlib.sha256).hexdigest()[:DIGITS], spec)


def public_name(spec: Spec) -> str:
    """Returns the job's name of versions up to 0.1.0. Anybody can compute it, so it proves nothing."""
    return _name(hashlib.sha256(_identity(spec)).hexdigest()[:PUBLIC_DIGITS], spec)


def named_job(slurm_name: str) -> str:
    """Returns the job id in a SLURM job name of either form, of any chain; '' for other names."""
    found = _OURS.fullmatch(slurm_name)
    return found[1] if found else ""


def _identity(spec: Spec) -> bytes:
    return f"{spec.chain_id}\n{spec.job_id}\n{spec.created_ns}".encode()


def _name(digits: str, spec: Spec) -> str:
    return f"ve-{digits}-{_UNSAFE.sub('-', spec.job_id)[:40]}"
