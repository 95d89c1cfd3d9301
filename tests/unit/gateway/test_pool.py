"""With a pool of Unix users: a customer reads only as the user that serves him, and only while it does."""

from dataclasses import replace

from provider_daemon.job.job import Job
from provider_daemon.job.leases import Lease
from provider_daemon.ledger import leases
from tests.fakes.chain import ALICE, BOB
from tests.unit.gateway.conftest import Running


def pooled(running: Running, customer: str) -> Job:
    """A job whose directory is below that of u1, and whom u1 serves."""
    job = running.job()
    directory = running.work_root / "u1" / "ve-7.0000abcd"
    directory.mkdir(parents=True)
    (directory / "output.txt").write_bytes(b"hello")
    with running.ledger.write():
        leases.save(running.ledger, [Lease("HPC-1", "u1", customer, 1.0, confirmed_at=1.0)])
    site = replace(running.gateway.sites["HPC-1"], work_root=str(running.work_root))
    running.gateway.sites["HPC-1"] = site  # type: ignore[index]
    return running.save(replace(job, user="u1", directory=str(directory)))


async def test_a_customer_reads_what_his_user_has(running: Running) -> None:
    """Files and log."""
    pooled(running, ALICE.address)
    status, body, _ = await running.ask("GET", "/v1/jobs/JOB-7/files/output.txt")
    assert (status, body) == (200, b"hello")
    status, body, _ = await running.ask("GET", "/v1/jobs/JOB-7/log")
    assert (status, body) == (200, b"hello")


async def test_the_next_customers_files_are_never_shown(running: Running) -> None:
    """The user serves somebody else now, who could have made a directory of the old name."""
    pooled(running, BOB.address)
    for path in ("files", "files/output.txt", "archive", "log"):
        assert await running.refusal("GET", f"/v1/jobs/JOB-7/{path}") == (410, "results_deleted")


async def test_a_directory_of_another_user_is_not_read(running: Running) -> None:
    """The ledger's user and the directory must agree."""
    job = pooled(running, ALICE.address)
    running.save(replace(job, user=""))
    status, _ = await running.refusal("GET", "/v1/jobs/JOB-7/files")
    assert status == 503
