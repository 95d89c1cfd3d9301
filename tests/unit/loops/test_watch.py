"""What SLURM is asked about, and how far back."""

from dataclasses import replace

from provider_daemon.loops.advance import watch
from tests.unit.job.jobs import JOB

CREATED = 2_000_000_000


def test_a_site_whose_clock_is_hours_behind() -> None:
    """Its records look older than the chain's job. Passed over as an earlier job's, each would seem absent, and be submitted twice."""
    job = replace(JOB, spec=replace(JOB.spec, created_ns=CREATED * 10**9))
    assert watch([job]).since <= CREATED - 6 * 3600
