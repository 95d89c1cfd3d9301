"""What the data mover has done for a job, as far as the job's life cycle depends on it."""

from dataclasses import dataclass
from enum import StrEnum


class InputState(StrEnum):
    """The state of a job's inputs. FAILED is final: its detail is what the customer reads."""

    WAITING = "waiting"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Results:
    """The results as listed in the manifest. `root`: SHA-256 of the manifest in hex; `bytes` of all files."""

    root: str
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Transfer:
    """`staged`: the directory at the site with the inputs, "" without inputs.

    `bytes_in` and `bytes_out`: bytes moved over the network for the job, so far. `settled`: the manifest is
    made and a delivery, if one was requested, has ended: the final report can be sent. `results` is None
    until there is a manifest. `over_quota`: why a running job must be ended, "" if it need not. The integral
    of the size of the job's directory over the time of the job, `storage_byte_seconds`, is final when the
    job is settled. `image`: the digest of its image, once that is in the site's cache; `image_refusal`: why
    it never will be.
    """

    inputs: InputState = InputState.READY
    detail: str = ""
    staged: str = ""
    bytes_in: int = 0
    bytes_out: int = 0
    settled: bool = False
    results: Results | None = None
    over_quota: str = ""
    storage_byte_seconds: int = 0
    image: str = ""
    image_refusal: str = ""
