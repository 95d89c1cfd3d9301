"""SLURM job names: what they are made of, and how one of ours is recognised.

A job found under its name counts as ours, so nobody else may be able to take the name first. Chain id, job id
and creation time are public; only the holder of the signing key can compute the name before the job is in
SLURM."""

import hashlib
import hmac
import re

from provider_daemon.job.spec import Spec

DIGITS = 20  # hexadecimal digits of the name's secret part: 80 bits
PUBLIC_DIGITS = 12  # of names by versions up to 0.1.0
_UNSAFE = re.compile(r"[^A-Za-z0-9-]")
_OURS = re.compile(rf"ve-(?:[0-9a-f]{{{PUBLIC_DIGITS}}}|[0-9a-f]{{{DIGITS}}})-(JOB-\d+)")


def secret_name(secret: bytes, spec: Spec) -> str:
    """The name that a new job is submitted under: unguessable without `secret`, in [A-Za-z0-9-] only.

    The creation time guards against a chain that started again from genesis under the same chain id: its
    JOB-1 must not adopt the SLURM job of the old JOB-1. The digest guards against an endpoint that altered a
    job: the true one must not adopt its SLURM job."""
    identity = _identity(spec) + f"\n{spec.digest}".encode()
    return _name(hmac.new(secret, identity, hashlib.sha256).hexdigest()[:DIGITS], spec)


def public_name(spec: Spec) -> str:
    """The name that versions up to 0.1.0 gave a job. Anybody can compute it: it proves nothing."""
    return _name(hashlib.sha256(_identity(spec)).hexdigest()[:PUBLIC_DIGITS], spec)


def named_job(slurm_name: str) -> str:
    """The chain job that a SLURM job name of either form names, on whatever chain; empty for any other
    name."""
    found = _OURS.fullmatch(slurm_name)
    return found[1] if found else ""


def _identity(spec: Spec) -> bytes:
    return f"{spec.chain_id}\n{spec.job_id}\n{spec.created_ns}".encode()


def _name(digits: str, spec: Spec) -> str:
    return f"ve-{digits}-{_UNSAFE.sub('-', spec.job_id)[:40]}"
