"""The invariants of every schedule, in words and code.

At every moment (checked where it happens):

1. Nothing of a chain job runs twice, neither its program nor the site's prologue, whatever is lost or purged
   and however many daemons there are (claims.py, at every start). And one daemon submits it once: there are
   never two live SLURM jobs under its name, never a second one beside a record of the first (site.py, at
   every sbatch), and none after its end was reported. Exceptions of the latter: the first SLURM job could
   not claim the job; or SLURM's record of it is purged before the daemon (its ledger lost, or sbatch's
   answer) and the chain have learned anything of it.
2. A report is offered in a second transaction only when the first can never take effect (blocks.py, at every
   broadcast), and a confirmed report is not written again.
3. An escrow pays once (books.py), and no tick ends by an unexpected error (listening.py).
4. A daemon that could not write its ledger does nothing more (gate.py), and nothing else ends the daemon
   (life.py).
13. Whatever an endpoint invents: no transaction is signed with a sequence that the account has not reached,
    with a timeout height far away, for a gas price over the limit, or with far more gas than its messages
    need; and none pays exactly a price that was seen to rise (lies.py, at the first send).

Once it is calm:

5. The schedule ends: within SETTLE seconds nothing is left to do or to report; and every final state is on
   chain within CAUGHT_UP seconds.
6. Every SLURM job of ours that ended was reported, or provably could not be: the chain had ended it first
   (then the signed usage is kept), its record in SLURM was purged, never closed or named no GPUs, or the
   chain's record of it cannot be read. Nothing else is parked.
7. No wrong terminal state: our report is what happened to the SLURM job; and no job is given up for a
   temporary reason.
8. The reported or kept usage is the model's true usage: over every stretch, all nodes and GPUs, and what
   SLURM allocated, not what was requested.
9. Money: each escrow is paid out whole for the true usage, all accounts together hold what they held, and the
   wallet lost the fees of included transactions and nothing else.
10. The ledger agrees with the chain on each transaction, its state of a job never goes back (life.py), and it
    knows all transactions that the chain accepted from our key (unless it was lost or is an older copy).
11. No SLURM job of an ended job lives for longer than CANCEL_SEEN seconds.
12. No invented job is reported (7), and none runs in SLURM for longer than UNPAID seconds after the true
    record can be read.
14. No job is submitted before its inputs are there (site.py, at each sbatch), and one whose inputs cannot be
    had is reported failed without having been in SLURM.
15. A final report that signs results signs those of its job, with all bytes that were moved for it; one
    without them was not sent before its time; and no report waits for results (life.py, at every tick) when
    two thirds of the time between SLURM's limit and the chain's have passed.

With a pool of Unix users (pool/site.py):

16. A job runs as a user of the pool whose lease file names its customer. No user serves two customers at a
    time: the last SLURM job of the one before ended at least a quarantine ago, and nothing of it is left.
17. No file of a job that is open on chain is deleted when a user is returned.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from google.protobuf.any_pb2 import Any

from provider_daemon.chain import messages
from provider_daemon.chain.proto.virtengine.hpc.v1.tx_pb2 import MsgReportJobStatus
from provider_daemon.job.hold import Hold
from provider_daemon.job.job import Job
from provider_daemon.job.lifecycle import HOPELESS_PATIENCE, MAX_ATTEMPTS, MAX_UNCLAIMED
from provider_daemon.job.parking import ParkReason
from provider_daemon.job.spec import same_request
from provider_daemon.job.state import TERMINAL, State
from provider_daemon.job.usage import Usage
from provider_daemon.ledger import meta
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.loops.chain_identity import ENOUGH
from provider_daemon.money.bill import bill
from tests.fakes.chain import PROVIDER
from tests.simulation.blocks import Blocks
from tests.simulation.books import ESCROW, Lie, Record
from tests.simulation.mover import POLICY, Mover
from tests.simulation.results_checks import wrong_results
from tests.simulation.site import Site
from tests.simulation.slurm_job import SlurmJob
from tests.simulation.world import START, World

# seconds from calm to the end: the longest job, the patience for missing records, and room for slow ticks
SETTLE = 3000
CANCEL_SEEN = 200  # seconds: a start after 90, a sweep after 60, two ticks
PATIENCE = HOPELESS_PATIENCE
# seconds: a start after 90, a minute until a missing record counts, two until the job is disowned, a sweep
# and slow ticks
UNPAID = 420
# seconds: a start after 90, two slow ticks, a transaction that has to expire first, one more, and the wait
# for the results

CAUGHT_UP = 300 + int(POLICY.results_seconds)


@dataclass
class Scene:
    """Both models and the last ledger.

    `memory_lost`: at some moment the ledger was lost or replaced with an older copy. `in_vain`: whether a
    job waits for a Unix user that a customer keeps whose own job can never be ended.
    """

    world: World
    site: Site
    blocks: Blocks
    ledger: Ledger
    memory_lost: bool
    invented: tuple[Lie, ...] = ()
    mover: Mover | None = None
    in_vain: Callable[[Job], bool] = lambda job: False


def settled(scene: Scene) -> bool:
    """Reports whether nothing is left to do or to report.

    A ledger with nothing but jobs that the only endpoint invented is not this chain's: it waits for an
    operator.
    """
    if scene.ledger.get(meta.OTHER_CHAIN) and len(scene.invented) >= ENOUGH:
        return True
    invented = (job for lie in scene.invented for job in scene.site.of(lie.record.slurm_name))
    if not scene.memory_lost and any(job.live for job in invented):
        return False
    waiting = scene.ledger.waiting_messages(PROVIDER.address)
    quiet = scene.ledger.open_tx(PROVIDER.address) is None and not any(
        message.kind == "report" for message in waiting
    )
    return quiet and all(_over(scene, job_id, record) for job_id, record in scene.blocks.books.jobs.items())


def _over(scene: Scene, job_id: str, record: Record) -> bool:
    job = scene.ledger.job(job_id)
    if job is not None and scene.in_vain(job):
        return True
    if job is not None and job.hold is Hold.UNREADABLE and not record.readable(scene.world.now()):
        return True
    if job is not None and not same_request(job.spec, record.spec):
        # an invented job has its number: it is replaced, or left to an operator, unless the true one ended
        # or cannot be read
        ended = record.state in TERMINAL and record.by_report is None
        given_up = job.closed_at is not None and (ended or not record.readable(scene.world.now()))
        # adopted from the only endpoint while it lied, after the ledger was lost
        mistaken = scene.memory_lost and job.closed_at is not None
        # adopted in place of the true job while the chain had already ended that one: nothing is left to do
        stood_in = ended and job.closed_at is not None and not (job.slurm_id or job.intent_at)
        return mistaken or stood_in or (job.disowned and (given_up or job.parked is not None))
    if job is not None and job.parked:
        # the job is held until the next poll that can read it
        return job.parked.reason is not ParkReason.UNKNOWN_STATE
    forgotten = job is None and record.by_report is not None
    if job is None and not forgotten and not record.readable(scene.world.now()):
        return job_id in scene.ledger.quarantined()
    return (
        record.state in TERMINAL
        and not _lives(scene, record)
        and (forgotten or (job is not None and job.closed_at is not None))
    )


def check(scene: Scene) -> list[str]:
    """Returns every broken promise, one line each."""
    broken = [] if settled(scene) else ["5 the schedule does not end: " + "; ".join(_open(scene))]
    for job_id, record in scene.blocks.books.jobs.items():
        broken += [f"{line} ({job_id})" for line in _check_job(scene, record, scene.ledger.job(job_id))]
    return broken + _unpaid(scene) + _money(scene) + _memory(scene)


def _unpaid(scene: Scene) -> list[str]:
    """Checks that a job that the chain does not have is ended, though not at the first contradiction."""
    if scene.memory_lost:
        return []
    lines = []
    for lie in scene.invented:
        seen = max(lie.until, START + scene.world.trouble_until)
        true = scene.blocks.books.jobs.get(lie.record.spec.job_id)
        if true and not true.readable(seen):
            seen = true.unreadable_from + true.unreadable_for
        late = max(
            (slurm_job.now_at.ended_at - seen for slurm_job in scene.site.of(lie.record.slurm_name)),
            default=0,
        )
        if late > UNPAID:
            lines.append(
                f"12 an invented {lie.record.spec.job_id} went on in SLURM for {late:.0f} s after the "
                "truth was told"
            )
    return lines


def _open(scene: Scene) -> list[str]:
    jobs = scene.blocks.books.jobs.items()
    still = [
        f"{job_id} is {record.state} on chain" for job_id, record in jobs if not _over(scene, job_id, record)
    ]
    return still or [
        f"open transaction {scene.ledger.open_tx(PROVIDER.address) is not None}, waiting reports"
    ]


def _owes_evidence(record: Record, job: Job | None) -> bool:
    """Reports whether the ledger has the chain's own job, and nothing holds it back."""
    return job is not None and not (job.parked or job.hold) and same_request(job.spec, record.spec)


