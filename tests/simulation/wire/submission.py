"""The remote side of a submission.

It parses the payload as commands.SUBMIT does, and every order gets its answer line.
"""

import re
from dataclasses import dataclass

from provider_daemon.slurm.commands import ANSWER, NO_INPUTS
from tests.simulation.wire.slurm import Slurm

WHY_BYTES = 800


@dataclass(frozen=True)
class Spooled:
    """One order as it arrived."""

    name: str
    directory: str
    inputs: str
    script: bytes


class Submission:
    """A submission.

    Nothing is submitted unless the payload is complete: header lines, a dot, the scripts, a dot.
    """

    def __init__(self, payload: bytes, slurm: Slurm) -> None:
        self._slurm = slurm
        self.orders = _spooled(payload)

    def run(self) -> list[str]:
        """Returns the answer lines, in the order of submission."""
        return [self.line(order) for order in self.orders]

    def line(self, order: Spooled) -> str:
        said = self._slurm.sbatch(order.script, order.directory, order.inputs)
        why = " ".join(said.stderr[-WHY_BYTES:].split()) if said.exit_code else ""
        return f"{ANSWER} {order.name} {said.exit_code} {_slurm_id(said.stdout)} {why}\n"


def _slurm_id(stdout: str) -> str:
    """Returns the only line that is an id, as the remote shell does."""
    found = re.findall(r"^[0-9]+(?:;[A-Za-z0-9._-]+)?$", stdout, re.MULTILINE)
    return found[0] if len(found) == 1 else "?"


def _spooled(payload: bytes) -> list[Spooled]:
    headers: list[tuple[str, int, str, str]] = []
    while True:
        line, _, payload = payload.partition(b"\n")
        if line == b".":
            break
        name, size, directory, inputs = line.decode().split(" ")
        headers.append((name, int(size), directory, "" if inputs == NO_INPUTS else inputs))
    orders = []
    for name, length, directory, inputs in headers:
        orders.append(Spooled(name, directory, inputs, payload[:length]))
        payload = payload[length:]
    assert payload == b".\n", "the payload does not end where its headers say"
    return orders
