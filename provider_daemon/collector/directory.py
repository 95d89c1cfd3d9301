"""What operators allow, as the collector last read it in the ledger."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from provider_daemon.collector.answering import rings
from provider_daemon.errors import ProvdError
from provider_daemon.ledger.guest import LedgerGuest
from provider_daemon.node_store.rows import KnownAgent
from provider_daemon.nodes.allowed import AllowedNode, NodeDirectory
from provider_daemon.ports import Clock

REFRESH_SECONDS = 2.0
AGAIN_SECONDS = 1.0  # at least, between two reads because of an unknown node or token


class Directory:
    """A ledger that cannot be read leaves the last reading in use. `problem`: why it cannot be read."""

    def __init__(
        self, ledger: LedgerGuest, clock: Clock, before_use: Callable[[NodeDirectory], Awaitable[None]]
    ) -> None:
        """`before_use` is awaited with each reading before it is used; if it raises, the old one stays."""
        self._ledger, self._clock, self._before_use = ledger, clock, before_use
        self._lock = asyncio.Lock()
        self._tried_at = 0.0
        self.now: NodeDirectory | None = None
        self.problem = ""
        self._rings: Mapping[str, Sequence[AllowedNode]] = {}

    async def refresh(self, older_than: float = 0.0) -> None:
        """Reads the ledger, unless that was tried in the last `older_than` seconds."""
        async with self._lock:
            now = self._clock.now()
            if 0 <= now - self._tried_at < older_than:
                return
            self._tried_at = now
            try:
                found = await asyncio.to_thread(self._ledger.node_directory, now)
                await self._before_use(found)
            except ProvdError as error:
                self.problem = str(error)
            else:
                self.now, self.problem = found, ""

    def trusted(self, agents: Mapping[str, KnownAgent]) -> list[KnownAgent]:
        """Returns the agents whose nodes are allowed, and were not revoked since they registered."""
        found = self.now
        return [each for each in agents.values() if found and found.trusts(each.node_id, each.registered_at)]

    def set_registered(self, registered: Mapping[str, object]) -> None:
        """Computes again which nodes are neighbours."""
        self._rings = rings(self.now.allowed.values(), registered) if self.now else {}

    def ring(self, cluster_id: str) -> Sequence[AllowedNode]:
        return self._rings.get(cluster_id, ())
