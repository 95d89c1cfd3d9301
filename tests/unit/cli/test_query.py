"""`provd query hpc`: all 21, on chains that have wired none, some or all of them."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from typer.main import get_command
from typer.testing import CliRunner

from provider_daemon.chain.ask import QueryAnswer
from provider_daemon.chain.client import GrpcChain
from provider_daemon.chain.grpc_errors import NotFound
from provider_daemon.chain.proto.virtengine.hpc.v1 import query_pb2
from provider_daemon.chain.proto.virtengine.hpc.v1.types_pb2 import HPCJob
from provider_daemon.cli import tables
from provider_daemon.cli.app import app
from provider_daemon.client.outcome import Exit
from provider_daemon.client.queries import by_number
from provider_daemon.errors import ConfigError, Refused, Transient
from tests.unit.cli.shop import ADDRESSES, Shop, example, shop

COMMANDS: dict[str, Any] = get_command(app).commands["query"].commands["hpc"].commands  # type: ignore[attr-defined]
LIFE = (
    "register-cluster",
    "update-cluster",
    "create-offering",
    "update-node-metadata",
    "submit-job",
    "report-job-status",
)
SHARED = pytest.mark.asyncio(loop_scope="module")  # a test with the market of all


@asynccontextmanager
async def one_of_everything(directory: Path, queries: str) -> AsyncIterator[Shop]:
    """JOB-1 ran and was billed, JOB-2 and JOB-3 wait."""
    async with shop(directory, queries) as opened:
        for name in LIFE:
            await opened.done(example("tx", name))
        usage = directory / "usage.json"
        usage.write_text(json.dumps({"wall_clock_seconds": 60, "cpu_core_seconds": 240, "nodes_used": 1}))
        await opened.done("tx hpc report-job-status JOB-1 --state running --from alice")
        await opened.done(f"tx hpc report-job-status JOB-1 --state completed --usage {usage} --from alice")
        await opened.done(example("tx", "flag-dispute"))
        await opened.done(example("tx", "submit-job"))
        await opened.done(example("tx", "submit-job"))
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def market(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Shop]:
    """One for all tests that only ask. Nothing is wired, unless a test says so."""
    async with one_of_everything(
        tmp_path_factory.mktemp("market"), getattr(request, "param", "none")
    ) as opened:
        yield opened


@pytest_asyncio.fixture
async def own_market(tmp_path: Path) -> AsyncIterator[Shop]:
    """For a test that changes something."""
    async with one_of_everything(tmp_path, "none") as opened:
        yield opened


def test_there_are_21() -> None:
    assert len(COMMANDS) == 21


@pytest.mark.parametrize("market", ["none", "published", "all"], indirect=True)
@SHARED
async def test_every_example_works(market: Shop) -> None:
    """Each finds something, whatever the chain has wired."""
    for name in COMMANDS:
        line = example("query", name).replace(
            "ve19rl4cm2hmr8afy4kldpxz3fka4jguq0aqakfsa", ADDRESSES["bob" if "customer" in name else "alice"]
        )
        result = await market.run(line)
        assert result.exit_code == 0, (line, result.output, result.exception)
        assert len(result.stdout.splitlines()) > 1, (line, result.stdout)


@pytest.mark.parametrize("market", ["none", "published", "all"], indirect=True)
@SHARED
async def test_a_job_is_told_whole(market: Shop) -> None:
    """Record, accounting, and each report with its transaction and its evidence."""
    document = json.loads((await market.run("query hpc job JOB-1 -o json")).stdout)
    assert document["job"]["state"] == "JOB_STATE_COMPLETED"
    assert document["accounting"]["usage_metrics"]["cpu_core_seconds"] == "240"
    assert [(row["state"], row["evidence"]) for row in document["reports"]] == [
        ("JOB_STATE_QUEUED", "verified"),
        ("JOB_STATE_RUNNING", "verified"),
        ("JOB_STATE_COMPLETED", "verified"),
    ]
    assert yaml.safe_load((await market.run("query hpc job JOB-1 -o yaml")).stdout) == document
    text = (await market.run("query hpc job JOB-1")).stdout
    assert "reports[2].evidence" in text
    assert json.loads((await market.run("query hpc job JOB-2 -o json")).stdout)["accounting"] is None


@SHARED
async def test_pages(market: Shop) -> None:
    """A page names the key of the next; offset, total and order as asked."""
    first = json.loads((await market.run("query hpc jobs --limit 2 --count-total -o json")).stdout)
    assert [job["job_id"] for job in first["jobs"]] == ["JOB-1", "JOB-2"]
    assert first["pagination"]["total"] == "3"
    key = first["pagination"]["next_key"]
    second = await market.run(f"query hpc jobs --page-key {key}")
    assert [line.split()[0] for line in second.stdout.splitlines()] == ["JOB", "JOB-3"]
    last = json.loads((await market.run("query hpc jobs --offset 1 --reverse --limit 1 -o json")).stdout)
    assert [job["job_id"] for job in last["jobs"]] == ["JOB-2"]
    told = await market.run("query hpc jobs --limit 2")
    assert f"next page: --page-key {key}" in told.stderr


def test_numbers_in_ids_are_numbers() -> None:
    """JOB-2 comes before JOB-10, whatever the order of the chain, and after it in reverse."""
    ids = ["JOB-1", "JOB-10", "JOB-2", "alpha.n1~2", "alpha.n1"]
    records = [{"job_id": each, "nodes": 1} for each in ids]
    order = ["JOB-1", "JOB-2", "JOB-10", "alpha.n1", "alpha.n1~2"]
    assert [each["job_id"] for each in by_number(records)] == order
    assert [each["job_id"] for each in by_number(records, reverse=True)] == order[::-1]


def test_jobs_are_listed_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the order of the chain's page is."""

    class Chain:
        async def ask(self, rpc: str, asked: object) -> QueryAnswer:
            ids = ["JOB-1", "JOB-10", "JOB-2"]
            return QueryAnswer(query_pb2.QueryJobsResponse(jobs=[HPCJob(job_id=each) for each in ids]))

    monkeypatch.setattr("provider_daemon.client.session.chain_at", lambda *_: nullcontext(Chain()))
    listed = CliRunner().invoke(app, ["query", "hpc", "jobs"]).stdout.splitlines()[1:]
    assert [line.split()[0] for line in listed] == ["JOB-1", "JOB-2", "JOB-10"]