def _check_job(scene: Scene, record: Record, job: Job | None) -> list[str]:
    slurm_jobs = [found for found in scene.site.of(record.slurm_name) if not found.without_claim]
    lines = _parking(scene, record, job, slurm_jobs)
    if scene.world.two_daemons and record.slurm_name in scene.site.refused:
        pass  # one daemon's refusal may be reported while the other's SLURM job runs
    elif record.by_report is not None:
        lines += _verdict(scene, record, record.by_report, slurm_jobs) + _late(scene, record, slurm_jobs)
    elif scene.world.two_daemons:
        pass  # the evidence may be in the other one's ledger
    elif _owes_evidence(record, job) and slurm_jobs and not slurm_jobs[0].purged:
        lines += _evidence(scene, record, slurm_jobs[0])
    if record.paid and sum(record.paid.values()) != ESCROW:
        lines.append(f"9 escrow {ESCROW} paid out as {record.paid}")
    if record.state in TERMINAL and _lives(scene, record) and not _hands_off(scene, record, job):
        lines.append("11 it lives on in SLURM")
    lines += [
        line
        for slurm_job in slurm_jobs
        if not slurm_job.purged
        for line in _ended_by_us(scene, record, slurm_job)
    ]
    return lines


def _lives(scene: Scene, record: Record) -> bool:
    """Reports whether a SLURM job of it is left.

    Of two daemons, those are not counted that one, stopped since, has queued in vain: they will run nothing.
    Nor those that renamed themselves: they may have arrived when the other one had closed the job, and then
    no ledger has their id.
    """
    lost = scene.world.two_daemons
    return any(
        found.live and not (lost and (not found.ever_ran or found.name != found.owner))
        for found in scene.site.of(record.slurm_name)
    )


