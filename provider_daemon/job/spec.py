"""The customer's request. It never changes after submission; the chain's record is its only source."""

from dataclasses import dataclass, replace

from provider_daemon.job.references import DataReference
from provider_daemon.job.state import State
from provider_daemon.text import cut

MAX_NAME = 100  # bytes kept of an image's or program's name if the job will never run


@dataclass(frozen=True, slots=True)
class Resources:
    """Resources for each of `nodes` nodes.

    Memory in GiB (SLURM's G); storage in GB per job; 0: not requested.
    """

    nodes: int
    cpus_per_node: int = 0
    memory_gb_per_node: int = 0
    gpus_per_node: int = 0
    gpu_type: str = ""
    storage_gb: int = 0


@dataclass(frozen=True, slots=True)
class Workload:
    """The program, as on chain: `command` is one program name (argv[0]), `arguments` are the rest."""

    image: str = ""
    command: str = ""
    arguments: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    working_directory: str = ""
    preconfigured_id: str = ""
    is_preconfigured: bool = False


@dataclass(frozen=True, slots=True)
class Spec:
    """The request of one job. `created_ns` is the chain's created_at in nanoseconds since the epoch.

    `data` are its inputs besides `inputs_pointer`; `outputs_pointer` is where the results are delivered.
    `digest`: SHA-256 of the whole request, including what is not stored here (chain/spec_digest.py); "" in a
    ledger of an older provd.
    """

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
    digest: str = ""
    data: tuple[DataReference, ...] = ()
    inputs_pointer: str = ""
    outputs_pointer: str = ""


def reduced(spec: Spec) -> Spec:
    """Returns what is kept of a job that will never run: of the program only its name."""
    asked = spec.workload
    named = Workload(
        image=cut(asked.image, MAX_NAME),
        command=cut(asked.command, MAX_NAME),
        preconfigured_id=cut(asked.preconfigured_id, MAX_NAME),
        is_preconfigured=asked.is_preconfigured,
    )
    return replace(spec, workload=named, data=(), inputs_pointer="", outputs_pointer="")


def same_request(known: Spec, other: Spec) -> bool:
    """Returns whether both are one request. Without a digest (old ledger), stored fields are compared."""
    if known.digest and other.digest:
        return (known.digest, known.customer, known.created_ns) == (
            other.digest,
            other.customer,
            other.created_ns,
        )
    return _stored_before_digests(known) == _stored_before_digests(other)


def _stored_before_digests(spec: Spec) -> Spec:
    return replace(spec, digest="", data=(), inputs_pointer="", outputs_pointer="")


@dataclass(frozen=True, slots=True)
class ChainJob:
    """A job's record on chain. Times in seconds since the epoch, 0 if unset.

    `stored_bytes`: the record's size in the chain's store, which each report rewrites; 0 if unknown.
    `agreed_price`: denom and amount of each coin that the customer promised at most. `escrow_id`: under which
    the chain holds them; "" if it holds nothing.
    """

    spec: Spec
    state: State
    started_at: int = 0
    status_message: str = ""
    exit_code: int = 0
    stored_bytes: int = 0
    agreed_price: tuple[tuple[str, int], ...] = ()
    escrow_id: str = ""

    def agreed(self, denom: str) -> int:
        """Returns how much of that denom the customer promised at most."""
        return sum(amount for each, amount in self.agreed_price if each == denom)

    def escrowed(self, denom: str) -> int:
        """Returns how much of that denom the chain holds for the job."""
        return self.agreed(denom) if self.escrow_id else 0
