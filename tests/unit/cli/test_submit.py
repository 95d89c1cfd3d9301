"""`provd submit`, `logs`, `results` and `data`: a devnet, a gateway, and a provider played by the test."""

import asyncio
import copy
import json
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
import pytest_asyncio
from typer.testing import Result

from provider_daemon.chain import evidence, messages
from provider_daemon.chain.client import GrpcChain
from provider_daemon.chain.proto.virtengine.hpc.v1.tx_pb2 import MsgReportJobStatus
from provider_daemon.chain.spec_digest import digest
from provider_daemon.cli import customer
from provider_daemon.client import defaults, market, transaction, verify
from provider_daemon.client.api import Client
from provider_daemon.client.outcome import Exit
from provider_daemon.client.session import chain_at
from provider_daemon.client.transaction import TxTerms
from provider_daemon.errors import ConfigError, Refused, Transient
from provider_daemon.job import signed_words
from provider_daemon.job.state import State
from tests.fakes import chain as fakes
from tests.fakes.chain import ALICE, BOB
from tests.unit.cli.shop import CHAIN_ID, Shop, example, shop
from tests.unit.client.far_end import REAL_TIME, FarEnd, manifest_of, served, sha256


def report(state: str, **changes: Any) -> MsgReportJobStatus:
    message = fakes.report(state, **changes)
    message.provider_address = ALICE.address
    return message


T = TypeVar("T")
JOB = "image: docker.io/library/alpine:3\ncommand: [echo, hello]\nmax_runtime: 10m\n"
RESULTS = {"output.txt": b"hello\n", "out/data.bin": bytes(range(256)) * 100}


@dataclass
class Site:
    """`market` is the chain with alice's cluster; bob's key is in the environment."""

    market: Shop
    far_end: FarEnd
    directory: Path

    async def provd(self, line: str, stdin: str = "") -> Result:
        return await self.market.run(line, stdin)

    def job_file(self, text: str = JOB) -> Path:
        path = self.directory / "job.yaml"
        path.write_text(text)
        return path

    async def submitted(self, *reports: MsgReportJobStatus, options: str = "", text: str = JOB) -> Result:
        """Runs `provd submit` while alice sends these reports."""
        output = self.directory / "results"
        line = f"submit {self.job_file(text)} -y --output {output} {options}"
        running = in_thread(lambda: self.market.invoke(line))
        async with chain_at([self.market.env["PROVD_NODE"]], CHAIN_ID) as chain:
            while not running.done() and await chain.query.job("JOB-1") is None:
                await asyncio.sleep(0)
            for message in reports:
                await sent(chain, message)
        return await running


