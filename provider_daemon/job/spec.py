"""What the customer asked for. Never changes after submission; the chain's record is its only source."""

import hashlib
import re
from dataclasses import dataclass

from provider_daemon.job.state import State

_UNSAFE = re.compile(r"[^A-Za-z0-9-]")
_OURS = re.compile(r"ve-[0-9a-f]{12}-(JOB-\d+)")


@dataclass(frozen=True, slots=True)
class Resources:
    """Requested for each of `nodes` nodes. Memory in GiB (SLURM's G), storage in GB for the whole job; 0 means not asked for."""

    nodes: int
    cpus_per_node: int = 0
    memory_gb_per_node: int = 0
    gpus_per_node: int = 0
    gpu_type: str = ""
    storage_gb: int = 0


@dataclass(frozen=True, slots=True)
class Workload:
    """The program: `command` is one program name (argv[0]), `arguments` the rest, exactly as the chain holds them."""

    image: str = ""
    command: str = ""
    arguments: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    working_directory: str = ""
    preconfigured_id: str = ""
    is_preconfigured: bool = False


@dataclass(frozen=True, slots=True)
class Spec:
    """`created_ns` is the chain's created_at in nanoseconds since the epoch."""

    chain_id: str
    job_id: str
    offering_id: str
    cluster_id: str
    provider: str
    customer: str
    queue: str
    workload: Workload
    resources: Resources
    max_runtime_seconds: int
    created_ns: int

    @property
    def slurm_name(self) -> str:
        """The SLURM job name: unique to this chain, job and moment of creation, in [A-Za-z0-9-] only.

        The creation time guards against a chain that started again from genesis under the same chain id: its JOB-1 must not adopt
        the SLURM job of the old JOB-1.
        """
        identity = f"{self.chain_id}\n{self.job_id}\n{self.created_ns}".encode()
        return f"ve-{hashlib.sha256(identity).hexdigest()[:12]}-{_UNSAFE.sub('-', self.job_id)[:40]}"


def named_job(slurm_name: str) -> str:
    """The chain job that a SLURM job name of this form speaks of, on whatever chain; empty for any other name."""
    found = _OURS.fullmatch(slurm_name)
    return found[1] if found else ""


@dataclass(frozen=True, slots=True)
class ChainJob:
    """A job's record on chain: the spec and where the chain says it stands. Times in seconds since the epoch, 0 when unset."""

    spec: Spec
    state: State
    started_at: int = 0
    status_message: str = ""
    exit_code: int = 0
