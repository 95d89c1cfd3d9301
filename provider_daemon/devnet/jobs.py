"""Jobs: submission, cancellation, reports, and the run-time limit that the chain enforces."""

from provider_daemon.chain import keyspace
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2, types_pb2
from provider_daemon.devnet import gas, prices, scheduling, settlement, tenants, waiting
from provider_daemon.devnet.context import Context
from provider_daemon.devnet.failures import (
    CLUSTER_NOT_FOUND,
    IDENTITY_SCORE,
    INVALID_JOB,
    INVALID_OFFERING,
    INVALID_TRANSITION,
    JOB_NOT_FOUND,
    MAX_RUNTIME,
    OFFERING_NOT_FOUND,
    UNAUTHORIZED,
    ChainError,
)
from provider_daemon.job.state import TERMINAL, TRANSITIONS, State

# a separate store: job id -> its limit in seconds, so that no block reads every job
RUNNING = "running"


def submit_job(ctx: Context, message: tx_pb2.MsgSubmitJob) -> tx_pb2.MsgSubmitJobResponse:
    offering, cluster = _bookable(ctx, message)
    job_id = f"JOB-{ctx.next_id(keyspace.NEXT_JOB)}"
    job = types_pb2.HPCJob(
        job_id=job_id,
        offering_id=offering.offering_id,
        cluster_id=cluster.cluster_id,
        provider_address=cluster.provider_address,
        customer_address=message.customer_address,
        state=types_pb2.JOB_STATE_PENDING,
        queue_name=message.queue_name,
        workload_spec=message.workload_spec,
        resources=message.resources,
        data_references=message.data_references,
        encrypted_inputs_pointer=message.encrypted_inputs_pointer,
        encrypted_outputs_pointer=message.encrypted_outputs_pointer,
        max_runtime_seconds=message.max_runtime_seconds,
        agreed_price=message.max_price,
        created_at=ctx.now,
        block_height=ctx.height,
    )
    prices.keep(ctx, job, offering)
    settlement.open_escrow(ctx, job)
    decision_id = scheduling.decide(ctx, job)
    job.scheduling_decision_id = "" if ctx.rules.has_quirks else decision_id
    ctx.store(keyspace.JOB, job_id, job)
    index(ctx, job)
    return tx_pb2.MsgSubmitJobResponse(job_id=job_id, escrow_id=job.escrow_id)


def _bookable(
    ctx: Context, message: tx_pb2.MsgSubmitJob
) -> tuple[types_pb2.HPCOffering, types_pb2.HPCCluster]:
    offering = ctx.load(types_pb2.HPCOffering, keyspace.OFFERING, message.offering_id)
    if offering is None:
        raise ChainError(OFFERING_NOT_FOUND, message.offering_id)
    if not offering.active:
        raise ChainError(INVALID_OFFERING, f"offering {offering.offering_id} is not active")
    cluster = ctx.load(types_pb2.HPCCluster, keyspace.CLUSTER, offering.cluster_id)
    if cluster is None or cluster.state != types_pb2.CLUSTER_STATE_ACTIVE:
        raise ChainError(CLUSTER_NOT_FOUND, f"cluster {offering.cluster_id} is not active")
    if message.max_runtime_seconds > offering.max_runtime_seconds:
        raise ChainError(MAX_RUNTIME, f"{message.max_runtime_seconds} > {offering.max_runtime_seconds}")
    if not ctx.rules.has_quirks:
        _within(ctx, message, offering)
    return offering, cluster


def _within(ctx: Context, message: tx_pb2.MsgSubmitJob, offering: types_pb2.HPCOffering) -> None:
    """Checks the limits of parameters and offering that the published source does not enforce."""
    params, score = ctx.params(), ctx.rules.identities.get(message.customer_address, 0)
    if score < offering.required_identity_threshold:
        raise ChainError(
            IDENTITY_SCORE,
            (f"{message.customer_address} has {score}, {offering.required_identity_threshold} are required"),
        )
    if message.max_runtime_seconds > params.max_job_duration_seconds:
        raise ChainError(MAX_RUNTIME, f"{message.max_runtime_seconds} > {params.max_job_duration_seconds}")
    if message.max_runtime_seconds < params.min_job_duration_seconds:
        raise ChainError(
            INVALID_JOB, f"max_runtime_seconds must be at least {params.min_job_duration_seconds}"
        )


