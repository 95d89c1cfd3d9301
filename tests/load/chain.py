"""How many reports fit a transaction, and what one costs in gas on the devnet."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from provider_daemon.job.admission import Image, Site
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.loops.advance import Advance
from provider_daemon.loops.intake import Intake
from provider_daemon.loops.outbox import Outbox, OutboxSettings
from provider_daemon.loops.tenancy import Tenancy
from tests.fakes.chain import ALICE, PROVIDER, TestChain, job
from tests.fakes.scheduler import FakeScheduler

JOBS = 100


async def reports_in_one_transaction(say: Callable[[str], None]) -> None:
    """A hundred jobs become queued at one look: how their reports travel."""
    chain = await TestChain().start()
    await chain.open_shop()
    tenancy = Tenancy("HPC-1", "alpha", PROVIDER, "/work", site=Site(images=(Image("*"),)))
    ledger = Ledger.open(Path(tempfile.mkdtemp()) / "ledger.sqlite")
    advance = Advance(ledger, FakeScheduler(chain.clock), tenancy, chain.clock, lambda: None)
    await advance.tick()  # the ledger is older than the jobs
    for _ in range(JOBS // 10):
        await chain.send(ALICE, *(job() for _ in range(10)), gas_limit=20_000_000, fee=500_000)
    await Intake(ledger, chain.client, {"HPC-1": tenancy}, chain.clock, lambda: None).tick()
    await advance.tick()
    outbox = Outbox(ledger, chain.client, PROVIDER, OutboxSettings(), chain.clock, lambda: None)
    await outbox.tick()
    chain.block()
    await outbox.tick()
    (tx,) = ledger.last_txs(10)
    say(f"reports a transaction: {tx['messages']}, gas a report: {tx['gas_used'] // tx['messages']} (devnet), fee {tx['fee']} uve in all")
    ledger.close()
    await chain.stop()