def _ended_by_us(scene: Scene, record: Record, slurm_job: SlurmJob) -> list[str]:
    """Checks that a cancel reaches SLURM soon, and that a job with a temporary problem is given time."""
    ended = slurm_job.now_at.ended_at
    if record.by_report is None:
        late = ended - max(record.ended_at, START + scene.world.trouble_until)
        excused = record.state not in TERMINAL or scene.memory_lost or record.unreadable_for
        return [f"11 it went on in SLURM for {late:.0f} s"] if late > CANCEL_SEEN and not excused else []
    if slurm_job.outcome is not State.CANCELLED:
        return []
    patience = ended - slurm_job.waits_in_vain_since
    short = not slurm_job.ever_ran and patience < PATIENCE and not scene.memory_lost
    return [f"7 given up after {patience:.0f} s of a reason that may pass"] if short else []


def _hands_off(scene: Scene, record: Record, job: Job | None) -> bool:
    """Reports whether the job is parked, or the chain's record cannot be read.

    In the second case it was never adopted, or is on hold.
    """
    unread = job is None or job.hold is Hold.UNREADABLE
    return bool(job and job.parked) or (unread and not record.readable(scene.world.now()))


def _parking(scene: Scene, record: Record, job: Job | None, slurm_jobs: list[SlurmJob]) -> list[str]:
    """Checks that a job is parked only for a cause that really exists in the model."""
    if job is None or not job.parked or not same_request(job.spec, record.spec):
        return []
    causes = (
        any(
            (found.purged or found.forgotten) and found.owner == record.slurm_name
            for found in scene.site.jobs
        ),
        not slurm_jobs and MAX_ATTEMPTS <= job.attempt <= _attempts(scene, job),
        any(not slurm_job.plan.gpus_accounted for slurm_job in slurm_jobs),
        # also of one without the claim: whether it ran for longer than a claim takes cannot be known then
        any(found.implausible for job in scene.site.of(record.slurm_name) for found in job.records),
        record.unreadable_from <= scene.world.now(),
        record.slurm_name in scene.site.taken,
        scene.site.claims.unable[record.slurm_name] >= MAX_UNCLAIMED,
        scene.world.two_daemons and len(scene.site.of(record.slurm_name)) > 1,
    )
    return [] if any(causes) else [f"6 parked without a cause: {job.parked}"]


