"""The customer's jobs: the list, one job, and the manifest."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from provider_daemon.gateway.schemas import SCHEMAS
from provider_daemon.job.hold import Hold
from provider_daemon.job.transfer import InputState, Results, Transfer
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.transfers.rows import Delivery, JobTransfer, ManifestLine
from provider_daemon.transfers.store import TransferStore
from tests.fakes.chain import ALICE, BOB
from tests.unit.gateway.conftest import Running, serving

LINES = [ManifestLine("a.txt", 3, "a" * 64), ManifestLine("b c\n.txt", 4, "b" * 64)]


class FakeTransfers(TransferStore):
    """The mover's database, as the gateway reads it."""

    def __init__(self, row: JobTransfer | None) -> None:
        self.row = row

    def job(self, name: str) -> JobTransfer | None:
        return self.row

    def manifest_lines(self, name: str) -> Iterator[ManifestLine]:
        return iter(LINES)


async def test_pages(running: Running) -> None:
    """Newest first; the last number leads to the next page; another customer's jobs are absent."""
    for number in range(1, 6):
        running.job(number, BOB if number == 3 else ALICE)
    _, first, _ = await running.ask("GET", "/v1/jobs?limit=2")
    assert ([job["id"] for job in first["jobs"]], first["more"]) == (["JOB-5", "JOB-4"], True)
    _, rest, _ = await running.ask("GET", f"/v1/jobs?limit=9&after={first['jobs'][-1]['number']}")
    assert ([job["id"] for job in rest["jobs"]], rest["more"]) == (["JOB-2", "JOB-1"], False)


async def test_one_job(running: Running) -> None:
    """State, bill and expiry of an ended job; the schema of the documentation has exactly these fields."""
    ended = running.end(running.job(7))
    status, job, _ = await running.ask("GET", "/v1/jobs/JOB-7")
    assert (status, job["state"], job["chain_state"], job["ended"]) == (200, "completed", "running", True)
    assert job["expires_at"] == ended.closed_at + 14 * 86400  # type: ignore[operator]
    assert job["bill"]["total"] == 10_000
    assert (job["directory"], job["data_mover"]) == ("there", "none")
    assert set(job) == set(SCHEMAS["Job"]["properties"])


async def test_a_job_that_waits_names_the_reason_only(running: Running) -> None:
    """Not the operator's text, which may name his machines."""
    running.job(7, hold=Hold.NOT_ON_CHAIN, message="")
    _, job, _ = await running.ask("GET", "/v1/jobs/JOB-7")
    assert job["waits_for"] == "not_on_chain"


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "after=-1", "limit=%EF%BC%91"])
async def test_bad_pages(running: Running, query: str) -> None:
    """Numbers are whole and in their range."""
    assert await running.refusal("GET", f"/v1/jobs?{query}") == (400, "bad_request")


async def test_the_manifest(tmp_path: Path, ledger: Ledger) -> None:
    """Line by line as it was signed, with its root as the entity tag."""
    results = Results("c" * 64, 2, 7)
    row = JobTransfer(
        "ve-7",
        "HPC-1",
        "JOB-7",
        "",
        1.0,
        Transfer(InputState.READY, bytes_in=5, settled=True, results=results),
        delivery=Delivery.DONE,
        expires_at=99.0,
    )
    async with serving(tmp_path, ledger, transfers=FakeTransfers(row)) as running:
        running.end(running.job(7))
        _, job, _ = await running.ask("GET", "/v1/jobs/JOB-7")
        assert (job["results"]["root"], job["results"]["delivery"]["state"]) == ("c" * 64, "done")
        assert (job["inputs"]["state"], job["expires_at"]) == ("ready", 99.0)
        status, text, headers = await running.ask("GET", "/v1/jobs/JOB-7/manifest")
        assert (status, text) == (200, "".join(map(str, LINES)).encode())
        tag = {"If-None-Match": headers["ETag"]}
        assert (await running.ask("GET", "/v1/jobs/JOB-7/manifest", headers=tag))[0] == 304


async def test_no_manifest(tmp_path: Path, ledger: Ledger) -> None:
    """Without a data mover, before it is made, and why there is none."""
    row = JobTransfer("ve-7", "HPC-1", "JOB-7", "", 1.0, results_detail="the site did not answer")
    for number, rows in enumerate((None, FakeTransfers(None), FakeTransfers(row))):
        folder = tmp_path / str(number)
        folder.mkdir()
        with_own = Ledger.open(folder / "ledger.sqlite")
        async with serving(folder, with_own, transfers=rows) as running:
            running.job(7)
            _, body, _ = await running.ask("GET", "/v1/jobs/JOB-7/manifest")
        with_own.close()
        assert body["error"]["code"] == "no_manifest"
    assert "the site did not answer" in body["error"]["message"]


async def test_a_job_without_a_directory(running: Running) -> None:
    """Its files do not exist yet, which is not the same as an empty list."""
    running.save(replace(running.job(7), directory=""))
    assert await running.refusal("GET", "/v1/jobs/JOB-7/files") == (404, "not_started")


async def test_results_that_were_deleted(tmp_path: Path, ledger: Ledger) -> None:
    """After the retention the answer says so, and not that the file never was."""
    row = JobTransfer("ve-7", "HPC-1", "JOB-7", "", 1.0, deleted_at=50.0, expires_at=40.0)
    async with serving(tmp_path, ledger, transfers=FakeTransfers(row)) as running:
        ended = running.end(running.job(7))
        shutil.rmtree(ended.directory)
        _, job, _ = await running.ask("GET", "/v1/jobs/JOB-7")
        assert (job["directory"], job["expires_at"]) == ("deleted", 40.0)
        for path in ("files", "files/a", "archive", "log", "log?follow=1"):
            refused = await running.refusal("GET", f"/v1/jobs/JOB-7/{path}")
            assert refused == (410, "results_deleted"), path


async def test_a_data_mover_that_does_not_answer(tmp_path: Path, ledger: Ledger) -> None:
    """The job is shown, and what is not known is said to be unknown; the manifest is 503."""
    away = TransferStore(tmp_path / "none.sqlite")
    async with serving(tmp_path, ledger, transfers=away) as running:
        running.job(7)
        _, job, _ = await running.ask("GET", "/v1/jobs/JOB-7")
        assert (job["data_mover"], job["inputs"], job["results"]) == ("unavailable", None, None)
        assert await running.refusal("GET", "/v1/jobs/JOB-7/manifest") == (503, "unavailable")
