"""A job as the customer asked for it and as it entered the ledger, and what SLURM says of it."""

from provider_daemon.job.admission import Program
from provider_daemon.job.job import Job
from provider_daemon.job.parking import ParkReason
from provider_daemon.job.snapshot import Phase, Run, Sighting, Snapshot
from provider_daemon.job.spec import Resources, Spec, Workload
from provider_daemon.job.state import State

SPEC = Spec(
    chain_id="test-1",
    job_id="JOB-1",
    offering_id="OFF-1",
    cluster_id="HPC-1",
    provider="ve1p",
    customer="ve1c",
    queue="cpu",
    workload=Workload(image="alpine:3", command="hostname", arguments=("-s",)),
    resources=Resources(nodes=1, cpus_per_node=4, memory_gb_per_node=8),
    max_runtime_seconds=600,
    created_ns=1,
)
NOW = 1000.0
JOB = Job(
    spec=SPEC,
    program=Program("alpine:3", (), ("hostname",)),
    wall_seconds=570,
    adopted_at=NOW,
    state=State.PENDING,
    reported=State.PENDING,
    promised=State.PENDING,
)
EMPTY = Snapshot(taken_at=NOW, complete=True)


def park_reason(job: Job) -> ParkReason | None:
    return job.parked.reason if job.parked else None


def look(*sightings: Sighting, complete: bool = True, at: float = NOW) -> Snapshot:
    return Snapshot(at, complete, {JOB.name: sightings} if sightings else {})


def seen(phase: Phase, **more: object) -> Sighting:
    values: dict[str, object] = {
        "slurm_id": "7",
        "name": JOB.name,
        "phase": phase,
        "slurm_state": phase.name,
        **more,
    }
    return Sighting(**values)  # type: ignore[arg-type]


def ended(outcome: State, **more: object) -> Sighting:
    return seen(
        Phase.ENDED,
        **{
            "outcome": outcome,
            "final": True,
            "runs": (Run(5, 4, 8192, 1, start=900, end=905),),
            "elapsed": 5,
            **more,
        },
    )
