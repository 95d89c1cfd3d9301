"""Errors about inputs and results: what is submitted before its inputs, and what a final report signs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from provider_daemon.job import data
from provider_daemon.job.data import DataPolicy, settle
from provider_daemon.job.job import Job
from provider_daemon.job.transfer import Transfer
from provider_daemon.loops import advance
from provider_daemon.loops.advance import Advance
from tests.simulation.wrong import Changes

MOVED = Advance._moved


def known_when_unreadable(self: Any, jobs: Sequence[Job]) -> Mapping[str, Transfer]:
    """Facts that cannot be read count as those of a job without inputs."""
    found = MOVED(self, jobs)
    return found or {job.name: Transfer() for job in jobs}


def impatient(
    job: Job, transfer: Transfer | None, now: float, latest: float, policy: DataPolicy | None
) -> Job:
    """The report does not wait for the manifest."""
    return settle(job, transfer, now, latest, policy and replace(policy, results_seconds=0))


def greedy(job: Job, measured_at: float) -> float:
    """The report waits until the chain ends the job."""
    return job.chain_started_at + job.spec.max_runtime_seconds if job.chain_started_at else math.inf


DATA: dict[str, Changes] = {
    "inputs are not waited for": ((advance, "inputs_ready", lambda job, transfer: True),),
    "unreadable facts count as no inputs": ((Advance, "_moved", known_when_unreadable),),
    "inputs that cannot be had are waited for": ((advance, "refuse_inputs", lambda job, transfer: job),),
    "results are not waited for": ((advance, "settle", impatient),),
    "results are waited for until the chain's limit": ((data, "_report_from", greedy),),
}
