"""What a batch script does with its job's claim, read from the script's own lines."""

import re
from dataclasses import dataclass

_LINK = re.compile(r"^if ! why=\$\(ln -sT -- (?P<text>\S+) (?P<link>\S+) 2>&1\); then$")
_SETTINGS = ("unset ", "export ")  # lines that run nothing of the site or the customer


@dataclass(frozen=True)
class Script:
    """`claim`: the content of the link that the script makes, "" if it makes none.

    `late`: something of the site or the customer runs before that.
    """

    claim: str
    late: bool


def read(script: str, slurm_id: str) -> Script:
    """Reads the script as the SLURM job of that id runs it."""
    before = False
    for line in script.partition("\n\n")[2].splitlines():
        if found := _LINK.match(line):
            text = found["text"].replace("$SLURM_JOB_ID", slurm_id).replace('"', "").replace("'", "")
            return Script(text, before)
        before = before or not line.startswith(_SETTINGS)
    return Script("", before)
