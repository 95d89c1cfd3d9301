"""Stores the signed reports that lead from a job's promised state to its present state."""

from dataclasses import replace

from provider_daemon.chain import evidence, messages
from provider_daemon.chain.keys import Signer
from provider_daemon.job.data import DataPolicy, report_words
from provider_daemon.job.job import Job
from provider_daemon.job.report_cost import MAX_MESSAGE
from provider_daemon.job.signed_words import NO_WORDS, SignedWords, parse
from provider_daemon.job.state import TERMINAL, State, route
from provider_daemon.job.usage import Usage
from provider_daemon.ledger import meta
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
    audit = ledger.get(meta.site_audit(job.spec.cluster_id)) if due else ""
    for state in due:
        ledger.add_message(signer.address, report(job, state, signer, now, data, audit), now)
        ledger.add_event(job.spec.job_id, EventKind.REPORT_STORED, state.value, now, state)
    return replace(job, promised=due[-1]) if due else job


def keep_evidence(
    ledger: Ledger, job: Job, signer: Signer, now: float, data: DataPolicy | None = None
) -> None:
    """Keeps the signed usage in the ledger: the chain accepts no report of a job that it has ended."""
    ledger.add_message(
        signer.address,
        report(job, job.state, signer, now, data, ledger.get(meta.site_audit(job.spec.cluster_id))),
        now,
        kept=True,
        note=f"chain: {job.reported}",
    )
    ledger.add_event(job.spec.job_id, EventKind.EVIDENCE_KEPT, job.state.value, now)


def report(
    job: Job, state: State, signer: Signer, now: float, data: DataPolicy | None = None, site_audit: str = ""
) -> Message:
    """Returns a MsgReportJobStatus. Only a final one has usage, exit code and the customer's message.

    `site_audit`: the hash of the site's newest audit, "" if there is none.
    """
    final = state in TERMINAL
    ran = final and job.slurm_id and job.spec.digest
    signed = SignedWords(job.image, site_audit, job.results) if ran else NO_WORDS
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
        signed=signed,
    )
    message = final_message(job, data, signed) if final else ""
    body = messages.report_job_status(facts, signature=evidence.sign(facts, signer), status_message=message)
    return Message("report", job.spec.job_id, body.SerializeToString(deterministic=True), state.value)


def final_message(job: Job, data: DataPolicy | None, signed: SignedWords) -> str:
    """Returns the message for the customer, and after it the words for programs of a job that ran."""
    words = report_words(job, data, signed) if job.slurm_id else ""
    room = MAX_MESSAGE - (len(words.encode()) + 1 if words else 0)
    said = " ".join(filter(None, (cut(job.message, room), words)))
    if parse(said) == signed:
        return said
    # The reason repeats text from outside that reads as signed words. A full stop makes it text again.
    return " ".join(filter(None, (f"{cut(job.message.rstrip(), room - 1)}.", words)))
