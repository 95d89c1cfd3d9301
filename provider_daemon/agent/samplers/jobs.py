"""Which SLURM jobs run on this node, without asking SLURM.

A slurmstepd listens on a socket `<SlurmdSpoolDir>/<node>_<job>.<step>` while its step runs (docs/agent.md,
'What is measured'). Jobs of other nodes are not here, and slurmctld is not asked.
"""

import re
from collections import deque

from provider_daemon.nodes.report import JobCounts

DAY = 86_400
MAX_IDS = 1024  # as many as a heartbeat may name
_MAX_ENDED = 100_000


class JobSampler:
    """Counts the jobs that ended while the agent runs, so it is made once."""

    def __init__(self, node_name: str, spool: str) -> None:
        self._name = re.compile(re.escape(f"{spool.rstrip('/')}/{node_name}_") + r"(\d+)\.\d+(?:\.\d+)?")
        self._running: frozenset[int] = frozenset()
        self._ended: deque[float] = deque(maxlen=_MAX_ENDED)

    def sample(self, listening: frozenset[str], now: float) -> JobCounts:
        """`listening`: paths of the Unix sockets that somebody listens on. `now`: seconds since the epoch."""
        found = frozenset(int(match[1]) for path in listening if (match := self._name.fullmatch(path)))
        self._ended.extend([now] * len(self._running - found))
        self._running = found
        while self._ended and self._ended[0] < now - DAY:
            self._ended.popleft()
        return JobCounts(
            running_count=len(found),
            completed_24h=len(self._ended),
            active_job_ids=tuple(map(str, sorted(found)[:MAX_IDS])),
        )

    @property
    def running(self) -> frozenset[int]:
        return self._running