@SHARED
async def test_filters(market: Shop) -> None:
    waiting = json.loads((await market.run("query hpc jobs --state pending -o json")).stdout)
    assert [job["job_id"] for job in waiting["jobs"]] == ["JOB-2", "JOB-3"]
    assert len((await market.run("query hpc jobs --cluster HPC-2")).stdout.splitlines()) == 1
    with pytest.raises(ConfigError, match="state: invalid value: 'busy'; must be one of pending, queued"):
        raise (await market.run("query hpc jobs --state busy")).exception or AssertionError


@SHARED
async def test_not_there(market: Shop) -> None:
    for line in ("cluster HPC-9", "job JOB-9", "reward hpc-reward-JOB-9", "scheduling-decision-by-job JOB-9"):
        result = await market.run(f"query hpc {line}")
        assert isinstance(result.exception, NotFound)
        assert result.exception.exit_code == 1


@SHARED
async def test_bad_pages(market: Shop) -> None:
    wrong = await market.run("query hpc jobs --page-key ???")
    assert isinstance(wrong.exception, ConfigError)
    both = await market.run("query hpc jobs --page-key Sk9CLTI= --offset 1")
    assert isinstance(both.exception, Refused)


async def test_watch_a_job_to_its_end(own_market: Shop) -> None:
    """A line for each change; it ends when the job does, with the exit status of its fate."""
    words = ["query", "hpc", "job", "JOB-2", "--watch", "--interval", "0.05"]
    watching = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "provider_daemon",
        *words,
        env={**os.environ, **own_market.env},
        stdout=asyncio.subprocess.PIPE,
    )
    assert watching.stdout is not None
    states = [(await watching.stdout.readline()).split()[1]]
    for state in ("queued", "running", "failed"):
        await own_market.done(f"tx hpc report-job-status JOB-2 --state {state} --from alice")
        states.append((await watching.stdout.readline()).split()[1])
    assert states == [b"pending", b"queued", b"running", b"failed"]
    assert await asyncio.wait_for(watching.wait(), 30) == Exit.NO_CODE
    await own_market.done('tx hpc report-job-status JOB-3 --state failed --message "not today" --from alice')
    assert (await own_market.run("query hpc job JOB-1 --watch")).exit_code == 0
    refused = await own_market.run("query hpc job JOB-3 --watch")
    assert (refused.exit_code, refused.stderr) == (Exit.REFUSED, "provd: JOB-3 failed: not today\n")


