"""SLURM job names from the signing key."""

import hashlib

from provider_daemon.chain.job_names import job_name
from provider_daemon.chain.sign import LocalSigner
from provider_daemon.job.naming import named_job, secret_name
from tests.unit.job.jobs import SPEC

KEY, OTHER = bytes([7]) * 32, bytes([8]) * 32


def test_the_key_alone_gives_the_name() -> None:
    """A daemon without its ledger computes the same name; one with another key does not."""
    assert (
        job_name(LocalSigner(KEY), SPEC)
        == job_name(LocalSigner(KEY), SPEC)
        != job_name(LocalSigner(OTHER), SPEC)
    )
    assert named_job(job_name(LocalSigner(KEY), SPEC)) == "JOB-1"


def test_what_is_public_is_no_secret() -> None:
    """Neither the public key nor the address is what the names come from."""
    signer = LocalSigner(KEY)
    guesses = (b"", signer.public_key, signer.address.encode(), hashlib.sha256(signer.public_key).digest())
    assert job_name(signer, SPEC) not in {secret_name(guess, SPEC) for guess in guesses}


def test_signed_once_per_signer() -> None:
    """A signer that is slow, as a remote one, is asked once."""

    class Counting(LocalSigner):
        signed = 0

        def sign(self, digest: bytes) -> bytes:
            self.signed += 1
            return super().sign(digest)

    signer = Counting(KEY)
    assert {job_name(signer, SPEC) for _ in range(3)} == {job_name(LocalSigner(KEY), SPEC)}
    assert signer.signed == 1
