"""Checks that a launcher cannot parse a customer's argument as one of its options. Pure.

Launchers (bwrap, srun, mpirun, apptainer, ch-run with `--`, env, timeout) read options up to the first other
word. That is the program's name, so it must not look like an option. The words after it are data, except for
a single `:`: srun and the MPI launchers read options again after it.
"""

import re
from collections.abc import Sequence

SEPARATOR = ":"
SHELLS = frozenset({"sh", "bash", "dash", "ksh", "zsh", "su", "env", "python", "python3", "perl"})
# an option of a shell whose value is executed
TEXT_FOLLOWS = re.compile(r"-[a-z]*[cSe]|--command|--split-string|--session-command")


def unsafe_word(argv: Sequence[str], *, launched: bool) -> str:
    """Returns an error message for the customer, or ''. `launched`: a launcher starts the program."""
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
