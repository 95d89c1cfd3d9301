"""Queries about jobs, where they were placed, and what was paid and disputed."""

from typing import Annotated, Any

import typer

from provider_daemon.cli.query.options import JobOptions, JobPageOptions, PageOptions, asks

JobId = Annotated[str, typer.Argument(metavar="JOB", help="Job id, such as JOB-1.")]


@asks("Job", JobOptions)
def job(job: JobId) -> dict[str, Any]:
    """Show a job, its accounting and its reports. Each report is shown with its transaction and whether its
    signature is valid.

    Exit status with --watch, as for `provd submit`: 0 completed, 122 refused, 123 cancelled, 124 timed out,
    otherwise the exit code of the job's program.
    """
    return {"job_id": job}


@asks("Jobs", JobPageOptions)
def jobs(
    state: Annotated[
        str | None,
        typer.Option(
            metavar="STATE",
            help=(
                "Only jobs in this state: pending, queued, running, completed, failed, cancelled or timeout."
            ),
        ),
    ] = None,
    cluster: Annotated[str | None, typer.Option(metavar="CLUSTER", help="Only jobs of this cluster.")] = None,
) -> dict[str, Any]:
    """List jobs, optionally by state or cluster."""
    return {"state": state, "cluster_id": cluster}


@asks("JobsByCustomer", JobPageOptions)
def jobs_by_customer(
    customer: Annotated[str, typer.Argument(metavar="ADDRESS", help="Address of the customer.")],
) -> dict[str, Any]:
    """List a customer's jobs."""
    return {"customer_address": customer}


@asks("JobsByProvider", JobPageOptions)
def jobs_by_provider(
    provider: Annotated[str, typer.Argument(metavar="ADDRESS", help="Address of the provider.")],
) -> dict[str, Any]:
    """List a provider's jobs."""
    return {"provider_address": provider}


@asks("JobAccounting")
def job_accounting(job: JobId) -> dict[str, Any]:
    """Show a job's usage and cost."""
    return {"job_id": job}


@asks("SchedulingDecision")
def scheduling_decision(
    decision: Annotated[str, typer.Argument(metavar="DECISION", help="Decision id, such as hpc-decision-1.")],
) -> dict[str, Any]:
    """Show a scheduling decision. The output lists its candidates and why they were not chosen."""
    return {"decision_id": decision}


@asks("SchedulingDecisionByJob")
def scheduling_decision_by_job(job: JobId) -> dict[str, Any]:
    """Show the scheduling decision of a job."""
    return {"job_id": job}


@asks("SchedulingMetrics")
def scheduling_metrics(
    cluster: Annotated[str, typer.Argument(metavar="CLUSTER", help="Cluster id, such as HPC-1.")],
    queue: Annotated[str, typer.Argument(metavar="QUEUE", help="Name of one of its queues.")],
) -> dict[str, Any]:
    """Show aggregated scheduling metrics of a queue."""
    return {"cluster_id": cluster, "queue_name": queue}


@asks("Reward")
def reward(
    reward: Annotated[str, typer.Argument(metavar="REWARD", help="Reward id, such as hpc-reward-JOB-1.")],
) -> dict[str, Any]:
    """Show a reward and its recipients."""
    return {"reward_id": reward}


@asks("RewardsByJob")
def rewards_by_job(job: JobId) -> dict[str, Any]:
    """List a job's rewards."""
    return {"job_id": job}


@asks("Dispute")
def dispute(
    dispute: Annotated[str, typer.Argument(metavar="DISPUTE", help="Dispute id, such as hpc-dispute-2.")],
) -> dict[str, Any]:
    """Show a dispute."""
    return {"dispute_id": dispute}


@asks("Disputes", PageOptions)
def disputes(
    status: Annotated[
        str | None,
        typer.Option(
            metavar="STATUS",
            help="Only disputes with this status: pending, under_review, resolved or rejected.",
        ),
    ] = None,
) -> dict[str, Any]:
    """List disputes, optionally by status."""
    return {"status": status}
