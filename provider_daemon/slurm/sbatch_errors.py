"""Every error message of sbatch and its meaning for the job, from sbatch_errors.tsv. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources

from provider_daemon.job.site_trouble import SiteTrouble

FAILED = "Batch job submission failed: "
SBATCH, LIBC = "sbatch", "libc"


class Class(StrEnum):
    REFUSED = "refused"
    DEFERRED = "deferred"
    UNSURE = "unsure"
    UNRELATED = "unrelated"


@dataclass(frozen=True, slots=True)
class Known:
    """`trouble` is set for deferred and unsure messages; `versions` are SLURM releases, SBATCH or LIBC."""

    kind: Class
    trouble: SiteTrouble | None
    versions: tuple[str, ...]
    message: str

    @property
    def key(self) -> str:
        """The message without the explanation in brackets, which changes between releases."""
        return self.message.partition(" (")[0]


@cache
def table() -> dict[str, Known]:
    """Returns the known messages by their text."""
    text = resources.files("provider_daemon.slurm").joinpath("sbatch_errors.tsv").read_text()
    rows = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
    return {
        message: Known(
            Class(kind), None if trouble == "-" else SiteTrouble(trouble), tuple(versions.split()), message
        )
        for kind, trouble, versions, message in rows
    }


def find(stderr: str) -> Known | None:
    """Returns the known message in sbatch's final line or, if there is no such line, anywhere in stderr."""
    _, failed, last = stderr.rpartition(FAILED)
    if failed:
        found = [known for known in table().values() if last.startswith(known.key)]
    else:
        found = [known for message, known in table().items() if _stands_alone(known) and message in stderr]
    return max(found, key=lambda known: len(known.message), default=None)


def _stands_alone(known: Known) -> bool:
    return known.versions in ((SBATCH,), (LIBC,)) or known.kind is Class.UNSURE
