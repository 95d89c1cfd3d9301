"""Who is asking, and what the login permits."""

from dataclasses import dataclass
from enum import Enum


class Right(Enum):
    STATUS = "status"  # the list of jobs, one job's facts, its manifest
    FILES = "files"  # log, files, archive
    UPLOAD = "upload"  # inputs
    DELEGATE = "delegate"  # make a link to one job


ALL = frozenset(Right)
READ_ONLY = frozenset({Right.STATUS, Right.FILES})


@dataclass(frozen=True, slots=True)
class Scope:
    """What a login permits. `job_id` limits it to one job; "" stands for all jobs of the account."""

    rights: frozenset[Right]
    job_id: str = ""

    def allows(self, right: Right, job_id: str = "") -> bool:
        """Reports whether the right covers that job. `job_id` "" is a request that names no job."""
        return right in self.rights and self.job_id in ("", job_id)


@dataclass(frozen=True, slots=True)
class Identity:
    """An authenticated customer. `expires_at`: when the login ends, in seconds since the epoch."""

    address: str
    scope: Scope
    expires_at: int


@dataclass(frozen=True, slots=True)
class Audience:
    """What a login must be made for: this gateway, on this chain, of these providers' accounts."""

    url: str
    chain_id: str
    providers: frozenset[str]

    @property
    def claim(self) -> str:
        """Returns the `aud` claim: the URL without a final slash, `#`, and the chain id."""
        return f"{self.url.rstrip('/')}#{self.chain_id}"
