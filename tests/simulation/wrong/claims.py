"""Errors about claims: when a job is claimed, and what the exit codes of a claim mean."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from provider_daemon.errors import Transient
from provider_daemon.job import lifecycle, own_slurm_job
from provider_daemon.job.claim import CLAIMED, Claim
from provider_daemon.job.snapshot import Sighting
from provider_daemon.slurm import claims, script
from provider_daemon.slurm.claim_reader import ClaimReader
from provider_daemon.slurm.script import Batch
from tests.simulation.wrong import Changes

BODY, CLAIM = script._body, script._claim
LINKS = ClaimReader.__init__


def after_the_prologue(batch: Batch) -> list[str]:
    claim = CLAIM(batch)
    rest = BODY(batch)[len(claim) :]
    at = rest.index(batch.prologue[-1]) + 1
    return [*rest[:at], *claim, *rest[at:]]


def by_exit_code(seen: Sighting, links: Mapping[str, str]) -> Sighting:
    """Takes both codes for the script's, whatever the claim says."""
    if seen.exit_code == CLAIMED:
        return replace(seen, duplicate=Claim("", ""))
    return replace(seen, unclaimed=True)


def unreadable_is_none(self: Any, links: Any, *others: Any) -> None:
    async def read(root: str, user: str, names: Sequence[str]) -> Mapping[str, str]:
        try:
            found: Mapping[str, str] = await links(root, user, names)
        except Transient:
            return {}
        return found

    LINKS(self, read, *others)


CLAIMS: dict[str, Changes] = {
    "no claim": ((script, "_claim", lambda batch: []), (claims, "in_question", lambda seen: False)),
    "the claim comes after the prologue": ((script, "_body", after_the_prologue),),
    "the exit code of a claim is trusted": ((claims, "judged", by_exit_code),),
    "the exit codes of a claim are the program's": ((claims, "in_question", lambda seen: False),),
    "an unreadable claim counts as none": ((ClaimReader, "__init__", unreadable_is_none),),
    "a duplicate counts as an end": (
        (lifecycle, "ran_nothing", lambda job, seen: seen.unclaimed),
        (own_slurm_job, "ran_nothing", lambda job, seen: seen.unclaimed),
    ),
    "a job that could not be claimed counts as ended": (
        (lifecycle, "ran_nothing", lambda job, seen: seen.duplicate is not None),
        (own_slurm_job, "ran_nothing", lambda job, seen: seen.duplicate is not None),
    ),
}
