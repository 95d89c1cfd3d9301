"""Stores the signed reports that lead from a job's promised state to its present state."""

from dataclasses import replace

from provider_daemon.chain import evidence, messages
from provider_daemon.chain.keys import Signer
from provider_daemon.job import results_word
from provider_daemon.job.data import DataPolicy, report_words
from provider_daemon.job.lifecycle import Job
from provider_daemon.job.report_cost import MAX_MESSAGE
from provider_daemon.job.state import TERMINAL, State, route
from provider_daemon.job.usage import Usage
from provider_daemon.ledger.event_kind import EventKind
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ledger.rows import Message
from provider_daemon.text import cut


def store_reports(
    ledger: Ledger, job: Job, signer: Signer, now: float, data: DataPolicy | None = None
) -> Job:
    """Stores the due reports of a job that is not on hold, and returns it with its new promised state.

    Call inside `ledger.write()`.
    """
    if job.hold:
        return job
    due = route(job.promised, job.state, ran=job.usage is not None and job.usage.nodes_used > 0)
    if job.measured and not job.settled:  # the final report waits for the manifest of the results
        due = tuple(state for state in due if state not in TERMINAL)
    for state in due:
        ledger.add_message(signer.address, report(job, state, signer, now, data), now)
        ledger.add_event(job.spec.job_id, EventKind.REPORT_STORED, state.value, now, state)
    return replace(job, promised=due[-1]) if due else job


def keep_evidence(
    ledger: Ledger, job: Job, signer: Signer, now: float, data: DataPolicy | None = None
) -> None:
    """Keeps the signed usage in the ledger: the chain accepts no report of a job that it has ended."""
    ledger.add_message(
        signer.address,
        report(job, job.state, signer, now, data),
        now,
        kept=True,
        note=f"chain: {job.reported}",
    )
    ledger.add_event(job.spec.job_id, EventKind.EVIDENCE_KEPT, job.state.value, now)


def report(job: Job, state: State, signer: Signer, now: float, data: DataPolicy | None = None) -> Message:
    """Returns a MsgReportJobStatus. Only a final one has usage, exit code and the customer's message."""
    final = state in TERMINAL
    facts = evidence.EvidenceFacts(
        chain_id=job.spec.chain_id,
        cluster_id=job.spec.cluster_id,
        provider=signer.address,
        job_id=job.spec.job_id,
        slurm_job_id=job.slurm_id,
        state=state,
        exit_code=job.exit_code if final else 0,
        usage=(job.usage or Usage()) if final else Usage(),
        signed_at=int(now),
        spec_sha256=job.spec.digest,
        results=job.results if final and job.spec.digest else None,
    )
    message = final_message(job, data) if final else ""
    body = messages.report_job_status(facts, signature=evidence.sign(facts, signer), status_message=message)
    return Message("report", job.spec.job_id, body.SerializeToString(deterministic=True), state.value)


def final_message(job: Job, data: DataPolicy | None) -> str:
    """Returns the message for the customer, and after it the words about the results of a job that ran."""
    words = report_words(job, data) if job.slurm_id else ""
    if not words:
        # A reason may repeat text from outside, which must not read as the word of signed results.
        forged = results_word.parse(job.message) is not None
        return cut(f"{job.message}." if forged else job.message, MAX_MESSAGE)
    return " ".join(filter(None, (cut(job.message, MAX_MESSAGE - len(words.encode()) - 1), words)))
