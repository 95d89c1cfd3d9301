"""The claim, which makes a job run at most once, whoever submits it how often.

Before anything of the site or the customer runs, the batch script links the job's name to its own SLURM job:
`<root>/.provd-claims/<job name>` -> `<SLURM job id>:<name of its directory>`. Making a link is atomic and
fails if there is one, also on a shared file system. A SLURM job without the claim ends at once: with CLAIMED
if another one has it, with UNCLAIMED if it could not be made. A SLURM job that is requeued keeps its id and
directory, and with them its claim. SLURM may assign an id again; a directory is never used twice.

A customer's program may end with the same codes, so the link decides what they mean.
"""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

CLAIMED = 90  # exit code of a SLURM job whose job another SLURM job has claimed
UNCLAIMED = 91  # exit code of a SLURM job that could not make the claim
CODES = (CLAIMED, UNCLAIMED)
CLAIMS = ".provd-claims"

_LINK = re.compile(r"([1-9][0-9]{0,18}):([A-Za-z0-9._-]+)")


@dataclass(frozen=True, slots=True)
class Claim:
    """The SLURM job that has claimed a job, and the absolute path of its directory; "" if the link is odd."""

    slurm_id: str
    directory: str


def claims_directory(root: str) -> str:
    """Returns the directory of the claims of all jobs whose directories are directly below `root`."""
    return f"{root.rstrip('/')}/{CLAIMS}"


def root_of(directory: str) -> str:
    """Returns the directory above a job's directory."""
    return str(PurePosixPath(directory).parent)


def read_claim(link: str, name: str, root: str) -> Claim:
    """Parses the content of a link. One that provd cannot have written names no SLURM job.

    Only a directory of the job itself is returned: results are read from it.
    """
    found = _LINK.fullmatch(link)
    if found is None or found[2].partition(".")[0] != name:
        return Claim("", "")
    return Claim(found[1], f"{root.rstrip('/')}/{found[2]}")
