"""No word of a customer is ever an option of what launches it: the rule for an argument vector behind any
launcher. Pure.

Launchers (bwrap, srun, mpirun, apptainer, ch-run with `--`, env, timeout) read options up to their first
other word: that is the program's name, so it must not look like one. What follows is data, except for a `:`
alone: srun and the MPI launchers read options again behind it."""

import re
from collections.abc import Sequence

SEPARATOR = ":"
SHELLS = frozenset({"sh", "bash", "dash", "ksh", "zsh", "su", "env", "python", "python3", "perl"})
# an option of theirs whose value they run
TEXT_FOLLOWS = re.compile(r"-[a-z]*[cSe]|--command|--split-string|--session-command")


def unsafe_word(argv: Sequence[str], *, launched: bool) -> str:
    """An error message for the customer, or ''. `launched`: a launcher of the site starts the program."""
    program = argv[0] if argv else ""
    if not program or "=" in program:
        return (
            f"invalid command {program!r}: must be one program name without '='; put its arguments into "
            "`arguments`"
        )
    if program.startswith("-"):
        return (
            f"invalid command {program!r}: a program name cannot begin with '-'; put its options into "
            "`arguments`"
        )
    if launched and SEPARATOR in argv:
        return (
            "an argument ':' is not allowed, because srun and mpirun start another program after it: "
            "put the command line into a script"
        )
    return ""
