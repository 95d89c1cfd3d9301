"""Faults of a network only, in addition to the faults of both modes (world.FAULTS)."""

import random
from dataclasses import dataclass, field

from tests.simulation.world import World

# Fault -> its maximum chance at each point where it can occur. Each schedule has some of them, at its own
# share of that chance.
SLURM: dict[str, float] = {
    # the connection to the login node
    "wire_stdout_cut": 0.10,  # at any byte, without an exit code
    "wire_exit_code_lost": 0.10,  # every byte arrived, the exit code did not
    "wire_stdout_cut_unnoticed": 0.03,  # at any byte, with exit code 0
    "wire_no_channel": 0.08,
    "wire_greeting": 0.10,  # the login prints before the program does
    "wire_warnings": 0.20,  # on stderr of a healthy program
    "wire_program_killed": 0.04,  # by coreutils' timeout, in the middle of its output
    # SLURM's output
    "wire_trouble": 0.08,  # one of many temporary errors, with an exit code
    "wire_sick": 0.03,  # for a while every second program fails this way
    "wire_slurmdbd_dies": 0.08,  # in the middle of sacct's rows
    "wire_exit_0_failure": 0.04,  # squeue finds no such user: a header, no rows, exit code 0
    "wire_query_range": 0.9,  # always: slurmdbd answers for one day at a time
    "wire_no_header": 0.03,  # no output at all, and exit code 0
    "wire_banner_before": 0.10,  # a wrapper's output around the rows, some without a line break
    "wire_banner_between": 0.10,
    "wire_banner_after": 0.10,
    "wire_sbatch_banner": 0.10,
    "wire_answer_line_lost": 0.15,  # of one order in a submission
    "wire_sbatch_socket_timeout": 0.10,  # queued all the same
    "wire_other_cluster_id": 0.20,  # sbatch --parsable prints `id;cluster`
}
CHAIN: dict[str, float] = {
    "wire_endpoint_dead": 0.02,
    "wire_endpoint_catching_up": 0.02,
    "wire_endpoint_other_chain": 0.02,
    "wire_endpoint_back": 0.02,
    "wire_endpoint_lags": 0.05,
    "wire_endpoint_upgraded": 0.02,  # another version, other RPCs available
    "wire_deadline": 0.03,
    "wire_stream_broken": 0.03,  # INTERNAL
    "wire_busy": 0.03,  # RESOURCE_EXHAUSTED
    "wire_protobuf_cut": 0.05,
    "wire_height_pruned": 0.05,  # the store answers code 0, no value, and a log
    # false answers of one of three nodes for a while, where two must agree (lies.py)
    "lie_height": 0.1,
    "lie_height_step": 0.1,
    "lie_cancel": 0.1,
    "lie_completion": 0.1,
    "lie_sequence": 0.1,
    "lie_inclusion": 0.1,
    "lie_withheld": 0.1,
    "lie_swallowed": 0.1,
}


@dataclass
class Wire:
    """The faults of one schedule's one or two faulty sides, with separate dice.

    A call on the chain's side consists of several on the wire: if both sides were faulty in every schedule,
    few jobs would get far.
    """

    world: World
    dice: random.Random = field(init=False)
    slurm_is_bad: bool = field(init=False)
    chain_is_bad: bool = field(init=False)
    chances: dict[str, float] = field(init=False)

    def __post_init__(self) -> None:
        dice = self.dice = random.Random(f"wire {self.world.seed}")
        self.slurm_is_bad, self.chain_is_bad = dice.choice(
            ((True, False), (True, False), (False, True), (True, True))
        )
        faults = (SLURM if self.slurm_is_bad else {}) | (CHAIN if self.chain_is_bad else {})
        chosen = dice.sample(sorted(faults), dice.randint(2, len(faults)))
        self.chances = {fault: faults[fault] * dice.uniform(0.2, 1) for fault in chosen} | self._always()

    def _always(self) -> dict[str, float]:
        """Returns the faults that a wrong version meets in every schedule, with their chances.

        See tests.simulation.mutants.
        """
        return {}

    def slurm_strikes(self, fault: str) -> bool:
        """Reports whether a fault of both modes, which can hit either side, happens here."""
        return self.slurm_is_bad and self.world.strikes(fault)

    def chain_strikes(self, fault: str) -> bool:
        return self.chain_is_bad and self.world.strikes(fault)

    def strikes(self, fault: str) -> bool:
        """Reports whether this fault happens here. Always false once the schedule is calm."""
        chance = self.chances.get(fault)
        if chance is None or self.world.calm or self.dice.random() >= chance:
            return False
        self.world.deeds[fault] += 1
        return True
