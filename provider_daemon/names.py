"""The patterns of names that sites give to accounts, partitions, users and directories.

A matching name is safe in a `#SBATCH` line, as a line on a program's stdin and as one word of a command line.
It has no blank, quote, control character or other character that a shell, sbatch or a path pattern (`%j`)
interprets, and does not begin with `-`.
"""

import re

_SLURM = r"[A-Za-z0-9_@+.][A-Za-z0-9_@+.-]*"
_WORD = r"[A-Za-z0-9_][A-Za-z0-9_.+-]*"

SLURM_NAME = rf"^({_SLURM})?$"
PARTITIONS = rf"^({_SLURM}(,{_SLURM})*)?$"
USER = rf"^({_WORD}\\)?{_WORD}(@[A-Za-z0-9][A-Za-z0-9.-]*)?$"
PATH = r"^/[A-Za-z0-9/_.@+=-]*$"
HOST = r"^(\[[0-9A-Fa-f:.]+(%[A-Za-z0-9_.-]+)?\]|[A-Za-z0-9_:][A-Za-z0-9_.:%-]*)$"

CONFIG_FILE = "/etc/provd/provd.toml"
"""Of the packages' daemon, and of commands without -c."""

PRINCIPAL = "provd"
"""The principal in the SSH certificates of provd's logins."""

_CHARACTERS = "letters, digits, '.', '_', '@', '+' and '-'"
SHAPES = {
    SLURM_NAME: f"must be {_CHARACTERS}, and not begin with '-'",
    PARTITIONS: (
        f"must be partition names separated by commas: each of {_CHARACTERS}, and not beginning with '-'"
    ),
    USER: "must be a user name; DOMAIN\\user and user@realm are allowed",
    PATH: "must be an absolute path of letters, digits, '.', '_', '@', '+', '=' and '-'",
    HOST: "must be a host name or address",
}
"""pattern -> error message for a value that does not match"""


def matches(pattern: str, value: str) -> bool:
    """Returns whether the whole value matches: `$` alone would accept a final line break."""
    return re.fullmatch(pattern.removesuffix("$"), value) is not None