def test_a_strangers_text_stays_on_its_line() -> None:
    """Control characters are escaped in columns and in fields."""
    record = {
        "job_id": "JOB-1",
        "status_message": "a\nb\x1b[2J",
        "max_price": [{"denom": "uvirt", "amount": "5"}],
        "active": True,
        "none": "",
    }
    assert tables.columns("jobs", [record])[1].endswith("a\\nb\\x1b[2J")
    assert tables.fields(record) == [
        "job_id          JOB-1",
        "status_message  a\\nb\\x1b[2J",
        "max_price       5uvirt",
        "active          yes",
    ]


async def test_balances_and_transactions(own_market: Shop) -> None:
    """What an account has; a transaction by the hash that `provd tx` printed."""
    sent = await own_market.done("tx hpc update-cluster HPC-1 --name other --from alice --note hello -o json")
    document = json.loads(sent.stdout)
    found = json.loads((await own_market.run(f"query tx {document['txhash']} -o json")).stdout)
    assert (found["tx_response"]["height"], found["memo"], found["messages"][0]["name"]) == (
        document["height"],
        "hello",
        "other",
    )
    assert "other" in (await own_market.run(f"query tx {document['txhash']}")).stdout
    assert isinstance((await own_market.run(f"query tx {'0' * 64}")).exception, NotFound)
    had = json.loads((await own_market.run(f"query bank balances {ADDRESSES['governor']} -o json")).stdout)[
        "balances"
    ]
    assert had == [{"denom": "uve", "amount": str(10**12)}, {"denom": "uvirt", "amount": str(10**12)}]
    table = (await own_market.run(f"query bank balances {ADDRESSES['governor']}")).stdout
    assert table.splitlines()[0].split() == ["DENOM", "AMOUNT"]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("query bank balances cosmos1", "invalid address: 'cosmos1' (must be ve1...)"),
        ("query hpc clusters-by-provider alice", "invalid address: 'alice' (must be ve1...)"),
        ("query hpc jobs-by-customer ve1x", "invalid address: 've1x' (must be ve1...)"),
        ("query tx ABC", "invalid transaction hash: 'ABC' must be 64 hex digits, as printed by `provd tx`"),
    ],
)
@SHARED
async def test_what_can_be_nobodys_name(market: Shop, line: str, why: str) -> None:
    """An empty list would read as an answer."""
    error = (await market.run(line)).exception
    assert isinstance(error, ConfigError)
    assert str(error) == why


@SHARED
async def test_a_node_without_an_index(market: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job is told without its reports, and that they are missing; exit code 1."""

    async def none(chain: GrpcChain, job_id: str) -> list[Any]:
        raise Transient("the node cannot search its transactions")

    monkeypatch.setattr(GrpcChain, "reports_of", none)
    result = await market.run("query hpc job JOB-1 -o json")
    document = json.loads(result.stdout)
    assert (document["job"]["job_id"], document["reports"], result.exit_code) == ("JOB-1", None, 1)
    assert "cannot read the reports of JOB-1: the node cannot search" in result.stderr
