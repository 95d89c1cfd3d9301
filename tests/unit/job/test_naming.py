"""The names of SLURM jobs."""

import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.job.naming import named_job, public_name, secret_name
from tests.unit.job.jobs import JOB, SPEC

SECRETS = st.binary(min_size=32, max_size=32)


@given(SECRETS, SECRETS)
def test_depends_on_the_secret(one: bytes, other: bytes) -> None:
    """Whoever lacks the secret computes another name; the name of older versions is no help."""
    assert (secret_name(one, SPEC) == secret_name(other, SPEC)) == (one == other)
    assert public_name(SPEC)[3:15] not in secret_name(one, SPEC)


@given(SECRETS, st.integers(1, 10**9), st.integers(0, 2**63))
def test_one_job_one_name(secret: bytes, number: int, created_ns: int) -> None:
    """SLURM, sh and a path take it as it is; the chain job is read from it; another chain, job or creation
    time is another name."""
    spec = replace(SPEC, job_id=f"JOB-{number}", created_ns=created_ns)
    name = secret_name(secret, spec)
    assert re.fullmatch(r"[A-Za-z0-9-]{1,64}", name)
    assert named_job(name) == named_job(public_name(spec)) == f"JOB-{number}"
    others = (
        replace(spec, chain_id="other"),
        replace(spec, created_ns=created_ns + 1),
        replace(spec, job_id=f"JOB-{number}1"),
    )
    assert name not in {secret_name(secret, other) for other in others}


def test_other_names_are_not_ours() -> None:
    """Nothing but the two forms is recognised."""
    for name in (
        "",
        "JOB-1",
        "ve-1-JOB-1",
        "ve-0123456789abc-JOB-1",
        f"{public_name(SPEC)}x",
        f"x{public_name(SPEC)}",
    ):
        assert named_job(name) == ""


def test_older_jobs_keep_their_name() -> None:
    """A job that an older version put into the ledger has no stored name."""
    assert JOB.name == public_name(SPEC)
    assert replace(JOB, slurm_name="ve-x-JOB-1").name == "ve-x-JOB-1"
