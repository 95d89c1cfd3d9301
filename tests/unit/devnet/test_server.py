"""The devnet as a process: its one file, its port, its one line."""

import asyncio
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from provider_daemon.chain import keyspace
from provider_daemon.chain.proto.cosmos.bank.v1beta1.bank_pb2 import MsgSend
from provider_daemon.devnet import bank
from provider_daemon.devnet.archive import Archive
from provider_daemon.devnet.context import ChainRules
from provider_daemon.devnet.genesis import parse_funds, parse_identities
from provider_daemon.devnet.server import Devnet
from provider_daemon.errors import ConfigError
from tests.fakes.chain import ALICE, BOB, PROVIDER, TestChain, job, report


async def test_everything_resumes(tmp_path: Path) -> None:
    """State, transactions, escrow and the tally of a half-done job: a devnet that is started again settles it
    as if nothing had been."""
    path = str(tmp_path / "chain.sqlite")
    first = await TestChain(path=path).start()
    await first.open_shop()
    await first.send(ALICE, job())
    sent = await first.send(PROVIDER, report("queued"), report("running"))
    kept = list(first.devnet.blocks.state.scan(keyspace.HPC_STORE, b""))
    await first.stop()
    second = await TestChain(path=path, clock=first.clock).start()
    assert list(second.devnet.blocks.state.scan(keyspace.HPC_STORE, b"")) == kept
    assert await second.client.find(sent.tx_hash) == sent
    assert await second.client.find_by_sequence(PROVIDER.address, 1) == sent
    second.block(seconds=700)
    found = await second.client.job("JOB-1")
    assert found is not None
    assert found.state == "timeout"
    assert await second.client.balance(bank.ESCROW_ADDRESS, "uvirt") == 0
    await second.stop()


async def test_what_waits_is_forgotten(tmp_path: Path) -> None:
    """A restarted node has an empty mempool: senders must send again, and can."""
    path = str(tmp_path / "chain.sqlite")
    first = await TestChain(path=path).start()
    waiting = await first.signed(
        ALICE, MsgSend(from_address=ALICE.address, to_address=BOB.address), timeout_height=0
    )
    assert (await first.client.broadcast(waiting.tx_bytes)).ok
    await first.stop()
    second = await TestChain(path=path, clock=first.clock).start()
    assert await second.client.find(waiting.tx_hash) is None
    assert (await second.client.broadcast(waiting.tx_bytes)).ok
    second.block()
    assert await second.client.find(waiting.tx_hash) is not None
    await second.stop()


async def test_a_block_that_cannot_be_made_ends_the_devnet() -> None:
    """A chain that stands still without a word would be worse."""
    devnet = Devnet(block_seconds=0.01)
    await devnet.start()
    devnet.blocks.produce = None  # type: ignore[assignment]
    with pytest.raises(TypeError):
        await devnet.made_blocks_until(asyncio.Event())
    await devnet.stop()


async def test_a_halted_chain_answers_and_makes_no_block() -> None:
    """Halted, its newest block stays; let go on, it makes the next one."""
    devnet = Devnet(block_seconds=0.01)
    await devnet.start()
    devnet.halt()
    height = devnet.blocks.height
    await asyncio.sleep(0.1)
    assert devnet.blocks.height == height
    devnet.resume()
    async with asyncio.timeout(10):
        while devnet.blocks.height == height:
            await asyncio.sleep(0.01)
    await devnet.stop()


async def test_funds_are_given_once(tmp_path: Path) -> None:
    """In the first block of a new chain, not again at every start."""
    path, funds = str(tmp_path / "chain.sqlite"), {ALICE.address: {"uve": 5}}
    for _ in range(2):
        devnet = Devnet(path=path, funds=funds)
        await devnet.start()
        assert bank.balance(devnet.blocks.state, ALICE.address, "uve") == 5
        await devnet.stop()


async def test_another_chains_file(tmp_path: Path) -> None:
    """Is refused, not mixed up."""
    path = str(tmp_path / "chain.sqlite")
    devnet = Devnet(path=path, rules=ChainRules(chain_id="one"))
    await devnet.start()
    await devnet.stop()
    with pytest.raises(ConfigError, match="holds chain 'one', not 'two'"):
        await Devnet(path=path, rules=ChainRules(chain_id="two")).start()


def test_a_file_in_use(tmp_path: Path) -> None:
    """Two devnets on one file are refused."""
    path = str(tmp_path / "chain.sqlite")
    first = Archive(path)
    with pytest.raises(ConfigError, match="locked"):
        Archive(path)
    first.close()


async def test_a_port_in_use() -> None:
    """One clear line."""
    first = Devnet()
    port = await first.start()
    with pytest.raises(ConfigError, match="cannot listen on"):
        await Devnet(listen=f"127.0.0.1:{port}").start()
    await first.stop()


def test_funds_as_written() -> None:
    """ADDRESS=AMOUNTDENOM,AMOUNTDENOM; every mistake is named."""
    assert parse_funds([f"{ALICE.address}=5uve,6uvirt"]) == {ALICE.address: {"uve": 5, "uvirt": 6}}
    with pytest.raises(ConfigError) as caught:
        parse_funds(["x=5uve", f"{BOB.address}=uve"])
    assert len(caught.value.problems) == 2


def test_identities_as_written() -> None:
    """ADDRESS=SCORE, 0 to 100; every mistake is named."""
    assert parse_identities([f"{ALICE.address}=70"]) == {ALICE.address: 70}
    with pytest.raises(ConfigError) as caught:
        parse_identities(["x=5", f"{BOB.address}=101", f"{BOB.address}=much"])
    assert len(caught.value.problems) == 3


def test_one_line_then_serves_until_told_to_stop(tmp_path: Path) -> None:
    """`provd devnet start` says where it serves, makes blocks, and ends cleanly on SIGTERM."""
    command = [sys.executable, "-c", "from provider_daemon.cli.app import main; main()", "devnet", "start"]
    arguments = [
        "--home",
        str(tmp_path / "devnet"),
        "--listen",
        "127.0.0.1:0",
        "--rest",
        "127.0.0.1:0",
        "--fund",
        f"{ALICE.address}=5uve",
    ]
    with subprocess.Popen(
        [*command, *arguments], stdout=subprocess.PIPE, text=True, env={"PYTHONUNBUFFERED": "1"}
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        with urllib.request.urlopen(
            f"http://{line.split('REST on ')[1].split()[0]}/virtengine/hpc/v1/params"
        ) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
        assert process.stdout.read() == ""
    served = (
        r"devnet \S+ serves gRPC on 127\.0\.0\.1:\d+ and REST on 127\.0\.0\.1:\d+ at height 1, file "
        r".*chain\.sqlite\n"
    )
    assert re.fullmatch(served, line)
