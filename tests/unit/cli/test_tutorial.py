"""The tutorial of docs/customers.md, typed from an empty directory to results on disk."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from provider_daemon.cli import customer
from provider_daemon.client.session import chain_at
from tests.fakes.chain import ALICE, BOB
from tests.unit.cli.shop import CHAIN_ID, Shop, example, shop
from tests.unit.cli.test_submit import BEGUN, in_thread, sent, signed
from tests.unit.client.far_end import REAL_TIME, FarEnd, manifest_of, served
from tests.unit.docs import page

RESULTS = {"output.txt": b"hello from the cluster\n", "error.txt": b"", "counts.txt": b"1 1\n"}
TUTORIAL = page("customers.md").split("## Tutorial")[1].split("\n## ")[0]
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TUTORIAL, re.MULTILINE | re.DOTALL)
FILES = ("hello.yaml", "word-count.yaml")


def typed() -> list[str]:
    """Every command of the tutorial, in order."""
    return [line for kind, text in BLOCKS if kind == "sh" for line in text.splitlines()]


@asynccontextmanager
async def provider(market: Shop) -> AsyncIterator[None]:
    """Runs every job of the chain, one after the other."""

    async def serve() -> None:
        async with chain_at([market.env["PROVD_NODE"]], CHAIN_ID) as chain:
            for number in (1, 2):
                while await chain.query.job(f"JOB-{number}") is None:
                    await asyncio.sleep(0.01)
                for message in (*BEGUN, signed(RESULTS)):
                    await sent(chain, message, f"JOB-{number}")

    serving = asyncio.create_task(serve())
    try:
        yield
    finally:
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving


async def test_the_tutorial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """bob's key and the chain are there already; everything else is what the page says."""
    monkeypatch.setattr(customer, "POLL_SECONDS", 0.02)
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    monkeypatch.chdir(work)
    for name, text in zip(FILES, [text for kind, text in BLOCKS if kind == "yaml"], strict=True):
        Path(name).write_text(text)
    Path("words.txt").write_text("the\njob\n")
    Path("stop-words.txt").write_text("the\n")
    far_end = FarEnd(RESULTS, manifest_of(RESULTS), customer=BOB, provider=ALICE.address, chain_id=CHAIN_ID)
    far_end.now, far_end.jobs = REAL_TIME, ("JOB-1", "JOB-2")
    async with shop(home, block_seconds=0.1) as market, served(far_end) as url, provider(market):
        for name in ("register-cluster", "update-cluster", "create-offering"):
            await market.done(example("tx", name))
        market.env.update(PROVD_FROM="bob", PROVD_GATEWAY=url)
        lines = [line for line in typed() if line.startswith("provd ") and "keys add" not in line]
        assert [line.split()[1] for line in lines] == ["query", "submit", "submit"]
        for line in lines:
            result = await in_thread(partial(market.invoke, line.removeprefix("provd "), "y\n"))
            assert result.exit_code == 0, (line, result.output, result.exception)
    for directory in ("JOB-1", "results"):
        assert {path.name: path.read_bytes() for path in (work / directory).iterdir()} == RESULTS
    assert len(far_end.uploads) == 3  # words.txt, stop-words.txt and run.sh


def test_what_else_is_typed() -> None:
    """Of the shell only what the test above prepares."""
    others = [line for line in typed() if not line.startswith("provd ")]
    assert others == [
        "export PROVD_NODE=chain.example.org:9090 PROVD_CHAIN_ID=virtengine-localnet-1 PROVD_FROM=bob",
        r"printf '%s\n' the job and the node > words.txt",
        r"printf '%s\n' and the > stop-words.txt",
    ]
