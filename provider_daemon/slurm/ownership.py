"""Which SLURM jobs are ours: by name until the id is known, then by id and submit time.

The owner of a job, that is any program of any customer, may rename it while it runs: slurmctld and slurmdbd
then show the new name in every record, also in those that are closed. It may resize and requeue it, too: both
give it a new submit time. And after a reset SLURM gives ids out again. So:

- the known id with the known submit time is ours, whatever its name is;
- another job under a name of ours keeps its own id: whoever follows the id never takes it;
- where neither name nor submit time fits, the batch script that slurmctld holds decides. Nobody can change
  it;
- where slurmctld has forgotten a job whose id we never knew, sacct's working directory names it.
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
# SLURM begins the next record of a job in the second in which it ends the one before. It gives an id to
# another job after MinJobAge only.
NEXT_RECORD_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Sorted:
    """squeue's rows. `ours` carry the name under which we follow them; of `unproven` only their batch script
    tells whether they are.

    A row may be in both: its name is one of ours, and its script may hold another one of ours.
    """

    ours: tuple[Queued, ...]
    unproven: tuple[Queued, ...]
    others: tuple[Queued, ...]


def sort_queue(rows: Iterable[Queued], watch: Watch) -> Sorted:
    owners = _owners(watch)
    ours, rest = list[Queued](), list[Queued]()
    for row in rows:
        candidates = owners.get(row.slurm_id, ())
        if name := _known_submission(row.submitted_at, candidates, watch):
            ours.append(replace(row, name=name))
        elif row.name in watch.names and (row.name in candidates or not candidates):
            ours.append(row)
        else:
            rest.append(row)
    searched = bool(watch.intents.difference(row.name for row in ours))
    unproven = [row for row in rest if row.slurm_id in owners or (searched and _may_be_renamed(row))]
    if searched:  # the missing job may have taken the name of another one of ours
        unproven += [row for row in ours if row.slurm_id not in owners]
    return Sorted(tuple(ours), tuple(unproven), tuple(rest))


def _owners(watch: Watch) -> dict[str, tuple[str, ...]]:
    """SLURM job id -> names. Several of ours can have had one id, after a reset."""
    owners: dict[str, tuple[str, ...]] = {}
    for name, slurm_id in watch.slurm_ids.items():
        owners[slurm_id] = (*owners.get(slurm_id, ()), name)
    return owners


def _known_submission(submitted_at: int, names: Sequence[str], watch: Watch) -> str:
    return next((name for name in names if submitted_at and watch.submitted.get(name) == submitted_at), "")


def _may_be_renamed(row: Queued) -> bool:
    """While the answer to a submission is unknown, its job may have renamed itself before we saw its id. Jobs
    of ours that are over, and that nobody follows any more, are not searched."""
    return not (named_job(row.name) and job_state(row.state).phase is Phase.ENDED)


def script_name(script: str) -> str:
    """The job name that a batch script of ours was submitted with; empty for any other script."""
    head = script.split("\n", 2)
    return head[1].removeprefix(_JOB_NAME) if len(head) > 1 and head[1].startswith(_JOB_NAME) else ""


def own_records(rows: Iterable[AccountingRow], watch: Watch) -> list[AccountingRow]:
    """sacct's rows, those of a followed id under the name that we follow it by.

    Records of one id that follow each other within a second are of one job. It is ours when one of them has
    our name, the known submit time or a directory of ours. Everything else keeps its name."""
    owners = _owners(watch)
    ordered: dict[str, list[AccountingRow]] = {}
    for row in rows:
        ordered.setdefault(row.slurm_id, []).append(row)
    return [
        row for slurm_id, found in ordered.items() for row in _named(found, owners.get(slurm_id, ()), watch)
    ]


def renamed_records(rows: Iterable[AccountingRow], names: frozenset[str]) -> list[AccountingRow]:
    """sacct's rows of jobs under another name that run in a directory of one of `names`, under that name."""
    ordered: dict[str, list[AccountingRow]] = {}
    for row in rows:
        ordered.setdefault(row.slurm_id, []).append(row)
    renamed = list[AccountingRow]()
    for job in (job for found in ordered.values() for job in _jobs(found)):
        name = next((place for row in job if (place := _directory_name(row)) in names), "")
        if name and all(row.name != name for row in job):
            renamed += [replace(row, name=name) for row in job]
    return renamed


def _directory_name(row: AccountingRow) -> str:
    """The job name that the working directory holds (ServedCluster.directory); empty where it holds none."""
    return row.directory.partition(".")[0]


def _named(found: Sequence[AccountingRow], names: Sequence[str], watch: Watch) -> list[AccountingRow]:
    return [row for job in _jobs(found) for row in _owned(job, names, watch)]


def _owned(job: Sequence[AccountingRow], names: Sequence[str], watch: Watch) -> list[AccountingRow]:
    known = (name for row in job if (name := _known_submission(row.submitted_at, names, watch)))
    named = (name for row in job for name in (row.name, _directory_name(row)) if name in names)
    name = next(known, "") or next(named, "")
    if not name:  # nobody follows it: what it was submitted as counts, whatever name it took
        name = next((place for row in job if named_job(place := _directory_name(row))), "")
    return [replace(row, name=name) for row in job] if name else list(job)


def _jobs(found: Sequence[AccountingRow]) -> list[list[AccountingRow]]:
    """The records of one id, oldest first, apart where the id was given to another job."""
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
