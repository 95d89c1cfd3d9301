"""Identifies provd's SLURM jobs: by name until the id is known, then by id and submit time.

The owner of a job (any program of any customer) may rename it while it runs. slurmctld and slurmdbd then show
the new name in every record, also in closed ones. The owner may also resize and requeue the job; both give it
a new submit time. After a reset, SLURM assigns ids again. Therefore:

- A job with the known id and the known submit time belongs to that name, whatever it is called now.
- Another job with that name keeps its own id; it is never used where the id is known.
- If neither name nor submit time matches, the batch script in slurmctld decides. Nobody can change it.
- If slurmctld has forgotten a job whose id is unknown, sacct's working directory names it.

Where each customer has a Unix user, all of this holds only for rows of the job's user: another customer's
SLURM job is never the job, whatever its name, script or directory.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from provider_daemon.job.naming import named_job
from provider_daemon.job.snapshot import Phase
from provider_daemon.ports import Watch
from provider_daemon.slurm.accounting import AccountingRow
from provider_daemon.slurm.parse import Queued
from provider_daemon.slurm.states import job_state

_JOB_NAME = "#SBATCH --job-name="
# SLURM starts a job's next record in the second in which it ends the previous one. It assigns an id to
# another job only after MinJobAge.
NEXT_RECORD_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Sorted:
    """squeue's rows, by owner.

    `ours` carry the name that provd knows them by. For `unproven` rows only the batch script can decide. A
    row may be in both: its name is one of provd's, and its script may contain another one. `impostors` have
    the name of a job and another user.
    """

    ours: tuple[Queued, ...]
    unproven: tuple[Queued, ...]
    others: tuple[Queued, ...]
    impostors: tuple[Queued, ...] = ()


def sort_queue(rows: Iterable[Queued], watch: Watch) -> Sorted:
    owners, users = _owners(watch), {watch.user(name) for name in watch.names}
    ours, rest, impostors = list[Queued](), list[Queued](), list[Queued]()
    for row in rows:
        candidates = [name for name in owners.get(row.slurm_id, ()) if watch.user(name) == row.user]
        if name := _known_submission(row.submitted_at, candidates, watch):
            ours.append(replace(row, name=name))
        elif row.name in watch.names and watch.user(row.name) != row.user:
            impostors.append(row)
        elif row.name in watch.names and (row.name in candidates or not candidates):
            ours.append(row)
        else:
            rest.append(row)
    searched = bool(watch.intents)
    # An impostor may be a job of its own user's, renamed.
    doubted = [row for row in (*rest, *impostors) if row.user in users]
    unproven = [row for row in doubted if row.slurm_id in owners or (searched and _may_be_renamed(row))]
    if searched:  # the missing job may have renamed itself to the name of another job of provd
        unproven += [row for row in ours if row.slurm_id not in owners]
    return Sorted(tuple(ours), tuple(unproven), tuple(rest), tuple(impostors))


def _owners(watch: Watch) -> dict[str, tuple[str, ...]]:
    """Maps SLURM job ids to names. After a reset, several jobs of provd may have had the same id."""
    owners: dict[str, tuple[str, ...]] = {}
    for name, slurm_id in watch.slurm_ids.items():
        owners[slurm_id] = (*owners.get(slurm_id, ()), name)
    return owners


def _known_submission(submitted_at: int, names: Sequence[str], watch: Watch) -> str:
    return next((name for name in names if submitted_at and watch.submitted.get(name) == submitted_at), "")


def _may_be_renamed(row: Queued) -> bool:
    """Whether the row may be a renamed job with an unknown submission outcome.

    Ended jobs under a name of provd's form are excluded.
    """
    return not (named_job(row.name) and job_state(row.state).phase is Phase.ENDED)


def script_name(script: str) -> str:
    """Returns the job name in a batch script that provd submitted; empty for any other script."""
    head = script.split("\n", 2)
    return head[1].removeprefix(_JOB_NAME) if len(head) > 1 and head[1].startswith(_JOB_NAME) else ""


def own_records(rows: Iterable[AccountingRow], watch: Watch) -> list[AccountingRow]:
    """Returns sacct's rows, with those of provd's jobs under the name that provd knows them by.

    Records with one id that follow each other within a second belong to one job. The job is provd's if one of
    them has its name, the known submit time or its directory. All other records keep their name, except that
    two kinds are left out under the name of a job: those of another user, and those of an earlier submission
    of the job that had the same id.
    """
    owners = _owners(watch)
    ordered: dict[str, list[AccountingRow]] = {}
    for row in rows:
        ordered.setdefault(row.slurm_id, []).append(row)
    named = [
        row
        for slurm_id, found in ordered.items()
        for job in _of_one_submission(_named(found, owners.get(slurm_id, ()), watch), watch)
        for row in job
    ]
    return [row for row in named if row.name not in watch.names or watch.user(row.name) == row.user]


def renamed_records(
    rows: Iterable[AccountingRow], names: frozenset[str], watch: Watch
) -> list[AccountingRow]:
    """Returns rows of renamed jobs that run in a directory of one of `names`, under that name."""
    ordered: dict[str, list[AccountingRow]] = {}
    for row in rows:
        ordered.setdefault(row.slurm_id, []).append(row)
    renamed = list[AccountingRow]()
    for job in (job for found in ordered.values() for job in _jobs(found)):
        name = next((place for row in job if (place := _directory_name(row)) in names), "")
        if name and all(row.name != name and row.user == watch.user(name) for row in job):
            renamed += [replace(row, name=name) for row in job]
    return renamed


def _directory_name(row: AccountingRow) -> str:
    """Returns the job name in the working directory (ServedCluster.directory), or ""."""
    return row.directory.rpartition("/")[2].partition(".")[0]


def _named(found: Sequence[AccountingRow], names: Sequence[str], watch: Watch) -> list[list[AccountingRow]]:
    return [_owned(job, names, watch) for job in _jobs(found)]


def _of_one_submission(jobs: Sequence[list[AccountingRow]], watch: Watch) -> list[list[AccountingRow]]:
    """Returns the jobs of one id, of those with the same watched name only the known one, or else the last.

    A job that was submitted again may get the id of its first SLURM job. The directories tell the two apart:
    each submission has its own, and a requeued job keeps it.
    """
    kept = list[list[AccountingRow]]()
    for job in jobs:
        name = job[0].name
        others = [old for old in kept if _is_other_submission(old, job) and name in watch.names]
        if any(row.submitted_at == watch.submitted.get(name) for old in others for row in old):
            continue
        kept = [*(old for old in kept if old not in others), job]
    return kept


def _is_other_submission(old: Sequence[AccountingRow], job: Sequence[AccountingRow]) -> bool:
    before, after = old[-1].directory, job[0].directory
    return old[-1].name == job[0].name and bool(before and after) and before != after


def _owned(job: Sequence[AccountingRow], names: Sequence[str], watch: Watch) -> list[AccountingRow]:
    names = [name for name in names if all(row.user == watch.user(name) for row in job)]
    known = (name for row in job if (name := _known_submission(row.submitted_at, names, watch)))
    named = (name for row in job for name in (row.name, _directory_name(row)) if name in names)
    name = next(known, "") or next(named, "")
    if not name:  # not a watched job: the name it was submitted with counts, not its current one
        name = next((place for row in job if named_job(place := _directory_name(row))), "")
    return [replace(row, name=name) for row in job] if name else list(job)


def _jobs(found: Sequence[AccountingRow]) -> list[list[AccountingRow]]:
    """Groups the records of one id by job, oldest first: SLURM may have assigned the id again."""
    jobs = list[list[AccountingRow]]()
    end = 0
    for row in sorted(found, key=lambda row: (row.submitted_at, row.ended_at)):
        same = jobs and (
            row.submitted_at == jobs[-1][-1].submitted_at
            or 0 <= row.submitted_at - end <= NEXT_RECORD_SECONDS
        )
        if same:
            jobs[-1].append(row)
        else:
            jobs.append([row])
        end = max(end if same else 0, row.ended_at)
    return jobs
