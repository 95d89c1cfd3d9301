"""What sbatch's no means: SLURM 22.05's own words, from a real site."""

import pytest

from provider_daemon.errors import TurnedAway
from provider_daemon.job.site_trouble import SiteTrouble
from provider_daemon.slurm import failures
from provider_daemon.slurm.parse import Submitted

POLICY = (
    "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, "
    "user's size and/or time limits)"
)


def test_a_command_that_is_not_found() -> None:
    """The operator hears which key to set, and no answer of SLURM's is counted as unreadable."""
    error = failures.query_failure("squeue", 127, "sh: 1: squeue: not found")
    assert isinstance(error, TurnedAway)
    assert "clusters.slurm_path" in str(error)


@pytest.mark.parametrize(
    ("stderr", "words"),
    [
        (f"sbatch: error: AssocMaxSubmitJobLimit {POLICY}", "reached its job limit"),
        (f"sbatch: error: AssocGrpSubmitJobsLimit {POLICY}", "reached its job limit"),
        (f"sbatch: error: QOSMaxSubmitJobPerUserLimit {POLICY}", "reached its job limit"),
        (
            (
                "sbatch: error: Batch job submission failed: Required partition not available (inactive "
                "or drain)"
            ),
            "inactive or drain",
        ),
        ("sbatch: error: Batch job submission failed: System submissions disabled", "submissions disabled"),
    ],
)
def test_no_for_now(stderr: str, words: str) -> None:
    """A site that is full, or drained for its maintenance, is asked again later: no customer's job fails of
    it, none is parked."""
    receipt = failures.receipt(Submitted("ve-1", 1, "", stderr))
    assert words in receipt.deferral
    assert not receipt.refusal
    assert not receipt.unknown


@pytest.mark.parametrize("limit", ["QOSMaxNodePerJobLimit", "AssocMaxWallDurationPerJobLimit"])
def test_no_for_ever(limit: str) -> None:
    """What one job alone may not have, it never gets."""
    assert (
        "larger or longer"
        in failures.receipt(Submitted("ve-1", 1, "", f"sbatch: error: {limit} {POLICY}")).refusal
    )


def test_a_submission_that_did_not_start_is_deferred_without_a_reason_too() -> None:
    """An empty reason would read as an accepted job without an id."""
    said = failures.receipt(Submitted("ve-1", 1, "", "", started=False))
    assert (said.deferral, said.trouble) == ("sbatch was not started", SiteTrouble.WORK_ROOT)
