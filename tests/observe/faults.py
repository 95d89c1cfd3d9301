"""Seven faults, produced and repaired as on a real site, and the alerts that each must and may fire."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2
from provider_daemon.demo.jobs import DemoJob, shell
from provider_daemon.job.state import State
from tests.faults.house import FarSite
from tests.faults.machines import Wallet
from tests.faults.proxy import Proxy
from tests.observe.stage import WAIT_SECONDS, Stage
from tests.waiting import until


@dataclass(slots=True)
class Place:
    """The stage on a real site whose login node is reached through a proxy.

    `gates`: jobs that wait for a file of that name.
    """

    stage: Stage
    site: FarSite
    ssh: Proxy
    gates: list[Path] = field(default_factory=list)

    async def hold(self) -> None:
        """Starts a job that runs, on chain too, until its gate opens."""
        gate = self.site.work_root / f"gate-{len(self.gates)}"
        self.gates.append(gate)
        waiting = f"until [ -e {gate} ]; do sleep 0.2; done"
        await self.stage.submit(DemoJob("waits", 0, State.COMPLETED, 0, arguments=shell(waiting)))
        await until("the job runs", lambda: "running running" in self.stage.rows("jobs"), WAIT_SECONDS)

    def let_end(self) -> None:
        self.gates[-1].touch()

    async def end_unreported(self) -> None:
        """Ends a job whose last report then waits for the chain."""
        self.let_end()
        await until("its report waits", lambda: "completed running" in self.stage.rows("jobs"), WAIT_SECONDS)

    async def settled(self, limit: float = WAIT_SECONDS) -> None:
        await until(
            "every job is settled", lambda: set(self.stage.rows("jobs")) <= {"completed completed"}, limit
        )


Act = Callable[[Place], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault.

    `fires`: each alert that must fire, with the reason. `shows`: what the status page must show meanwhile.
    """

    name: str
    side: str
    begin: Act
    end: Act
    fires: dict[str, str]
    shows: str


# --- SLURM ---


async def stop_slurm(place: Place) -> None:
    await asyncio.to_thread(place.site.slurm.stop, "slurmctld")


async def start_slurm(place: Place) -> None:
    await asyncio.to_thread(place.site.slurm.start, "slurmctld")


# --- SSH ---


def _keys(place: Place) -> tuple[Path, Path]:
    known = place.site.slurm.layout.root / "ssh/authorized_keys"
    return known, known.with_name("authorized_keys.gone")


async def forget_key(place: Place) -> None:
    """Removes the key from the account's authorized_keys, and cuts the connection."""
    here, gone = _keys(place)
    here.rename(gone)
    place.ssh.cut()


async def know_key(place: Place) -> None:
    here, gone = _keys(place)
    gone.rename(here)


# --- chain ---


async def halt_chain(place: Place) -> None:
    """Stops block production and ends a job."""
    await place.hold()
    place.stage.devnet.signal(signal.SIGUSR1)
    await place.end_unreported()


async def resume_chain(place: Place) -> None:
    place.stage.devnet.signal(signal.SIGUSR2)


# --- money ---


class Poverty:
    """The fee money is sent away, and a job ends."""

    def __init__(self) -> None:
        self._wallet = Wallet()

    async def begin(self, place: Place) -> None:
        await place.hold()
        await self._wallet.empty(place.stage)
        await place.end_unreported()

    async def end(self, place: Place) -> None:
        await self._wallet.fill(place.stage)


# --- jobs ---


class GpusUncounted:
    """slurm.conf loses its line about GPUs in accounting, and a GPU job ends.

    Repaired as the guide describes.
    """

    line = "AccountingStorageTRES="

    async def begin(self, place: Place) -> None:
        self._conf = place.site.slurm.layout.slurm_conf
        self._text = self._conf.read_text()
        await self._configure(
            place,
            "".join(line for line in self._text.splitlines(keepends=True) if not line.startswith(self.line)),
        )
        gpu = DemoJob("one GPU", 0, State.COMPLETED, 0, arguments=shell("sleep 1"), queue="gpu", gpus=1)
        await place.stage.submit(gpu)

    async def end(self, place: Place) -> None:
        await self._configure(place, self._text)
        for job in place.stage.parked():
            await provd("job", "unpark", job, "--without-gpus", "-c", str(place.stage.config))

    async def _configure(self, place: Place, text: str) -> None:
        self._conf.write_text(text)
        await stop_slurm(place)
        await start_slurm(place)


