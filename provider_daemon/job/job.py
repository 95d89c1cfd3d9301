"""The facts about one job, as the ledger stores them."""

from dataclasses import dataclass, replace

from pydantic import ConfigDict, with_config

from provider_daemon.job.admission import Program
from provider_daemon.job.hold import Hold
from provider_daemon.job.naming import public_name
from provider_daemon.job.parking import Parked, ParkReason
from provider_daemon.job.pricing import DEFAULT_PRICES, Pricing
from provider_daemon.job.spec import Spec
from provider_daemon.job.state import TERMINAL, State
from provider_daemon.job.transfer import Results
from provider_daemon.job.usage import Usage


# a stored job with a field of another type or name is refused
@with_config(ConfigDict(strict=True, extra="forbid"))
@dataclass(frozen=True, slots=True)
class Job:
    """The facts about one job. Times in seconds since the epoch; `None` if something has not happened.

    `refused` holds why provd ends the job. `gpus_forgone`: the operator accepts an accounting record that
    names no GPU although the job requested some. `slurm_name` is empty for a job that version 0.1.0 or older
    named. `submitted_at`: SLURM's submit time of `slurm_id` as last seen, 0 until then; with it a SLURM job
    whose name was changed is still recognised. Without an id: that of the earliest of several SLURM jobs that
    were seen under the name; from then on only a complete snapshot shows which one is the job's own.
    `record_accepted`: the operator unparked the job although its accounting record is implausible.
    `sbatch_answer`: what sbatch printed at the last submission that returned no SLURM id. `directory`: the
    job's directory at the site, of its last submission. `measured_at`: when the final record was first read.
    `settled_at`: when the usage with everything that belongs to it became final, and the report was due;
    `results`: the manifest that this report signs, if there was one. `user`: the Unix user of the job at the
    site; "" for the user of provd's own login. `image`: the digest of the image that was submitted last; ""
    for a native program, for a launcher of the site's own, and if another submission runs. `claims`: its
    SLURM jobs claim it; False for one of an older ledger until it is submitted again. `duplicate_of`: the
    SLURM job that had claimed it when another one started. `unclaimed`: the SLURM jobs that could not
    claim it. `pricing`, `price_multiplier`: of its offering and queue, when the job was adopted; `repriced`:
    the offering was changed between the job's submission and then, so that the chain may bill it by earlier
    prices. In units of the prices' denom: `estimate`, the most that it can cost; `agreed`, what its customer
    promised at most; `escrowed`, what of that the chain holds. None in a job of an older ledger.
    `end_reason`: why an operator ends or refuses the job, "" if none does; `written_off`: a parked job that
    an operator refused, whatever SLURM shows of it.
    """

    spec: Spec
    program: Program | None
    wall_seconds: int
    adopted_at: float
    state: State
    reported: State
    promised: State
    chain_started_at: int = 0
    slurm_id: str = ""
    intent_at: float | None = None
    attempt: int = 0
    usage: Usage | None = None
    exit_code: int = 0
    message: str = ""
    refused: str = ""
    parked: Parked | None = None
    missing_since: float | None = None
    hopeless_since: float | None = None
    closed_at: float | None = None
    gpus_forgone: bool = False
    slurm_name: str = ""
    submitted_at: int = 0
    record_accepted: bool = False
    hold: Hold | None = None
    hold_since: float | None = None
    disowned: bool = False
    sbatch_answer: str = ""
    directory: str = ""
    measured_at: float | None = None
    settled_at: float | None = None
    results: Results | None = None
    user: str = ""
    image: str = ""
    claims: bool = False
    duplicate_of: str = ""
    unclaimed: tuple[str, ...] = ()
    pricing: Pricing = DEFAULT_PRICES
    price_multiplier: str = ""
    repriced: bool = False
    estimate: int | None = None
    agreed: int | None = None
    escrowed: int | None = None
    end_reason: str = ""
    written_off: bool = False

    @property
    def name(self) -> str:
        """The name of the SLURM job and of its directory."""
        return self.slurm_name or public_name(self.spec)

    @property
    def submitted(self) -> bool:
        """Whether the job may exist in SLURM."""
        return (
            bool(self.slurm_id)
            or self.intent_at is not None
            or self.reported not in (State.PENDING, State.FAILED)
        )

    @property
    def measured(self) -> bool:
        """Whether SLURM's final record was read, so that no more of SLURM is needed."""
        return self.usage is not None

    @property
    def settled(self) -> bool:
        """Whether the usage is final and the results are known or no longer waited for.

        A job of an older ledger, and one that the chain ended, is settled with its final record.
        """
        return self.settled_at is not None or (self.measured and self.promised in TERMINAL)

    @property
    def gpus_owed(self) -> int:
        """The number of GPUs that the accounting record must name."""
        return 0 if self.gpus_forgone else self.spec.resources.gpus_per_node * self.spec.resources.nodes

    @property
    def never_ran(self) -> bool:
        """Whether the job ended without being in SLURM: refused at intake or by sbatch."""
        return self.state in TERMINAL and not self.slurm_id


def park(job: Job, reason: ParkReason, detail: str) -> Job:
    return replace(job, parked=Parked(reason, detail))
