"""Rows as people write them (id first, each field ended by the mark) in the form that our own queries get."""

from collections.abc import Sequence

from provider_daemon.slurm.commands import SACCT_FIELDS, SACCT_KEY, SQUEUE_FIELDS, SQUEUE_KEY
from provider_daemon.slurm.tables import columns


def squeue(text: str, mark: str = "|") -> str:
    return _table(text, columns(SQUEUE_KEY, SQUEUE_FIELDS), mark)


def sacct(text: str, mark: str = "|") -> str:
    """A row without a working directory, the field before the last, gets an empty one."""
    lines = [
        f"{line[: line.rindex(mark, 0, -1)]}{mark}{line[line.rindex(mark, 0, -1) :]}"
        if line.endswith(mark) and line.count(mark) == len(SACCT_FIELDS)
        else line
        for line in text.splitlines()
    ]
    return _table("\n".join(lines), columns(SACCT_KEY, SACCT_FIELDS), mark)


def _table(text: str, columns: Sequence[str], mark: str) -> str:
    header = "".join(f"{name.upper()}{mark}" for name in columns)
    return "\n".join([header, *(_row(line, mark) for line in text.splitlines() if line)]) + "\n"


def _row(line: str, mark: str) -> str:
    """A line without a mark is left as it is; one that is cut short has no second id at its end."""
    key, found, rest = line.partition(mark)
    return (
        f"{key}{mark}{key}{mark}{rest}{key}{mark}"
        if found and rest.endswith(mark)
        else f"{key}{mark}{line}"
        if found
        else line
    )