def in_thread(call: Callable[[], T]) -> asyncio.Future[T]:
    """Runs it in a thread that does not outlive a test that fails meanwhile."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        result = call()
        loop.call_soon_threadsafe(done.set_result, result)

    threading.Thread(target=run, daemon=True).start()
    return done


async def sent(chain: GrpcChain, wanted: MsgReportJobStatus, job_id: str = "JOB-1") -> None:
    """Sends it in a block of its own, signed by alice; its evidence too, with the results that it names."""
    message = copy.deepcopy(wanted)
    message.job_id = job_id
    if (words := signed_words.parse(message.status_message)) != signed_words.NO_WORDS:
        record = await chain.query.job(message.job_id)
        assert record is not None
        message.signed_timestamp = 1_770_000_000
        facts = evidence.EvidenceFacts(
            CHAIN_ID,
            record.cluster_id,
            ALICE.address,
            message.job_id,
            message.slurm_job_id,
            State.COMPLETED,
            message.exit_code,
            messages.usage_of(message.usage_metrics),
            message.signed_timestamp,
            digest(record, CHAIN_ID),
            words,
        )
        message.signature = evidence.sign(facts, ALICE)
    await defaults.sign_evidence(chain, message, ALICE)
    prepared = await transaction.prepare(chain, [message], ALICE.public_key, TxTerms())
    signed = transaction.sign(prepared, ALICE, CHAIN_ID)
    await transaction.send(chain, signed)
    found = await transaction.included(chain, signed, prepared, time.monotonic)
    assert found.tx_response.code == 0, found.tx_response.raw_log


@pytest_asyncio.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    monkeypatch.setattr(customer, "POLL_SECONDS", 0.02)
    far_end = FarEnd(RESULTS, manifest_of(RESULTS), customer=BOB, provider=ALICE.address, chain_id=CHAIN_ID)
    far_end.now = REAL_TIME
    async with shop(tmp_path, block_seconds=0.1) as market, served(far_end) as url:
        for name in ("register-cluster", "update-cluster", "create-offering"):
            await market.done(example("tx", name))
        market.env.update(PROVD_FROM="bob", PROVD_GATEWAY=url)
        yield Site(market, far_end, tmp_path)


BEGUN = (report("queued", slurm_job_id="42"), report("running"))
UNPROVEN = (*BEGUN, report("completed"))


def signed(results: dict[str, bytes]) -> MsgReportJobStatus:
    """The final report of a job with these results."""
    text = manifest_of(results)
    found = verify.summary(text, verify.manifest(text))
    return report("completed", status_message=f"SLURM: COMPLETED {signed_words.SignedWords(results=found)}")


RAN = (*BEGUN, signed(RESULTS))


async def test_one_command_ends_with_the_results_on_disk(site: Site) -> None:
    """The price first; the job's output alone on standard output; every file in the directory, verified."""
    result = await site.submitted(*RAN)
    assert result.stdout == "hello\n"
    assert "offering OFF-1 (standard) on cluster HPC-1, queue cpu" in result.stderr
    assert "price: at most 10832uvirt, held in escrow" in result.stderr
    assert "JOB-1 submitted: transaction " in result.stderr
    assert "JOB-1 completed" in result.stderr
    assert "results=sha256" not in result.stderr  # the next line has it in words
    assert {path.name: path.read_bytes() for path in (site.directory / "results").rglob("*.*")} == {
        "output.txt": RESULTS["output.txt"],
        "data.bin": RESULTS["out/data.bin"],
    }
    root = sha256(manifest_of(RESULTS))
    assert f"verified: every file, and the manifest {root} against the provider's signed" in result.stderr
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("last", "why"),
    [
        (report("completed"), "the final report signs no results"),
        (signed({"output.txt": b"other"}), "the manifest is not the one that the provider signed"),
    ],
)
async def test_results_that_no_report_proves(site: Site, last: MsgReportJobStatus, why: str) -> None:
    """They are fetched; what is wrong is said, and is the exit status."""
    result = await site.submitted(*BEGUN, last)
    assert f"NOT VERIFIED: {why}" in result.stderr
    assert result.exit_code == Exit.UNVERIFIED
    assert (site.directory / "results" / "output.txt").exists()


async def test_results_that_the_gateway_changed(site: Site) -> None:
    """Files of another content than the manifest's are not taken for results."""
    site.far_end.files = {**RESULTS, "output.txt": b"HELLO\n"}
    result = await site.submitted(*RAN)
    assert "the results cannot be fetched: output.txt: has SHA-256" in result.stderr
    assert result.exit_code == Exit.UNVERIFIED
    assert not (site.directory / "results" / "output.txt").exists()


async def test_the_exit_status_is_the_jobs(site: Site) -> None:
    """Its results are fetched all the same."""
    result = await site.submitted(*BEGUN, report("failed", exit_code=3))
    assert result.exit_code == 3
    assert (site.directory / "results" / "output.txt").exists()


@pytest.mark.parametrize(
    ("reports", "status"),
    [
        ([report("failed", status_message="unknown queue")], Exit.REFUSED),
        ([*BEGUN, report("cancelled")], Exit.CANCELLED),
        ([*BEGUN, report("timeout")], Exit.TIMED_OUT),
    ],
)
async def test_other_ends(site: Site, reports: list[MsgReportJobStatus], status: Exit) -> None:
    """Each has its own status."""
    assert (await site.submitted(*reports)).exit_code == status


async def test_a_local_file_is_sent_before_the_job(site: Site) -> None:
    """The chain has its hash and size, and the price includes its bytes."""
    (site.directory / "data.txt").write_bytes(b"data")
    result = await site.submitted(options="-d", text=JOB + "inputs: [{file: data.txt}]\n")
    assert result.exit_code == 0, result.output
    assert result.stdout == "JOB-1\n"
    assert site.far_end.uploads == {sha256(b"data"): bytearray(b"data")}
    job = json.loads((await site.provd("query hpc job JOB-1 -o json")).stdout)["job"]
    assert job["data_references"] == [
        {
            "reference_id": "data.txt",
            "type": "upload",
            "uri": f"upload:{sha256(b'data')}",
            "encrypted": False,
            "checksum": f"sha256:{sha256(b'data')}",
            "size_bytes": "4",
        }
    ]
    assert job["agreed_price"] == [{"denom": "uvirt", "amount": "10832"}]
    assert f"provd logs -f JOB-1 --from bob --gateway {site.far_end.url}" in result.stderr