def cancel_job(ctx: Context, message: tx_pb2.MsgCancelJob) -> tx_pb2.MsgCancelJobResponse:
    job = _job(ctx, message.job_id)
    if message.requester_address not in (job.customer_address, job.provider_address):
        raise ChainError(
            UNAUTHORIZED, f"{message.requester_address} is neither customer nor provider of {job.job_id}"
        )
    before = state_of(job)
    if before in TERMINAL:
        raise ChainError(INVALID_TRANSITION, f"{job.job_id} is already {before}")
    job.status_message = message.reason
    _enter(ctx, job, State.CANCELLED)
    settlement.settle_requested(
        ctx, job, seconds=ctx.since(job.started_at) // 10**9 if before is State.RUNNING else None
    )
    return tx_pb2.MsgCancelJobResponse()


def report_job_status(ctx: Context, message: tx_pb2.MsgReportJobStatus) -> tx_pb2.MsgReportJobStatusResponse:
    job = _job(ctx, message.job_id)
    if message.provider_address != job.provider_address:
        raise ChainError(UNAUTHORIZED, f"{message.provider_address} is not the provider of {job.job_id}")
    wanted = State(types_pb2.JobState.Name(message.state).removeprefix("JOB_STATE_").lower())
    if wanted not in TRANSITIONS[state_of(job)]:
        raise ChainError(INVALID_TRANSITION, f"{job.job_id}: cannot move from {state_of(job)} to {wanted}")
    # a later empty one erases the earlier
    job.status_message, job.exit_code = message.status_message, message.exit_code
    if not ctx.rules.has_quirks:
        job.slurm_job_id = message.slurm_job_id or job.slurm_job_id
    _enter(ctx, job, wanted)
    if wanted in TERMINAL:
        settlement.settle_usage(ctx, job, message.usage_metrics)
    return tx_pb2.MsgReportJobStatusResponse()


def end_overdue(ctx: Context) -> None:
    """Times out the running jobs past max_runtime_seconds, counted from the chain's started_at.

    Pending and queued jobs never time out.
    """
    for key, limit in list(ctx.state.scan(RUNNING, b"")):
        job = _job(ctx, key.decode())
        if ctx.since(job.started_at) > int(limit) * 10**9:
            _enter(ctx, job, State.TIMEOUT)
            settlement.settle_requested(ctx, job, seconds=job.max_runtime_seconds)


def state_of(job: types_pb2.HPCJob) -> State:
    return State(types_pb2.JobState.Name(job.state).removeprefix("JOB_STATE_").lower())


def _job(ctx: Context, job_id: str) -> types_pb2.HPCJob:
    job = ctx.load(types_pb2.HPCJob, keyspace.JOB, job_id)
    if job is None:
        raise ChainError(JOB_NOT_FOUND, job_id)
    return job


def _enter(ctx: Context, job: types_pb2.HPCJob, state: State) -> None:
    tenants.moved(ctx, job, state_of(job), state)
    job.state = types_pb2.JobState.Value(f"JOB_STATE_{state.upper()}")
    stamp = {State.QUEUED: "queued_at", State.RUNNING: "started_at"}.get(state, "completed_at")
    getattr(job, stamp).CopyFrom(ctx.now)
    before = _size(ctx, job)
    ctx.store(keyspace.JOB, job.job_id, job)
    gas.job_resized(ctx, before, _size(ctx, job))
    _note(ctx, job)


def index(ctx: Context, job: types_pb2.HPCJob) -> None:
    """Updates the data derived from the record."""
    gas.job_resized(ctx, 0, _size(ctx, job))
    tenants.moved(ctx, job, None, state_of(job))
    _note(ctx, job)


def _size(ctx: Context, job: types_pb2.HPCJob) -> int:
    return len(ctx.state.get(keyspace.HPC_STORE, keyspace.key(keyspace.JOB, job.job_id)))


def _note(ctx: Context, job: types_pb2.HPCJob) -> None:
    waiting.note(ctx, job)
    runs = job.state == types_pb2.JOB_STATE_RUNNING
    ctx.state.put(RUNNING, job.job_id.encode(), str(job.max_runtime_seconds).encode() if runs else b"")
