"""The exit status of `provd submit`: the job's own exit code where it has one. Pure.

The numbers above 120 follow timeout(1) and container tools, so that scripts can tell them from a program's.
"""

from dataclasses import dataclass
from enum import IntEnum

from provider_daemon.job.state import State


class Exit(IntEnum):
    """The statuses that are not the program's."""

    NOTHING = 2  # the answer at the prompt was no: nothing was submitted
    UNVERIFIED = 121  # the job completed, but its results are missing, incomplete or do not verify
    REFUSED = 122  # the chain, the provider or SLURM refused the job: it never ran
    CANCELLED = 123
    TIMED_OUT = 124
    UNKNOWN = 125  # provd failed: the job was not submitted, or its end is not known
    NO_CODE = 126  # the job failed without an exit code of its own
    DETACHED = 130  # Ctrl-C: the job continues


@dataclass(frozen=True, slots=True)
class Ended:
    """A job's end, as the chain records it. `ran`: it has a start time."""

    state: State
    exit_code: int = 0
    ran: bool = True
    message: str = ""


def exit_status(ended: Ended) -> int:
    """Returns the exit status for a job in a terminal state."""
    match ended.state:
        case State.COMPLETED:
            return 0
        case State.CANCELLED:
            return Exit.CANCELLED
        case State.TIMEOUT:
            return Exit.TIMED_OUT
        case State.FAILED if not ended.ran:
            return Exit.REFUSED
        case State.FAILED:
            return ended.exit_code if 1 <= ended.exit_code <= 255 else Exit.NO_CODE
        case _:
            return Exit.UNKNOWN