# --- nodes ---


async def fail_gpu(place: Place) -> None:
    """A node's agent, which an operator has admitted, reports one of its GPUs as failed."""
    await provd("node", "token", "n1", "-c", str(place.stage.config))
    place.stage.agent.failed = [1]
    place.stage.agent.start()


async def repair_gpu(place: Place) -> None:
    place.stage.agent.failed = []


# --- disputes ---

REASON = "it was idle all the time"


async def dispute(place: Place) -> None:
    """The customer disputes the bill of a job that has ended."""
    job_id = place.stage.ended()
    await place.stage.customer.send(
        tx_pb2.MsgFlagDispute(
            disputer_address=place.stage.customer.address, job_id=job_id, dispute_type="usage", reason=REASON
        )
    )


async def answer(place: Place) -> None:
    """The provider answers, as the guide describes."""
    for dispute_id in place.stage.disputes():
        await provd("dispute", "answer", dispute_id, "--text", "it was not", "-c", str(place.stage.config))


async def provd(*arguments: str) -> None:
    """Runs a provd command line, as an operator types it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "provider_daemon", *arguments, stdout=asyncio.subprocess.DEVNULL
    )
    assert await process.wait() == 0, arguments


_poverty, _uncounted = Poverty(), GpusUncounted()

FAILING = "the loops that need it fail"
WAITS = "the report of the job that ended waits"
STUCK = "nothing of the key goes into a block, and heartbeats and a report wait"

FAULTS = (
    Fault(
        "slurmctld stopped",
        "SLURM",
        stop_slurm,
        start_slurm,
        {"ProvdSlurmStale": "no question is answered", "ProvdLoopFailing": FAILING},
        "Unable to contact slurm controller",
    ),
    Fault(
        "the login node forgets the key",
        "SSH",
        forget_key,
        know_key,
        {
            "ProvdSshRefused": "the login is refused",
            "ProvdSlurmStale": "SLURM is reached that way only",
            "ProvdLoopFailing": FAILING,
        },
        "not ready",
    ),
    Fault(
        "the chain halts",
        "chain",
        halt_chain,
        resume_chain,
        {
            "ProvdChainHeightStale": "there are no new blocks",
            "ProvdReportWaiting": WAITS,
            "ProvdOutboxStuck": STUCK,
        },
        "chain_halted",
    ),
    Fault(
        "the wallet is emptied",
        "money",
        _poverty.begin,
        _poverty.end,
        {
            "ProvdWalletEmpty": "no fee can be paid",
            "ProvdWalletRunwayShort": "what is left lasts for less than three days",
            "ProvdWalletRunwayCritical": "and for less than one",
            "ProvdReportWaiting": WAITS,
            "ProvdOutboxStuck": STUCK,
        },
        "wallet_empty",
    ),
    Fault(
        "GPUs are not accounted",
        "jobs",
        _uncounted.begin,
        _uncounted.end,
        {"ProvdJobsParked": "the GPU job that ended cannot be billed and waits for the operator"},
        "no_gpu_record",
    ),
    Fault(
        "a GPU fails",
        "nodes",
        fail_gpu,
        repair_gpu,
        {"ProvdNodeUnhealthy": "its node's agent reports the GPU as failed"},
        "1 failed GPU of n1 not sold",
    ),
    Fault(
        "a customer disputes a bill",
        "disputes",
        dispute,
        answer,
        {"ProvdDisputeOpen": "the dispute waits for an answer"},
        REASON,
    ),
)
