"""The condition of a node.

It is healthy, down, behind, at another height, on another chain, or of another version.
"""

from dataclasses import dataclass, field

from tests.simulation.blocks import View
from tests.simulation.client import CHAIN_ID
from tests.simulation.wire.chain import REMEMBERED, WireBlocks
from tests.simulation.wire.faults import Wire
from tests.simulation.wire.lies import LIES
from tests.simulation.world import World

# seconds that a node is unreachable before it returns in another condition: longer than a client's healthy
# state lasts
AWAY = 6.0
RPCS = ("Job", "Cluster", "Offering")


@dataclass
class Weather:
    """The condition of a node.

    `wired`: the Query RPCs that the node serves; all others are UNIMPLEMENTED. `lie`: what its false answers
    are about, or empty.
    """

    world: World
    wire: Wire
    blocks: WireBlocks
    first: bool  # the endpoint that the daemon queries first
    liar: bool = False  # the one of three that may lie
    chain_id: str = CHAIN_ID
    catching_up: bool = False
    version: str = "1.0"
    wired: frozenset[str] = frozenset()
    lie: str = ""
    _held: View | None = None
    _away_until: float = 0.0
    _until: float = 0.0
    _upgrades: int = field(default=0)

    def __post_init__(self) -> None:
        self._wire_some()

    def unreachable(self) -> bool:
        self._change()
        return self.world.now() < self._away_until

    def view(self) -> View | None:
        """Returns the node's view; None: the newest block."""
        if self.blocks.stuck is not None and self.first and self.world.now() < self.blocks.stuck_until:
            return self.blocks.stuck
        return self._held

    def _change(self) -> None:
        now = self.world.now()
        if now < self._until:
            return
        self.chain_id, self.catching_up, self._held, self.lie = CHAIN_ID, False, None, ""
        if self.liar and (lie := next((lie for lie in LIES if self.wire.strikes(lie)), "")):
            self._begin(f"tells a {lie}", away=0)
            self.lie = lie
            return
        if self.wire.strikes("wire_endpoint_dead"):
            self._begin("is dead", away=self._lasting())
        elif self.wire.strikes("wire_endpoint_catching_up"):
            self._begin("is catching up", away=AWAY, back=self.wire.dice.randint(12, REMEMBERED))
            self.catching_up = True
        elif self.wire.strikes("wire_endpoint_other_chain"):
            self._begin("is on another chain", away=AWAY)
            self.chain_id, self._held = "somebody-elses-1", self.blocks.elsewhere()
        elif self.wire.strikes("wire_endpoint_back"):
            self._begin("has gone back", away=AWAY, back=self.wire.dice.randint(1, 10))
        elif self.wire.strikes("wire_endpoint_lags") or self.world.strikes("lagging_endpoint"):
            self._begin("stands still", away=0, back=self.wire.dice.randint(0, 2))
        elif self.wire.strikes("wire_endpoint_upgraded"):
            self._upgrades += 1
            self.version = f"1.{self._upgrades}"
            self._wire_some()
            self._begin("is upgraded", away=AWAY, seconds=AWAY)

    def _lasting(self) -> float:
        return self.world.broken_for(5, 60)

    def _begin(self, what: str, *, away: float, back: int | None = None, seconds: float = 0) -> None:
        now = self.world.now()
        self._until = now + (seconds or max(away, self._lasting()))
        self._away_until = now + away
        if back is not None:
            self._held = self.blocks.frozen(back)
        self.world.note(
            f"chain: {'the first' if self.first else 'another'} endpoint {what} for {self._until - now:.0f} s"
        )

    def _wire_some(self) -> None:
        """Returns none, some or all Query RPCs, as chains of different versions have them."""
        dice = self.wire.dice
        self.wired = frozenset(dice.choice(((), RPCS, tuple(rpc for rpc in RPCS if dice.random() < 0.5))))
