"""Compares every job that is open or was closed lately, with a bounded number of queries."""

from collections.abc import Sequence
from dataclasses import dataclass

from provider_daemon.chain.keys import Signer
from provider_daemon.errors import ProvdError
from provider_daemon.job.job import Job
from provider_daemon.job.naming import named_job
from provider_daemon.job.snapshot import Phase
from provider_daemon.job.usage import Usage
from provider_daemon.ledger import reconciliation
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.loops import watched_jobs
from provider_daemon.money.bill import bill
from provider_daemon.money.job_bill import job_rules
from provider_daemon.ports import Audit, Chain, Clock, Dispute, Survey, Surveyor
from provider_daemon.reconciliation.chain_sides import ChainSides, in_batches
from provider_daemon.reconciliation.differences import Difference, Outcome, clock, found
from provider_daemon.reconciliation.rules import compare, measured
from provider_daemon.reconciliation.sides import ChainSide, Due, LedgerSide, Price, SlurmSide

FOREIGN = 100  # unknown sequences of a key that are searched in one run


@dataclass(frozen=True, slots=True)
class Served:
    """A served cluster. `signer` is None if its key is not available; nothing is signed then."""

    cluster_id: str
    name: str
    surveyor: Surveyor
    signer: Signer | None


@dataclass(frozen=True, slots=True)
class Compared:
    """A compared job. `used`: the usage by SLURM's final record, or None."""

    job: Job
    outcome: Outcome
    differences: tuple[Difference, ...] = ()
    used: Usage | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """A run's result. `general`: differences of no known job. `failed`: sides without a readable answer."""

    jobs: tuple[Compared, ...] = ()
    general: tuple[Difference, ...] = ()
    disputes: tuple[Dispute, ...] = ()
    failed: tuple[str, ...] = ()

    @property
    def differences(self) -> tuple[Difference, ...]:
        return (*self.general, *(difference for compared in self.jobs for difference in compared.differences))


class Comparer:
    """Compares all clusters. A run reads squeue, sacct and each job's record, accounting and final report."""

    def __init__(
        self, ledger: Ledger, chain: Chain, audit: Audit, served: Sequence[Served], clock: Clock
    ) -> None:
        self._ledger = ledger
        self._chain = chain
        self._served = served
        self._clock = clock
        self._sides = ChainSides(audit)
        self._audit = audit

    async def run(self, since: float, again: frozenset[str] = frozenset()) -> Comparison:
        """Compares the jobs of `again` and those open, or closed at or after `since` (epoch seconds).

        A side that does not answer is reported in `failed`, never guessed.
        """
        try:
            head = await self._chain.head()
            skew = clock("chain_clock", self._clock.now(), head.time)
            disputes, foreign = await self._audit.disputes(), await self._foreign(since)
        except ProvdError as error:
            return Comparison(failed=(f"chain: {error}",))
        decided = frozenset(dispute.job_id for dispute in disputes if not dispute.open)
        parts = [await self._cluster(served, since, again, decided) for served in self._served]
        set_aside = [found(job_id, "quarantined") for job_id in self._ledger.quarantined()]
        return Comparison(
            jobs=tuple(compared for part in parts for compared in part.jobs),
            general=(
                *skew,
                *set_aside,
                *foreign,
                *dict.fromkeys(row for part in parts for row in part.general),
            ),
            disputes=disputes,
            failed=tuple(line for part in parts for line in part.failed),
        )

    # --- a cluster's jobs ---

    async def _cluster(
        self, served: Served, since: float, again: frozenset[str], decided: frozenset[str]
    ) -> Comparison:
        followed = reconciliation.jobs_since(self._ledger, served.cluster_id, since)
        known = {job.spec.job_id for job in followed}
        others = (self._ledger.job(job_id) for job_id in sorted(again - known))
        followed += [job for job in others if job and job.spec.cluster_id == served.cluster_id]
        try:
            survey = await served.surveyor.survey(int(since), watched_jobs.followed(followed))
        except ProvdError as error:
            return Comparison(failed=(f"SLURM of {served.name}: {error}",))
        now = self._clock.now()
        ledger, strays = self._owners(served.cluster_id, followed, survey)
        general = (*clock("site_clock", now, survey.site_time), *strays)
        try:
            chain, unreadable = await self._sides.of(ledger, decided)
        except ProvdError as error:
            return Comparison(general=general, failed=(f"chain: {error}",))
        jobs = [_compared(side, survey, chain.get(side.job.spec.job_id), now, decided) for side in ledger]
        return Comparison(tuple(jobs), general, failed=unreadable)

    def _owners(
        self, cluster_id: str, followed: Sequence[Job], survey: Survey
    ) -> tuple[list[LedgerSide], list[Difference]]:
        """Returns the current jobs, with those live in SLURM, and the live SLURM jobs that belong to none."""
        jobs = {job.name: self._ledger.job(job.spec.job_id) or job for job in followed}
        strays = []
        for name, sightings in survey.snapshot.sightings.items():
            live = [seen for seen in sightings if seen.phase in (Phase.WAITING, Phase.RUNNING)]
            if not live or name in jobs:
                continue
            owner = reconciliation.job_by_name(self._ledger, name)
            if owner is None:
                strays.append(
                    found(
                        named_job(name),
                        "stray",
                        slurm=" ".join(f"{seen.slurm_id} {seen.slurm_state}" for seen in live),
                    )
                )
            elif owner.spec.cluster_id == cluster_id:
                jobs[name] = owner
        return [
            LedgerSide(job, reconciliation.reports_of(self._ledger, job.spec.job_id)) for job in jobs.values()
        ], strays

    # --- the keys ---

    async def _foreign(self, since: float) -> list[Difference]:
        rows: list[Difference] = []
        # the ledger has deleted some of its own older transactions
        since = max(since, self._clock.now() - reconciliation.KEEP_SECONDS)
        for address in sorted({served.signer.address for served in self._served if served.signer}):
            used, hashes = reconciliation.txs_since(self._ledger, address, since)
            if used:
                end = (await self._chain.account(address)).sequence
                unknown = [sequence for sequence in range(min(used), end) if sequence not in used][:FOREIGN]
                for outcome in await in_batches(
                    unknown,
                    lambda sequence, address=address: self._chain.find_by_sequence(address, sequence),  # type: ignore[misc]
                ):
                    if outcome is not None and outcome.tx_hash not in hashes:
                        rows.append(found("", "foreign_tx", chain=outcome.tx_hash))
        return rows


def _compared(
    ledger: LedgerSide, survey: Survey, chain: ChainSide | None, now: float, decided: frozenset[str]
) -> Compared:
    job = ledger.job
    if chain is None:
        return Compared(job, Outcome.FAILED)
    slurm = SlurmSide(survey.snapshot.of(job.name), survey.snapshot.complete_for(job.name), now)
    differences = compare(slurm, ledger, chain, _price(job, chain))
    settled_otherwise = job.spec.job_id in decided and chain.settled is not None
    outcome = (
        Outcome.DISCREPANCY if differences else Outcome.RESOLVED if settled_otherwise else Outcome.MATCHED
    )
    return Compared(job, outcome, differences, measured(slurm, job))


def _price(job: Job, chain: ChainSide) -> Price:
    agreed = chain.job.record.agreed(job.pricing.denom) if chain.job else 0
    rules = job_rules(job)

    def due(usage: Usage) -> Due:
        cost = bill(usage, job.spec.resources.gpu_type, agreed, rules=rules)
        return Due(cost.total, cost.provider_reward, cost.platform_fee)

    return due
