"""Which latency an agent measures next, and what it has measured. Pure (docs/agent.md, 'Sampling')."""

from math import inf

from provider_daemon.agent import pace
from provider_daemon.node_protocol.answer import Neighbour
from provider_daemon.nodes.report import Latency, LatencyMeasurement

MAX_NEIGHBOURS = 16
MAX_ID = 128  # characters of a node id, as the collector accepts them


class Neighbours:
    """The nodes that the collector names."""

    def __init__(self) -> None:
        self._targets: tuple[Neighbour, ...] = ()
        self._measured: dict[Neighbour, tuple[float, LatencyMeasurement]] = {}

    def replace(self, named: tuple[Neighbour, ...]) -> None:
        """Accepts the newest list; what was measured of those that remain is kept."""
        self._targets = tuple(filter(_is_usable, named[:MAX_NEIGHBOURS]))
        self._measured = {each: held for each, held in self._measured.items() if each in self._targets}

    def due(self, now: float, cpu_percent: int, *, changed: bool) -> Neighbour | None:
        """Returns the one that has waited longest, if it is due. `now`: seconds that only grow."""
        if not self._targets:
            return None
        longest = min(self._targets, key=self._at)
        wait = pace.seconds(pace.LATENCY, cpu_percent, changed=changed)
        return longest if now - self._at(longest) >= wait else None

    def record(self, target: Neighbour, now: float, measurement: LatencyMeasurement) -> None:
        self._measured[target] = (now, measurement)

    def latency(self, collector_us: int) -> Latency:
        """Returns the newest measurements; the mean is that of the neighbours that answered."""
        found = tuple(measurement for _, measurement in self._measured.values())
        answered = [each.latency_us for each in found if each.packet_loss_percent < 100]
        return Latency(
            measurements=found,
            gateway_latency_us=collector_us,
            avg_cluster_latency_us=sum(answered) // len(answered) if answered else 0,
        )

    def _at(self, target: Neighbour) -> float:
        return self._measured[target][0] if target in self._measured else -inf


def _is_usable(neighbour: Neighbour) -> bool:
    """Its id will stand in a heartbeat, which the collector would refuse as a whole."""
    return neighbour.node_id.isprintable() and 0 < len(neighbour.node_id) <= MAX_ID
