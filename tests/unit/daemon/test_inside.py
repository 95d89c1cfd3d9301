"""The daemon as a whole, in this process: what it is made of, and how it ends."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
import structlog

from provider_daemon.chain import messages
from provider_daemon.config.model import Config
from provider_daemon.daemon.app import DRAIN_SECONDS, FINISH_SECONDS, Daemon
from provider_daemon.errors import LedgerError
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ledger.rows import Message, OpenTx
from provider_daemon.metrics.server import CLOSING_SECONDS
from tests.fakes.chain import ALICE, PROVIDER, FakeClock, TestChain, report
from tests.unit.daemons import NO_FILE, PATIENCE, config, free_port, hang


@asynccontextmanager
async def built(settings: Config) -> AsyncIterator[Daemon]:
    """A daemon that ends as soon as it runs."""
    daemon = Daemon(settings, NO_FILE)
    try:
        yield daemon
    finally:
        daemon.stop.set()
        await daemon.run()


async def test_clusters_of_one_key_share_an_outbox(tmp_path: Path) -> None:
    """A key has one sequence, so one loop signs with it, however many clusters it serves; another key has its
    own."""
    async with built(config(tmp_path, 1, {"alpha": "main", "beta": "main", "gamma": "other"})) as daemon:
        names = [loop.name for loop in daemon.loop_set.loops]
    assert sorted(name for name in names if name.startswith("outbox:")) == sorted(
        f"outbox:{key.address}" for key in (PROVIDER, ALICE)
    )
    assert [name for name in names if name.startswith("advance:")] == [
        "advance:alpha",
        "advance:beta",
        "advance:gamma",
    ]
    assert names.count("intake") == 1


async def test_unused_key_has_no_outbox(tmp_path: Path) -> None:
    """A key that no cluster names signs nothing."""
    async with built(config(tmp_path, 1, {"alpha": "main"})) as daemon:
        assert [loop.name for loop in daemon.loop_set.outboxes] == [f"outbox:{PROVIDER.address}"]


async def test_ledger_is_free_again_after_the_end(tmp_path: Path) -> None:
    """A daemon that ended lets the next one in, and no other before."""
    settings = config(tmp_path, 1, {"alpha": "main"})
    async with built(settings):
        with pytest.raises(LedgerError, match="another provd"):
            Daemon(settings, NO_FILE)
    async with built(settings):
        pass


async def test_open_transaction_is_asked_after_on_the_way_out(tmp_path: Path) -> None:
    """What the chain took before the end is known to be taken when the daemon is gone."""
    chain = await TestChain(clock=FakeClock(time.time())).start()
    try:
        await chain.open_shop()
        signed = await chain.signed(PROVIDER, report("queued"))
        sequence = (await chain.client.account(PROVIDER.address)).sequence
        settings = config(tmp_path, chain.devnet.port, {"alpha": "main"})
        with closing(Ledger.open(tmp_path / "ledger.sqlite")) as ledger, ledger.write():
            body = messages.pack(report("queued")).SerializeToString()
            ledger.add_message(PROVIDER.address, Message("report", "JOB-1", body, "queued"), 1.0)
            waiting = ledger.waiting_messages(PROVIDER.address)
            height = chain.devnet.blocks.height + 10
            ledger.add_tx(
                OpenTx(
                    0,
                    PROVIDER.address,
                    signed.tx_hash,
                    signed.tx_bytes,
                    sequence,
                    height,
                    50_000,
                    time.time(),
                ),
                waiting,
            )
        assert (await chain.client.broadcast(signed.tx_bytes)).ok
        chain.block()
        async with built(settings):
            pass
        with closing(Ledger.open(tmp_path / "ledger.sqlite")) as ledger:
            assert ledger.open_tx(PROVIDER.address) is None
            assert ledger.last_txs(1)[0].height > 0
    finally:
        await chain.stop()


async def test_a_tick_that_hangs_does_not_hold_up_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A site that hangs (its file system, its slurmctld) is cut off, as by a kill; systemd need not kill the
    daemon."""
    told: list[str] = []
    monkeypatch.setattr("provider_daemon.systemd.notify", told.append)
    monkeypatch.setattr("provider_daemon.daemon.app.FINISH_SECONDS", 0.1)
    daemon = Daemon(config(tmp_path, free_port(), {"alpha": "main"}), NO_FILE)
    (loop,) = (loop for loop in daemon.loop_set.loops if loop.name == "advance:alpha")
    loop.tick = hang
    with structlog.testing.capture_logs() as lines:
        running = asyncio.create_task(daemon.run())
        async with asyncio.timeout(PATIENCE):
            while not loop.tick_since:
                await asyncio.sleep(0.01)
            daemon.stop.set()
            await running
    assert "advance:alpha" in [line["loop"] for line in lines if line["event"] == "tick_aborted"]
    assert lines[-1]["event"] == "provd_stopped"
    assert told.count("STOPPING=1") == 1


async def test_each_key_is_drained_and_none_for_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One key's chain call that hangs takes no time from another key's open transaction, nor more than the
    drain has."""
    monkeypatch.setattr("provider_daemon.daemon.app.DRAIN_SECONDS", 0.2)
    daemon = Daemon(config(tmp_path, free_port(), {"alpha": "main", "beta": "other"}), NO_FILE)
    asked: list[str] = []
    for loop in daemon.loop_set.outboxes:
        address = loop.name.removeprefix("outbox:")
        with daemon.ledger.write():
            daemon.ledger.add_tx(OpenTx(0, address, f"HASH {address}", b"", 1, 9, 5, 1.0), [])

        async def ask(address: str = address) -> None:
            asked.append(address)
            await hang()

        loop.tick = ask
    daemon.stop.set()
    async with asyncio.timeout(PATIENCE):
        await daemon.run()
    assert sorted(asked) == sorted((PROVIDER.address, ALICE.address))


def test_it_ends_before_systemd_loses_patience() -> None:
    """The unit's TimeoutStopSec leaves room for closing the connections."""
    unit = (Path(__file__).parents[3] / "deploy/systemd/provd.service").read_text()
    (seconds,) = (
        int(line.partition("=")[2]) for line in unit.splitlines() if line.startswith("TimeoutStopSec=")
    )
    assert seconds >= FINISH_SECONDS + DRAIN_SECONDS + CLOSING_SECONDS + 10