async def test_asks_before_anything_is_sent(site: Site) -> None:
    """Only the catalogue is read; the answer no leaves no upload and no job."""
    (site.directory / "data.txt").write_bytes(b"data")
    path = site.job_file(JOB + "inputs: [{file: data.txt}]\n")
    result = await site.provd(f"submit {path}", "n\n")
    read = ["GET /v1/clusters/HPC-1/catalogue"]
    assert (result.exit_code, site.far_end.requests) == (Exit.NOTHING, read)
    assert "Submit this job? [y/N]" in result.stderr
    assert "nothing was submitted" in result.stderr
    assert (await site.provd("query hpc job JOB-1")).exit_code == 1


async def test_ctrl_c_leaves_the_job_running(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """It prints how to continue."""

    async def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(market, "wait", interrupted)
    result = await site.submitted()
    assert result.exit_code == Exit.DETACHED
    assert "JOB-1 continues." in result.stderr
    assert "cancel it:         provd tx hpc cancel-job JOB-1 --from bob" in result.stderr


async def test_an_invalid_job_file(site: Site) -> None:
    """Every line with its place; exit status 2."""
    result = await site.provd(f"submit {site.job_file('image: 5')}")
    assert isinstance(result.exception, ConfigError)
    assert result.exception.problems[0].startswith("job.yaml:1: ")


async def test_no_offering_matches(site: Site) -> None:
    """Each offering with its reason; nothing is sent."""
    result = await site.provd(f"submit -y {site.job_file(JOB + 'resources: {nodes: 99}')}")
    assert result.exit_code == Exit.REFUSED
    assert "no offering matches this job: OFF-1: 99 nodes requested, its cluster has 10" in result.stderr


async def test_a_job_that_the_chain_refuses(site: Site) -> None:
    """Nothing is in escrow: more than the account has."""
    result = await site.submitted(text=JOB + "max_price: 9000000000000uvirt\n")
    assert result.exit_code == Exit.REFUSED
    assert "insufficient funds" in result.stderr


async def test_the_parts_alone(site: Site) -> None:
    """Logs, results and uploads of a job that was submitted without waiting."""
    await site.submitted(*RAN, options="-d")
    assert (await site.provd("logs JOB-1")).stdout == "hello\n"
    assert (await site.provd("logs -f JOB-1")).stdout == "hello\n"
    assert (await site.provd("logs -e JOB-1")).stdout == ""
    listed = (await site.provd("results ls JOB-1")).stdout.splitlines()
    assert [line.split()[-1] for line in listed] == ["PATH", "out", "out/data.bin", "output.txt"]
    directory = site.directory / "again"
    fetched = await site.provd(f"results get JOB-1 --output {directory}")
    assert (fetched.exit_code, (directory / "out/data.bin").read_bytes()) == (0, RESULTS["out/data.bin"])


async def test_unproven_results_must_be_asked_for(site: Site) -> None:
    """Without --unverified they are fetched, and the exit status is 1."""
    await site.submitted(*UNPROVEN, options="-d")
    line = f"results get JOB-1 --output {site.directory}/again"
    assert (await site.provd(line)).exit_code == 1
    assert (await site.provd(f"{line} --unverified")).exit_code == 0


async def test_an_interrupted_fetch_can_be_continued(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says how."""

    async def interrupted(*_: object, **__: object) -> None:
        raise Transient("the connection was lost")

    await site.submitted(*RAN, options="-d")
    monkeypatch.setattr(Client, "fetch", interrupted)
    result = await site.provd(f"results get JOB-1 --output {site.directory}/again")
    assert isinstance(result.exception, Transient)
    assert str(result.exception) == "the connection was lost; run the same command again to continue"


async def test_uploads(site: Site) -> None:
    """put, ls and rm name content by its hash."""
    path = site.directory / "data.txt"
    path.write_bytes(b"data")
    assert (await site.provd(f"data put {path}")).stdout == f"{sha256(b'data')}  {path}\n"
    listed = await site.provd("data ls")
    assert listed.stdout.splitlines()[1].split() == [sha256(b"data"), "4", "4"]
    assert "4 of 1073741824 bytes used" in listed.stderr
    assert (await site.provd(f"data rm {sha256(b'data')}")).exit_code == 0
    assert json.loads((await site.provd("data ls -o json")).stdout)["uploads"] == []


async def test_another_customers_job(site: Site) -> None:
    """Refused before the gateway is asked."""
    await site.submitted(*RAN, options="-d")
    result = await site.provd("logs JOB-1 --from governor")
    assert isinstance(result.exception, Refused)
    assert "belongs to" in str(result.exception)
