"""A site that accepts no submissions for minutes.

It defines sbatch's error texts, and whether sbatch queued the job all the same.
"""

from dataclasses import dataclass

from provider_daemon.ports import SubmissionResult
from provider_daemon.slurm import failures
from provider_daemon.slurm.parse import Submitted
from tests.simulation.world import World

CLOSING = "sbatch: error: Batch job submission failed: "
NOT_QUEUED = (
    f"{CLOSING}I/O error writing script/environment to file",
    f"{CLOSING}Requested nodes are busy",
    f"{CLOSING}Slurm backup controller in standby mode",
    f"{CLOSING}System submissions disabled",
    f"{CLOSING}Required partition not available (inactive or drain)",
    (
        f"sbatch: error: Slurm job queue full, sleeping and retrying {CLOSING}Unable to create job "
        "record, try again"
    ),
)
MAYBE_QUEUED = (
    f"{CLOSING}Protocol authentication error",
    f"{CLOSING}Socket timed out on send/recv operation",
    f"{CLOSING}Unable to contact slurm controller (receive failure)",
    f"{CLOSING}Zero Bytes were transmitted or received",
)


@dataclass
class Outage:
    world: World
    until: float = 0.0
    words: str = ""

    def strikes(self) -> bool:
        """Reports whether sbatch fails now because of the site; then `words` contains its output."""
        if self.world.strikes("site_takes_nothing"):
            self.until = self.world.now() + self.world.broken_for(300, 900)
            self.words = self.world.dice.choice(NOT_QUEUED + MAYBE_QUEUED)
            self.world.note(f"slurm: accepts nothing: {self.words}")
        return self.world.now() < self.until

    def queued_all_the_same(self) -> bool:
        return self.words in MAYBE_QUEUED and self.world.dice.random() < 0.3

    def receipt(self, name: str) -> SubmissionResult:
        """Returns the result as the daemon parses that output."""
        return failures.receipt(Submitted(name, 1, "", self.words))
