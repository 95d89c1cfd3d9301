"""The life cycle of a job: what a SLURM snapshot shows about it (`observe`), and the next action (`decide`).

Theory of operation. SLURM and the chain each hold part of the truth about a job, and either may be
unreachable. So a `Job` is not at a step of a procedure: it is a set of facts, and both functions are pure
functions of these facts, one snapshot and the time. Doing nothing is always safe: the next snapshot is
compared again.

Five facts decide, each with a source of its own:

  state     What SLURM shows of the job's run: pending, queued, running, then one of TERMINAL. Steps may be
            skipped; a requeue does not set it back. A refusal at intake or by sbatch makes it failed.
  promised  The last state for which a report is stored. The reports that lead from here to `state` are stored
            in the commit that moves `promised`, so none is stored twice.
  reported  The last state that the chain confirmed, by an included report or in its own record: a customer's
            cancel and the chain's time-out arrive here. An older answer never sets it back (`confirm`).
  parked    An operator has to decide. The job is not submitted, cancelled, closed or reported. Only the
            reasons in CHECKED_AGAIN end without an operator, when a later snapshot no longer shows them.
  hold      The chain's record of the job differs from the ledger's, is missing or cannot be read, or a report
            would be too expensive. The job is observed, but not submitted or reported. A record that stays
            different or missing sets `disowned`: the SLURM job is cancelled as if the chain had ended it,
            parked or not.

Submission. `intend` is committed before sbatch is called; the SLURM id comes with sbatch's answer, or when
the job's name is first seen in SLURM. Between the two nobody knows whether the job is in SLURM. If it is
found by name, it is followed; if it is absent, it is submitted again, and after MAX_ATTEMPTS without a trace
it is parked. Absence counts only in a complete snapshot (see `Snapshot`), taken after the job was adopted and
WAITING_WINDOW after the last intent: longer than a submission can take, so what is absent by then does not
appear later.

Claims. A SLURM job runs its job's program only if it has the claim (job/claim.py), so a job that was
submitted twice runs once. A SLURM job without it ran nothing: it ends no job, and its usage is not counted.
If another one has the claim, that is the job's own; it is followed if SLURM still shows it, and otherwise the
job is parked. If none has, the job is submitted again after the waiting window, and parked when
MAX_UNCLAIMED SLURM jobs could not claim it. Its name is known by then: another SLURM job of that name whose
id is unknown is followed only if it has the claim or the directory of the last submission.

Waiting. A pending reason that normally never goes away can also appear for a moment: the job is ended after
HOPELESS_PATIENCE of it. A job that SLURM knew and that is in neither squeue nor sacct, or that left squeue
while sacct has it open, is parked after MISSING_PATIENCE. The batch script ends its program at the wall limit
and kills it `kill_after` seconds later; a job that is still running KILL_GRACE past the limit is cancelled.

End. Only sacct's closed record ends a run: it gives state, exit code and usage. The job is closed when the
chain's record is terminal (or the job is disowned) and nothing of the job can be alive in SLURM: it is
measured, was never submitted, or is absent from a complete snapshot after the window; from two of them if it
had an id.

provd never treats absence or a failed query as an outcome, never calls sbatch without a committed intent or
without proof of absence, never cancels a SLURM job under another id than the job's own, and never signs an
implausible record unless an operator accepted it.
"""

import math
from dataclasses import dataclass, replace

from provider_daemon.job.claim import Claim
from provider_daemon.job.job import Job, park
from provider_daemon.job.outcome import finish
from provider_daemon.job.own_slurm_job import (
    CLAIM_SECONDS,
    claimed_by,
    nothing_ran,
    pick,
    ran_nothing,
    several,
    unproven,
)
from provider_daemon.job.parking import CHECKED_AGAIN, ParkReason
from provider_daemon.job.plausibility import is_dated_after
from provider_daemon.job.snapshot import Phase, Sighting, Snapshot
from provider_daemon.job.state import TERMINAL, State, route

# Exactly-once submission depends on these four, in seconds: a submission must be over before its absence from
# SLURM counts. START_SECONDS is the time from the call of a command until it runs at the site; a command that
# is later is not started.
START_SECONDS = 15
SUBMIT_SECONDS = 30  # from its start until timeout(1) at the site ends a submission command
KILL_SECONDS = 5  # from then until timeout(1) kills it
# after an intent, before absence counts: the three above, and room for clock differences
WAITING_WINDOW = 60
KILL_AFTER = 10  # maximum seconds between SIGTERM to a program at its limit and SIGKILL
KILL_GRACE = 30  # seconds past the wall limit before provd ends a job that its own script did not end
# seconds of complete snapshots without a job that SLURM once knew, before the job is parked
MISSING_PATIENCE = 600
# seconds of a pending reason that never goes away, before the job is ended: nodes that are down for a moment
# also cause such reasons
HOPELESS_PATIENCE = 120
MAX_ATTEMPTS = 5  # submissions without a trace in SLURM, before the job is parked
MAX_UNCLAIMED = 5  # SLURM jobs that ended because they could not claim the job, before it is parked


