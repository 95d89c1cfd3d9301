"""Node agents as the collector has heard them: this process writes its database in the collector's place."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from provider_daemon.clock import SystemClock
from provider_daemon.demo.market import CLUSTER
from provider_daemon.node_store.rows import HeardFrom, KnownAgent, Registered
from provider_daemon.node_store.writer import NodeStoreWriter
from provider_daemon.nodes.ids import first_id
from provider_daemon.nodes.report import Registration
from tests.fakes.agents import FINGERPRINT, KEY, gpus, heartbeat

INTERVAL_SECONDS = 3.0
GPUS = 2
CLUSTER_NAME = "demo"  # in provd.toml


@dataclass(slots=True)
class Reporter:
    """One node's agent. `failed`: the GPUs that it reports as failed. `start` needs a running event loop."""

    store: NodeStoreWriter
    host: str
    failed: Sequence[int] = ()
    _task: asyncio.Task[None] | None = field(default=None, init=False)

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.ensure_future(self._report())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self.store.close()

    async def _report(self) -> None:
        clock, node_id, sequence = SystemClock(), first_id(CLUSTER_NAME, self.host), 0
        known = KnownAgent(node_id, CLUSTER, KEY, "ab" * 32, clock.now(), clock.now(), 10)
        beat = replace(heartbeat(self.host), node_id=node_id)
        said = Registration(
            node_id, CLUSTER, "ve1provider", KEY, self.host, FINGERPRINT, "0.1.0", beat.capacity, beat.health
        )
        self.store.apply([Registered(known, said, "nonce", clock.now() + 300)])
        while True:
            sequence += 1
            known = replace(known, seen_at=clock.now(), sequence=sequence)
            beat = replace(beat, sequence_number=sequence, gpus=gpus(GPUS, self.failed))
            self.store.apply([HeardFrom(known, beat)])
            await asyncio.sleep(INTERVAL_SECONDS)


def open_store(directory: Path) -> tuple[NodeStoreWriter, str]:
    """Creates the database, and returns it with the table of provd.toml that names it."""
    path = directory / "agents.sqlite"
    table = f'\n[collector]\nurl = "https://127.0.0.1:1"\npath = "{path}"\n'
    return NodeStoreWriter.open(path), table
