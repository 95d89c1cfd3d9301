"""Whether a job that was read from the chain is accepted: its offering, customer, data, and cost of reports.

A job that is not accepted is stored as failed, with the reason that its customer reads.
"""

from collections.abc import Mapping
from dataclasses import replace

from provider_daemon.catalogue.terms import terms
from provider_daemon.chain.job_names import job_name
from provider_daemon.errors import Unreadable
from provider_daemon.job.admission import (
    Inadmissible,
    SitePolicy,
    admit,
    check_identity,
)
from provider_daemon.job.data import brings_data
from provider_daemon.job.hold import Hold
from provider_daemon.job.job import Job
from provider_daemon.job.lifecycle import wall_limit
from provider_daemon.job.maintenance import in_the_way, refusal
from provider_daemon.job.payment import check_payment
from provider_daemon.job.report_cost import MAX_MESSAGE, ReportGasLimits, too_dear
from provider_daemon.job.spec import ChainJob, Spec, reduced
from provider_daemon.job.state import ENDED_BY_CHAIN, TERMINAL, State
from provider_daemon.ledger import maintenance, meta
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.loops.cluster import ServedCluster
from provider_daemon.money.estimate import worst_bill
from provider_daemon.ports import Chain, Clock, Offering
from provider_daemon.text import cut

REPORTED_BY_US = TERMINAL - ENDED_BY_CHAIN  # the SLURM job was over before the report


class JobAdmission:
    """Decides for all clusters of the daemon; `served_clusters` is keyed by the cluster id on chain."""

    def __init__(
        self, ledger: Ledger, chain: Chain, served_clusters: Mapping[str, ServedCluster], clock: Clock
    ) -> None:
        self._ledger = ledger
        self._chain = chain
        self._served_clusters = served_clusters
        self._clock = clock

    def ours(self, record: ChainJob) -> bool:
        """Returns whether a served cluster and key own the job and provd has not sent its final report."""
        served = self._served_clusters.get(record.spec.cluster_id)
        return (
            served is not None
            and record.spec.provider == served.signer.address
            and record.state not in REPORTED_BY_US
        )

    async def job(self, record: ChainJob, unwanted: str = "") -> Job:
        """Returns the job to store. A job that the site cannot run is stored as failed, with the reason.

        `unwanted`: why the customer's jobs are not accepted, "" if they are.
        """
        spec, served = record.spec, self._served_clusters[record.spec.cluster_id]
        job = Job(
            spec=spec,
            program=None,
            wall_seconds=wall_limit(spec.max_runtime_seconds, served.margin_seconds),
            adopted_at=self._clock.now(),
            state=State.PENDING if record.state in ENDED_BY_CHAIN else record.state,
            reported=record.state,
            promised=record.state,
            chain_started_at=record.started_at,
            slurm_name=job_name(served.signer, spec),
            claims=True,
        )
        if record.state in ENDED_BY_CHAIN:
            return job
        gas = self._gas(served)
        if record.state is State.PENDING and not gas.allow_job(record.stored_bytes):
            return self._too_dear(job, record.stored_bytes, gas)
        if unwanted:
            return refused(job, unwanted)
        try:
            offering = await self._offering(spec.offering_id)
            job = priced(job, record, offering)
            _check_data(spec, served)
            await self._check_identity(spec, offering)
            program = admit(spec, terms(offering), self._site(served))
            if record.state is State.PENDING:  # others were accepted before
                self._check_maintenance(job)
                self._check_payment(job, record, served)
            return replace(job, program=program)
        except Inadmissible as reason:
            return refused(job, str(reason)) if record.state is State.PENDING else job

    def _gas(self, served: ServedCluster) -> ReportGasLimits:
        """Returns the gas limits, lowered to the block's gas limit if the chain has refused more."""
        limits = served.site.limits.gas
        block = self._ledger.get(meta.BLOCK_GAS)
        return replace(limits, transaction=min(limits.transaction or block, block)) if block else limits

    def _too_dear(self, job: Job, stored_bytes: int, gas: ReportGasLimits) -> Job:
        """Refuses the job, or ignores it (it stays pending) if even one report exceeds the limits."""
        failed = refused(job, too_dear(stored_bytes, gas))
        if gas.allow_refusal(stored_bytes):
            return failed
        return replace(failed, state=State.PENDING, hold=Hold.TOO_EXPENSIVE, closed_at=self._clock.now())

    async def _offering(self, offering_id: str) -> Offering:
        """Returns the job's offering. The chain checked that it exists: without a record, the node lags."""
        offering = await self._chain.offering(offering_id)
        if offering is None:
            raise Unreadable(f"the node has no record of offering {offering_id} yet")
        return offering

    async def _check_identity(self, spec: Spec, offering: Offering) -> None:
        """Raises Inadmissible if the offering requires a higher identity score than the customer's."""
        if offering.identity_threshold:
            check_identity(offering.identity_threshold, await self._chain.identity_score(spec.customer))

    def _check_maintenance(self, job: Job) -> None:
        """Raises Inadmissible for a job that would run into a maintenance window if it started now."""
        now, spec = self._clock.now(), job.spec
        windows = maintenance.windows(self._ledger, spec.cluster_id, now)
        if window := in_the_way(windows, spec.resources.nodes, spec.max_runtime_seconds, now):
            raise Inadmissible(refusal(window, spec.max_runtime_seconds, now))

    def _check_payment(self, job: Job, record: ChainJob, served: ServedCluster) -> None:
        """Raises Inadmissible unless the job is paid for as the site requires it."""
        assert job.estimate is not None
        settlement = self._ledger.get(meta.SETTLEMENT)
        check_payment(served.payment, settlement, record, job.pricing.denom, job.estimate)

    def _site(self, served: ServedCluster) -> SitePolicy:
        """Returns the site's policy with the number of nodes that the last heartbeat counted."""
        return replace(served.site, nodes=self._ledger.get(meta.node_count(served.cluster_id)))


def _check_data(spec: Spec, served: ServedCluster) -> None:
    """Raises Inadmissible for a job that needs a data mover where there is none."""
    if brings_data(spec) and served.data is None:
        raise Inadmissible("this provider accepts no input data: submit without data references and pointers")


def priced(job: Job, record: ChainJob, offering: Offering) -> Job:
    """Returns the job with the prices of its offering, the most that it can cost, and what covers it."""
    spec, pricing = job.spec, offering.pricing
    rules = offering.rules(spec.queue)
    return replace(
        job,
        pricing=pricing,
        price_multiplier=offering.price_multiplier(spec.queue),
        repriced=offering.updated_ns > spec.created_ns,
        estimate=worst_bill(spec.resources, spec.max_runtime_seconds, spec.data, rules).total,
        agreed=record.agreed(pricing.denom),
        escrowed=record.escrowed(pricing.denom),
    )


def refused(job: Job, reason: str) -> Job:
    """Returns the job as failed and without its program, because it never runs."""
    return replace(job, state=State.FAILED, message=cut(reason, MAX_MESSAGE), spec=reduced(job.spec))
