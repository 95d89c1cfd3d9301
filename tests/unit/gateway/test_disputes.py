"""The disputes about a customer's job, and the provider's evidence."""

from provider_daemon.gateway.schemas import SCHEMAS
from provider_daemon.ledger import disputes
from provider_daemon.ports import Dispute, DisputeStatus
from tests.fakes.chain import BOB
from tests.unit.gateway.conftest import Running


def flagged(running: Running, dispute_id: str, job_id: str, answer: bytes = b"") -> None:
    with running.ledger.write():
        record = Dispute(dispute_id, job_id, DisputeStatus.PENDING, 5, kind="usage", reason="idle")
        disputes.save(running.ledger, record, "HPC-1")
        if answer:
            disputes.answer(running.ledger, dispute_id, answer, "ab" * 32, 7.0)


async def test_evidence_of_an_answer(running: Running) -> None:
    """The customer lists the disputes and fetches what the provider signed."""
    running.job(7)
    flagged(running, "hpc-dispute-2", "JOB-7", b"zip")
    flagged(running, "hpc-dispute-4", "JOB-7")
    _, found, _ = await running.ask("GET", "/v1/jobs/JOB-7/disputes")
    assert [(each["id"], each["answer_hash"]) for each in found["disputes"]] == [
        ("hpc-dispute-2", "ab" * 32),
        ("hpc-dispute-4", None),
    ]
    assert set(found["disputes"][0]) == set(
        SCHEMAS["Disputes"]["properties"]["disputes"]["items"]["properties"]
    )
    status, archive, headers = await running.ask("GET", "/v1/jobs/JOB-7/disputes/hpc-dispute-2/evidence")
    assert (status, archive, headers["Content-Type"]) == (200, b"zip", "application/zip")
    assert await running.refusal("GET", "/v1/jobs/JOB-7/disputes/hpc-dispute-4/evidence") == (
        404,
        "not_found",
    )


async def test_evidence_about_the_job_of_another(running: Running) -> None:
    """Neither by the other's job nor by one's own."""
    running.job(7)
    running.job(8, BOB)
    flagged(running, "hpc-dispute-2", "JOB-8", b"zip")
    assert await running.refusal("GET", "/v1/jobs/JOB-8/disputes") == (403, "not_yours")
    path = "/v1/jobs/{}/disputes/hpc-dispute-2/evidence"
    assert await running.refusal("GET", path.format("JOB-8")) == (403, "not_yours")
    assert await running.refusal("GET", path.format("JOB-7")) == (404, "not_found")