def _attempts(scene: Scene, job: Job) -> int:
    """Returns how many submissions may count as attempts.

    Failures of the site do not count, unless a kill kept them from the ledger.
    """
    counted, kills = (
        scene.site.attempts,
        sum(count for deed, count in scene.world.deeds.items() if deed.startswith("kill")),
    )
    return job.attempt if counted is None or scene.memory_lost else counted[job.name] + kills


def _told_again(scene: Scene, job_id: str) -> list[str]:
    """Checks that a report that the ledger knows as confirmed is not written a second time."""
    confirmed: set[str] = set()
    lines = []
    for row in scene.ledger.messages_of(job_id):
        if row.kind == "report" and row.status != "kept" and row.state in confirmed:
            lines.append(f"2 {row.state} was confirmed and is reported again ({job_id})")
        if row.status == "confirmed":
            confirmed.add(row.state)
    return lines


# --- reports ---


def _verdict(
    scene: Scene, record: Record, report: MsgReportJobStatus, slurm_jobs: list[SlurmJob]
) -> list[str]:
    if not slurm_jobs:
        refused = record.slurm_name in scene.site.refused or (
            scene.mover is not None and record.slurm_name in scene.mover.failing
        )
        fine = record.state is State.FAILED and refused and not report.usage_metrics.nodes_used
        return [] if fine else [f"7 {record.state} is reported, but SLURM never had the job"]
    # Ids may have started again since a record was purged: the newest job of that id is the one that could be
    # seen.
    job = next(
        (found for found in reversed(slurm_jobs) if found.slurm_id == report.slurm_job_id), slurm_jobs[0]
    )
    truth, reported = usage(job), messages.usage_of(report.usage_metrics)
    lines = wrong_results(scene, record, report)
    reported = replace(reported, network_bytes_in=0)
    lines += [] if reported == truth else [f"8 usage {reported} is reported, the truth is {truth}"]
    if not job.plan.gpus_accounted and truth.gpu_seconds:
        lines.append("8 GPUs were used that no record names, and a bill was made all the same")
    allowed = outcomes(job)
    if scene.memory_lost and job.outcome is State.CANCELLED:
        # the reason why provd cancelled it was in the lost ledger: SLURM's state is right
        allowed.add(State.CANCELLED)
    if record.state not in allowed:
        lines.append(f"7 {record.state} is reported, SLURM job {job.slurm_id} says {sorted(allowed)}")
    paid_for = replace(truth, network_bytes_in=report.usage_metrics.network_bytes_in)
    owed = bill(paid_for, record.spec.resources.gpu_type, ceiling=ESCROW)
    if record.paid["provider"] != owed.provider_reward:
        lines.append(f"9 the provider got {record.paid['provider']} for {owed.provider_reward}")
    return lines


