"""When the endpoint in use lies, and about what.

Each lie lasts for a while, across restarts of the daemon.
"""

from dataclasses import dataclass, field

from tests.simulation.world import World

# between two lies of one kind, in which the endpoint returns the truth
REST_SECONDS = 60.0


@dataclass
class FalseAnswers:
    """The lies. `until`: fault -> the moment at which its lie ends or ended, in seconds since the epoch."""

    world: World
    until: dict[str, float] = field(default_factory=dict)

    def given(self, fault: str) -> bool:
        now, until = self.world.now(), self.until.get(fault, 0.0)
        if now < until:
            return True
        if now < until + REST_SECONDS or not self.world.strikes(fault):
            return False
        self.until[fault] = now + self.world.broken_for(1, 90)
        self.world.note(f"chain: {fault} for {self.until[fault] - now:.0f} s")
        return True
