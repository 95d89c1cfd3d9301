"""Which of the SLURM jobs under a job's name is the job's own. Pure.

Others can submit SLURM jobs under the name once they can read it, and a submission whose answer was lost may
have been repeated. In this order, what proves that a SLURM job is the job's own: its id, the claim, the
directory of the last submission, the earliest submission under a name that nobody else knew before.
"""

from dataclasses import replace

from provider_daemon.job.claim import Claim
from provider_daemon.job.job import Job, park
from provider_daemon.job.parking import ParkReason
from provider_daemon.job.snapshot import Sighting, Snapshot
from provider_daemon.job.state import TERMINAL

# seconds: a SLURM job that ran for longer and has no claim did not end because of that
CLAIM_SECONDS = 300


def _ids(sightings: tuple[Sighting, ...]) -> str:
    return ", ".join(sighting.slurm_id for sighting in sightings)


def ran_nothing(job: Job, seen: Sighting) -> bool:
    """Returns whether the SLURM job ended without the claim of the job, so that nothing of it ran."""
    return job.claims and seen.ran_nothing


def _rest(job: Job, snapshot: Snapshot) -> tuple[Sighting, ...]:
    """Returns the SLURM jobs under the job's name that may have run something."""
    return tuple(seen for seen in snapshot.of(job.name) if not ran_nothing(job, seen))


def _own(job: Job, snapshot: Snapshot) -> tuple[Sighting, ...]:
    """Returns the SLURM jobs under the job's name that may be its own; only the claim's, if it is known.

    Once one could not claim the job, the name proves nothing: others could read it before the job was
    submitted again. Then only the random directory of the last submission does.
    """
    sightings, rest = snapshot.of(job.name), _rest(job, snapshot)
    if claims := {seen.duplicate.slurm_id for seen in sightings if job.claims and seen.duplicate}:
        return tuple(seen for seen in rest if seen.slurm_id in claims)
    if len(rest) == len(sightings):
        return rest
    known = {"", *(seen.directory for seen in sightings if seen not in rest)}
    return tuple(seen for seen in rest if seen.directory == job.directory and job.directory not in known)


def pick(job: Job, snapshot: Snapshot) -> Sighting | None:
    """Returns the SLURM job to follow; None if the snapshot shows none of the job's own."""
    if job.slurm_id:
        return next((seen for seen in snapshot.of(job.name) if seen.slurm_id == job.slurm_id), None)
    sightings = _own(job, snapshot)
    if job.slurm_name:
        return min(sightings, key=_first_submitted, default=None)  # nobody else knew the name before
    live = [sighting for sighting in sightings if not sighting.final]
    return next(iter(live or sightings), None)


def several(job: Job, snapshot: Snapshot) -> Job | None:
    """Returns the job, waiting or parked, if it is unclear which of several SLURM jobs is ours; else None.

    Only the signing key computes the name, so a job that others submit under it comes later, once they could
    read it. The earliest one is ours, if all SLURM jobs of the name are known and no other has the same
    submit time.
    """
    sightings = _own(job, snapshot)
    if job.slurm_id or not sightings:
        return None if job.slurm_id else unproven(job, snapshot)
    if len({sighting.slurm_id for sighting in sightings}) < 2:
        # slurmctld may have forgotten ours before slurmdbd has its record
        return job if job.submitted_at and not snapshot.complete_for(job.name) else None
    if job.slurm_name:
        first, second, *_ = sorted(map(_first_submitted, sightings))
        if not snapshot.complete_for(job.name):
            return replace(job, submitted_at=first)
        if 0 < first < second:
            return None
    elif len({sighting.slurm_id for sighting in sightings if not sighting.final}) < 2:
        return None
    what = f"several SLURM jobs are named {job.name}: {_ids(sightings)}; cancel all but one, then unpark"
    return park(job, ParkReason.SEVERAL, what)


def unproven(job: Job, snapshot: Snapshot) -> Job | None:
    """Returns the job, waiting or parked, while SLURM jobs of its name may turn out to be its own; else None.

    They are where another one could not claim the job. A live one may claim it yet. One that ran for long may
    have removed its claim.
    """
    rest = _rest(job, snapshot)
    if not rest or claimed_by(job, snapshot) is not None:
        return None
    if not snapshot.complete_for(job.name) or not all(seen.final for seen in rest):
        return job
    if job.reported in TERMINAL or job.disowned or all(map(_is_strangers, rest)):
        return None
    hint = "find out who submitted them; unpark when the customer has cancelled the job"
    what = f"SLURM jobs named {job.name} ran for long and do not have its claim: {_ids(rest)}; {hint}"
    return park(job, ParkReason.SEVERAL, what)


def _is_strangers(seen: Sighting) -> bool:
    """Returns whether a SLURM job that does not have the claim, where one could not make it, is not ours."""
    return seen.final and seen.elapsed <= CLAIM_SECONDS


def _first_submitted(seen: Sighting) -> int:
    return seen.first_submitted_at or seen.submitted_at


def claimed_by(job: Job, snapshot: Snapshot) -> Claim | None:
    """Returns the claim of the job's own SLURM job, if another one ended because of it."""
    return next((seen.duplicate for seen in snapshot.of(job.name) if job.claims and seen.duplicate), None)


def nothing_ran(job: Job, snapshot: Snapshot) -> bool:
    """Returns whether all SLURM jobs of the job ended because they could not claim it: nothing of it ran."""
    unable = [seen for seen in snapshot.of(job.name) if job.claims and seen.unclaimed]
    others = [seen for seen in snapshot.of(job.name) if seen not in unable]
    foreign = all(_is_strangers(seen) and seen not in _own(job, snapshot) for seen in others)
    return not job.slurm_id and bool(unable) and foreign