def usage(job: SlurmJob) -> Usage:
    """Returns the usage, counted from the model's own stretches, not by the code under test."""
    plan = job.plan
    node_seconds = sum(record.held() * (record.nodes or plan.nodes) for record in job.records)
    return Usage(
        wall_clock_seconds=sum(record.held() for record in job.records),
        cpu_core_seconds=node_seconds * (plan.cpus + plan.cpus % 2),
        memory_gb_seconds=node_seconds * plan.memory_gb,
        gpu_seconds=node_seconds * plan.gpus,
        node_hours=node_seconds // 3600,
        nodes_used=plan.nodes if job.ever_ran else 0,
    )


def outcomes(job: SlurmJob) -> set[State]:
    """Returns the states that may be reported of the job.

    It is one state, except for a job that provd itself ended as hopeless or over its limit.
    """
    if job.outcome is State.COMPLETED:
        return {State.COMPLETED}
    if job.outcome is State.CANCELLED:
        return {State.FAILED} if not job.ever_ran else {State.CANCELLED, State.FAILED, State.TIMEOUT}
    # at the limit, though SLURM's elapsed time does not include suspension
    by_its_script = job.now_at.exit_code == 124
    return {State.TIMEOUT} if by_its_script or job.elapsed >= job.plan.wall_seconds else {State.FAILED}


def _late(scene: Scene, record: Record, slurm_jobs: list[SlurmJob]) -> list[str]:
    """Checks that the report is on chain soon after all faults ended and SLURM's final record arrived."""
    final = max((job.now_at.closed_at for job in slurm_jobs), default=0)
    since = max(final, START + scene.world.trouble_until)
    late = record.ended_at - since
    return (
        [f"5 caught up {late:.0f} s late"]
        if late > CAUGHT_UP and not any(job.purged for job in slurm_jobs)
        else []
    )


def _evidence(scene: Scene, record: Record, slurm_job: SlurmJob) -> list[str]:
    """Checks the usage of a job that the chain ended after it was in SLURM.

    The chain accepts no report, so the signed usage must be kept in the ledger.
    """
    kept = [row.body for row in scene.ledger.messages_of(record.spec.job_id) if row.status == "kept"]
    if len(kept) != 1:
        return [f"6 {len(kept)} pieces of evidence kept of a job that the chain ended"]
    message = messages.unpack(Any.FromString(kept[0]))
    assert isinstance(message, MsgReportJobStatus)
    found, truth = replace(messages.usage_of(message.usage_metrics), network_bytes_in=0), usage(slurm_job)
    return [] if found == truth else [f"8 evidence says {found}, the truth is {truth}"]


# --- accounts and ledger ---


def _money(scene: Scene) -> list[str]:
    blocks, books = scene.blocks, scene.blocks.books
    lines = (
        []
        if books.wallet + blocks.taken_away + blocks.spent == blocks.given
        else ["9 the wallet does not add up"]
    )
    open_escrows = sum(ESCROW for record in books.jobs.values() if not record.paid)
    if sum(books.uvirt.values()) or books.uvirt["escrow"] != open_escrows:
        lines.append(f"9 money was made or lost: {dict(books.uvirt)}")
    return lines


def _memory(scene: Scene) -> list[str]:
    if scene.memory_lost:
        return []
    blocks = scene.blocks
    lines = [f"2 offered again while it could take effect: {offer}" for offer in blocks.offered_twice]
    known = {row.tx_hash: row.status for row in scene.ledger.last_txs(100_000)}
    ours = {tx_hash for tx_hash in blocks.by_sequence.values() if not tx_hash.startswith("FOREIGN")}
    lines += [
        f"10 the chain took {tx_hash[:12]}, which the ledger does not know"
        for tx_hash in sorted(ours - known.keys())
    ]
    lines += [line for job_id in blocks.books.jobs for line in _told_again(scene, job_id)]
    for tx_hash, status in known.items():
        outcome = blocks.included.get(tx_hash)
        if (status == "included") != (outcome is not None and outcome.ok) and status != "open":
            lines.append(f"10 the ledger calls {tx_hash[:12]} {status}, the chain says {outcome}")
    return lines
