"""What the daemon, the gateway and the mover leave in their audit logs."""

import hashlib
from contextlib import suppress
from pathlib import Path

from provider_daemon.audit_log.files import AuditFiles
from provider_daemon.audit_log.recorder import Recorder
from provider_daemon.audit_log.records import Process
from provider_daemon.daemon.audited_ledger import AuditedLedger
from provider_daemon.job.state import State
from provider_daemon.ledger.event_kind import EventKind
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.mover.audited import AuditedWriter
from provider_daemon.transfers.rows import Delivery
from tests.fakes.chain import ALICE, BOB, FakeClock
from tests.unit.audit_log.recorded import records
from tests.unit.gateway.conftest import serving
from tests.unit.job.jobs import JOB


def recorder(place: Path) -> Recorder:
    return Recorder(AuditFiles(place, Process.DAEMON, 365), Process.DAEMON)


def test_the_daemon(tmp_path: Path) -> None:
    """What was committed is on record, by the customer or by the daemon; what was rolled back is not."""
    audited = AuditedLedger.open(tmp_path / "ledger.sqlite")
    audited.audit(recorder(tmp_path / "audit"), FakeClock())
    with audited.write():
        audited.save_job(JOB)
        audited.add_event("JOB-1", EventKind.ADOPTED, "secret words", 1.0)
        audited.add_event("JOB-1", EventKind.STATE, "an observation", 1.0, State.QUEUED)
        audited.add_event("JOB-1", EventKind.REPORT_STORED, "", 1.0, State.QUEUED)
    with suppress(KeyError), audited.write():
        audited.add_event("JOB-1", EventKind.CLOSED, "", 1.0)
        raise KeyError
    assert records(tmp_path / "audit") == [
        (JOB.spec.customer, "job_adopted", "JOB-1", ""),
        ("provd", "job_reported", "JOB-1", ""),
    ]
    assert b"secret" not in b"".join(path.read_bytes() for path in (tmp_path / "audit").iterdir())
    audited.close()


async def test_the_gateway(tmp_path: Path, ledger: Ledger) -> None:
    """Downloads, links, uploads and deletions, each with the account; refused requests are not acts."""
    async with serving(tmp_path, ledger, recorder=recorder(tmp_path / "audit")) as made:
        job = made.job(7)
        made.write(job, "out.txt", b"42")
        sha256 = hashlib.sha256(b"data").hexdigest()
        await made.ask("GET", "/v1/jobs/JOB-7/files")
        await made.ask("GET", "/v1/jobs/JOB-7/files/out.txt")
        await made.ask("GET", "/v1/jobs/JOB-7/files/none.txt")
        await made.ask("GET", "/v1/jobs/JOB-7/files/out.txt", BOB)
        await made.ask("GET", "/v1/jobs/JOB-7/archive")
        await made.ask("PUT", f"/v1/uploads/{sha256}", data=b"data")
        await made.ask("DELETE", f"/v1/uploads/{sha256}")
    assert records(tmp_path / "audit") == [
        (ALICE.address, "files_listed", "JOB-7", ""),
        (ALICE.address, "file_read", "JOB-7", "out.txt"),
        (ALICE.address, "archive_read", "JOB-7", ""),
        (ALICE.address, "upload_written", "", sha256),
        (ALICE.address, "upload_deleted", "", sha256),
    ]


def test_the_mover(tmp_path: Path) -> None:
    """Deliveries that succeeded, and deletions."""
    writer = AuditedWriter.open(tmp_path / "transfers.sqlite")
    writer.audit(recorder(tmp_path / "audit"), FakeClock())
    writer.set_delivery("ve-1", Delivery.WAITING)
    writer.set_delivery("ve-1", Delivery.DONE, bytes_out=5)
    writer.set_unstaged("ve-1", 1.0)
    writer.set_deleted("ve-1", 1.0)
    assert [row[1:3] for row in records(tmp_path / "audit")] == [
        ("results_delivered", "ve-1"),
        ("inputs_deleted", "ve-1"),
        ("results_deleted", "ve-1"),
    ]
    writer.close()