@dataclass(frozen=True, slots=True)
class Submit:
    pass


@dataclass(frozen=True, slots=True)
class Cancel:
    slurm_id: str


Action = Submit | Cancel | None


def wall_limit(max_runtime_seconds: int, margin_seconds: int) -> int:
    """Returns the run time limit, early enough to report the timeout before the chain times the job out.

    The margin covers the poll, sacct's delay and the block. It is at most a quarter of a short job's limit.
    """
    return max_runtime_seconds - min(margin_seconds, max_runtime_seconds // 4)


def kill_after(max_runtime_seconds: int, wall_seconds: int) -> int:
    """Returns after how many seconds past the limit a program is killed: a third of the margin."""
    return max(1, min(KILL_AFTER, (max_runtime_seconds - wall_seconds) // 3))


def observe(job: Job, snapshot: Snapshot, now: float, latest: float = math.inf) -> Job:
    """Returns the job with what the snapshot shows.

    `latest`: the latest possible time at the site, whose clock may differ from ours. It is infinite until the
    chain's clock was read; a record dated after our own clock is not used until then.
    """
    if (
        job.measured
        or job.never_ran
        or job.written_off
        or (job.parked and not (job.disowned or job.parked.reason in CHECKED_AGAIN))
    ):
        return _close(job, snapshot, now)
    if (held := several(job, snapshot)) is not None:
        return held
    seen = pick(job, snapshot)
    if seen is None:
        return _close(_unseen(job, snapshot, now), snapshot, now)
    if ran_nothing(job, seen):
        return _close(_without_claim(job, seen, now), snapshot, now)
    missing_since = job.missing_since if seen.overdue else None
    submitted_at = seen.submitted_at or job.submitted_at
    job = _learn(
        replace(job, slurm_id=seen.slurm_id, submitted_at=submitted_at, missing_since=missing_since),
        seen,
        now,
        latest,
    )
    return _close(_overdue(job, snapshot, now) if seen.overdue else job, snapshot, now)


def _without_claim(job: Job, seen: Sighting, now: float) -> Job:
    """Returns the job without its SLURM job, which ran nothing. SLURM is searched for the job's own."""
    searched = look_by_name(job, now)
    if seen.duplicate is not None:
        return replace(
            searched, duplicate_of=seen.duplicate.slurm_id, directory=seen.duplicate.directory, image=""
        )
    if seen.slurm_id not in job.unclaimed:
        unclaimed = (*job.unclaimed, seen.slurm_id)
        searched = replace(searched, attempt=max(0, job.attempt - 1), unclaimed=unclaimed)
    if len(searched.unclaimed) < MAX_UNCLAIMED and seen.elapsed <= CLAIM_SECONDS:
        return searched
    hint = "check that the nodes can write to clusters.work_root, then unpark to submit it again"
    what = (
        f"SLURM job {seen.slurm_id} ended with exit code {seen.exit_code} after {seen.elapsed} s, and no "
        f"SLURM job has claimed the job ({len(searched.unclaimed)} times so far): {hint}"
    )
    return park(searched, ParkReason.UNCLAIMED, what)


def _unseen(job: Job, snapshot: Snapshot, now: float) -> Job:
    if not snapshot.complete_for(job.name):
        return job
    if not job.slurm_id and (winner := claimed_by(job, snapshot)) is not None:
        return park(job, ParkReason.DUPLICATE, _duplicate(job, winner))
    if not job.slurm_id and job.attempt >= MAX_ATTEMPTS and _window_over(job, snapshot):
        answer = f" (last output of sbatch: {job.sbatch_answer})" if job.sbatch_answer else ""
        hint = "check sbatch on the login node, then unpark"
        return park(
            job, ParkReason.NO_TRACE, f"{job.attempt} submissions left no trace in SLURM{answer}: {hint}"
        )
    if nothing_ran(job, snapshot):
        ids = tuple(seen.slurm_id for seen in snapshot.of(job.name) if seen.unclaimed)
        return replace(job, unclaimed=job.unclaimed or ids, missing_since=None)
    if not (job.slurm_id or job.reported in (State.QUEUED, State.RUNNING)):
        return job
    if job.missing_since is None:
        return replace(job, missing_since=now)
    if now - job.missing_since < MISSING_PATIENCE or job.state in TERMINAL or job.reported in TERMINAL:
        return job
    where = f"SLURM job {job.slurm_id}" if job.slurm_id else f"a SLURM job named {job.name}"
    hint = "find out what happened to it, then unpark"
    return park(job, ParkReason.MISSING, f"{where} is in neither squeue nor sacct: {hint}")


def _duplicate(job: Job, winner: Claim) -> str:
    if not winner.slurm_id:
        return f"the claim of {job.name} names no SLURM job: find out who changed it, then unpark"
    hint = "find out how it ended, and why the job was submitted twice"
    return (
        f"the job was submitted again after SLURM job {winner.slurm_id} had run it, which is in neither "
        f"squeue nor sacct any more: {hint}"
    )


def _overdue(job: Job, snapshot: Snapshot, now: float) -> Job:
    """Parks a job whose record in sacct stays open: only an operator can close it."""
    if not snapshot.complete_for(job.name) or job.parked:
        return job
    if job.missing_since is None:
        return replace(job, missing_since=now)
    if now - job.missing_since < MISSING_PATIENCE:
        return job
    hint = "run `sacctmgr show runawayjobs` to fix the record, then unpark"
    what = f"SLURM job {job.slurm_id} has left squeue and sacct never closes it: {hint}"
    return park(job, ParkReason.NEVER_CLOSED, what)


def _learn(job: Job, seen: Sighting, now: float, latest: float) -> Job:
    if seen.phase is Phase.UNKNOWN:
        hint = "provd waits for one that it knows"
        what = f"SLURM job {seen.slurm_id} is in the unknown state {seen.slurm_state!r}: {hint}"
        return park(job, ParkReason.UNKNOWN_STATE, what)
    if math.isinf(latest) and not job.record_accepted and is_dated_after(seen.runs, now):
        return job  # the check needs the chain's clock, which was not read yet
    job = replace(job, parked=None)
    if seen.phase is Phase.ENDED and seen.final:
        return finish(job, seen, latest)
    if seen.phase is Phase.RUNNING:
        started = State.RUNNING if job.state in (State.PENDING, State.QUEUED) else job.state
        return replace(job, state=started, refused="", hopeless_since=None)  # the job could start
    if seen.phase is Phase.WAITING:
        return _wait(job, seen, now)
    return job


def _wait(job: Job, seen: Sighting, now: float) -> Job:
    """Records a waiting job. It is refused if its pending reason has not gone away for HOPELESS_PATIENCE."""
    state = State.QUEUED if job.state is State.PENDING else job.state
    if not seen.hopeless:
        return replace(job, state=state, hopeless_since=None)
    since = now if job.hopeless_since is None else job.hopeless_since
    refused = seen.hopeless if now - since >= HOPELESS_PATIENCE else job.refused
    return replace(job, state=state, hopeless_since=since, refused=refused)


def _close(job: Job, snapshot: Snapshot, now: float) -> Job:
    over = job.reported in TERMINAL or job.disowned
    if job.closed_at is not None or not over or (job.parked and not job.disowned):
        return job
    gone = job.measured or job.never_ran or not job.submitted or _written_off(job, snapshot)
    absent = snapshot.complete_for(job.name) and pick(job, snapshot) is None and _window_over(job, snapshot)
    return replace(job, closed_at=now) if gone or (absent and _asked_for(job, snapshot)) else job


def _written_off(job: Job, snapshot: Snapshot) -> bool:
    """Returns whether an operator wrote the job off and nothing of it is left in SLURM."""
    over = all(seen.final for seen in snapshot.of(job.name))
    return job.written_off and over and snapshot.complete_for(job.name) and _window_over(job, snapshot)


def _asked_for(job: Job, snapshot: Snapshot) -> bool:
    """Returns whether the snapshot was made knowing that the job is missing, with a check of slurmdbd."""
    return not job.slurm_id or (job.missing_since is not None and job.missing_since < snapshot.taken_at)


def _window_over(job: Job, snapshot: Snapshot) -> bool:
    return job.intent_at is None or snapshot.taken_at >= job.intent_at + WAITING_WINDOW


def holds_slot(job: Job, snapshot: Snapshot) -> bool:
    """Returns whether the job counts towards max_jobs. A parked one counts only while it is in SLURM."""
    if job.measured or job.closed_at is not None or not job.submitted:
        return False
    if not job.parked:
        return True
    sightings = [seen for seen in snapshot.of(job.name) if job.slurm_id in ("", seen.slurm_id)]
    return any(not seen.final and not seen.overdue for seen in sightings) or not (
        job.slurm_id or _window_over(job, snapshot)
    )


def decide(job: Job, snapshot: Snapshot) -> Action:
    """Returns the action for the job that `observe` returned."""
    if job.closed_at is not None or (job.parked and not job.disowned) or job.measured or job.never_ran:
        return None
    seen = pick(job, snapshot)
    if seen is not None:
        return (
            Cancel(seen.slurm_id)
            if seen.slurm_id == job.slurm_id and not seen.final and _must_end(job, seen)
            else None
        )
    return Submit() if _may_submit(job, snapshot) else None


def _must_end(job: Job, seen: Sighting) -> bool:
    """Returns whether to cancel: ended on chain or by an operator, disowned, hopeless, or past its limit."""
    over = seen.phase is Phase.RUNNING and seen.elapsed > job.wall_seconds + KILL_GRACE
    return job.reported in TERMINAL or job.disowned or bool(job.end_reason or job.refused) or over


def _may_submit(job: Job, snapshot: Snapshot) -> bool:
    never_seen = job.state is State.PENDING and job.reported is State.PENDING
    again = job.reported not in TERMINAL and nothing_ran(job, snapshot)
    if job.hold or job.slurm_id or job.program is None or not (never_seen or again):
        return False
    if claimed_by(job, snapshot) is not None or unproven(job, snapshot) is not None:
        return False
    late_enough = (
        snapshot.taken_at >= job.adopted_at if job.intent_at is None else _window_over(job, snapshot)
    )
    return snapshot.complete_for(job.name) and late_enough and job.attempt < MAX_ATTEMPTS


def doubt(job: Job, since: float, chain_ahead: float) -> Job:
    """Returns the job as if it had been submitted at `since`, until which the ledger was stale.

    No attempt is counted. A job created on chain later was not submitted. `chain_ahead`: seconds by which the
    chain's clock is ahead of ours.
    """
    known = (
        job.slurm_id or job.spec.created_ns > (since + chain_ahead) * 10**9 or (job.intent_at or 0) >= since
    )
    return job if known else replace(job, intent_at=since)


def intend(job: Job, now: float, directory: str = "", image: str = "") -> Job:
    directory, attempt = directory or job.directory, job.attempt + 1
    return replace(job, intent_at=now, attempt=attempt, directory=directory, image=image, claims=True)


def defer(job: Job, answer: str) -> Job:
    """Returns a job whose submission was deferred: nothing was queued, and no attempt counts."""
    return replace(job, intent_at=None, sbatch_answer=answer, attempt=max(0, job.attempt - 1))


def keep_answer(job: Job, answer: str, *, of_site: bool) -> Job:
    """Returns a job whose submission outcome is unknown. Site problems do not count as an attempt."""
    return replace(job, sbatch_answer=answer, attempt=max(0, job.attempt - 1) if of_site else job.attempt)


def restart_waits(job: Job, now: float) -> Job:
    """Restarts every waiting period, after the clock was set or the machine booted."""
    intent = None if job.intent_at is None else min(job.intent_at, now) if job.slurm_id else now
    return replace(
        job, adopted_at=min(job.adopted_at, now), intent_at=intent, missing_since=None, hopeless_since=None
    )


def refuse_id(job: Job, slurm_id: str) -> Job:
    """Returns the job parked and without its invalid SLURM id, so that the other jobs continue."""
    what = f"invalid SLURM job id in the ledger: {slurm_id[:60]!r}; `provd ledger repair` clears it"
    return park(replace(job, slurm_id=""), ParkReason.INVALID_SLURM_ID, what)


def look_by_name(job: Job, now: float) -> Job:
    """Returns the job as submitted at `now` with an unknown outcome: SLURM is searched for its name."""
    return replace(job, slurm_id="", submitted_at=0, parked=None, missing_since=None, intent_at=now)


def confirm(job: Job, state: State, started_at: int = 0) -> Job:
    """Applies a state that the chain confirmed. A state older than the confirmed one changes nothing."""
    if job.reported in TERMINAL or route(state, job.reported):
        return job
    promised = job.promised if state not in TERMINAL and route(state, job.promised) else state
    return replace(
        job, reported=state, promised=promised, chain_started_at=started_at or job.chain_started_at
    )
