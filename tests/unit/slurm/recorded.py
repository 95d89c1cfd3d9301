"""The verbatim answers of three SLURM versions (tests/fixtures/slurm), brought into the form that our own
commands ask for."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from provider_daemon.slurm.commands import SACCT_FIELDS, SACCT_KEY
from tests.unit.slurm import framed

ROOT = Path(__file__).parents[2] / "fixtures" / "slurm"
FILES = sorted(ROOT.glob("*/*.txt"))
_ENTRY = re.compile(r"^\$ (.*?)\n(.*?)^\[exit (\d+)\]$", re.MULTILINE | re.DOTALL)
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")


@dataclass(frozen=True)
class Entry:
    """A command with what it printed."""

    command: str
    output: str
    exit_code: int


def entries(path: Path) -> Iterator[Entry]:
    """Every `$ command` of the file up to its `[exit N]`."""
    return (Entry(command, output, int(code)) for command, output, code in _ENTRY.findall(path.read_text()))


def entry(version: str, name: str, start: str) -> Entry:
    """The last entry of a file whose command begins so."""
    return [found for found in entries(ROOT / version / f"{name}.txt") if found.command.startswith(start)][-1]


def epochs(text: str) -> str:
    """Times as SLURM_TIME_FORMAT=%s would have printed them (the recordings are in UTC)."""
    return _ISO.sub(
        lambda found: str(int(datetime.fromisoformat(found[0]).replace(tzinfo=UTC).timestamp())), text
    )


def sacct(text: str, job: str = "1", name: str = "") -> str:
    """A recorded `sacct -P` table -> the columns that we ask for; columns that were not recorded are filled
    with what means nothing."""
    header, *lines = epochs(text).splitlines()
    columns = header.split("|")
    nothing = {
        "JobIDRaw": job,
        "ExitCode": "0:0",
        "ElapsedRaw": "0",
        "JobName": name,
        "Submit": "Unknown",
        "Start": "Unknown",
        "End": "Unknown",
    }
    made = []
    for line in lines:
        row = nothing | dict(zip(columns, line.split("|"), strict=True))
        made.append("".join(row.get(field, "") + "|" for field in (SACCT_KEY, *SACCT_FIELDS)))
    return framed.sacct("\n".join(made))


def squeue(entry_: Entry, name: str = "x") -> str:
    """A recorded `squeue -h -o` -> the columns of SQUEUE_FIELDS."""
    columns = entry_.command.rpartition(" -o ")[2].split("|")
    made = []
    for line in epochs(entry_.output).splitlines():
        row = dict(zip(columns, line.split("|", len(columns) - 1), strict=True))
        fields = (
            row["%i"],
            row["%T"],
            "N/A",
            row.get("%S", "N/A"),
            row.get("%e", "N/A"),
            row.get("%M", "0:00"),
            "N/A",
            row["%r"],
            row.get("%j", name),
        )
        made.append("".join(f"{field}|" for field in fields))
    return framed.squeue("\n".join(made))
