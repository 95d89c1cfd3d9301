"""A daemon's parts as the collector sees them, without a daemon."""

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from provider_daemon.job.parking import Parked, ParkReason
from provider_daemon.job.state import State
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ledger.rows import Message, OpenTx
from provider_daemon.metrics.collector import Parts
from provider_daemon.metrics.meters import Meters
from provider_daemon.ongoing import OngoingProblems
from provider_daemon.ports import ConnectOutcome, EndpointState
from tests.fakes.chain import FakeClock
from tests.unit.job.jobs import JOB

HOSTILE = 'x"}\nprovd_jobs{cluster="forged"} 1'


@dataclass
class Health:
    name: str
    last_success: float = 0.0
    failure: str = ""
    tick_since: float = 0.0
    ticks: int = 0
    death: str = ""
    standstill: str = ""

    def dead(self, now: float) -> str:
        return self.death

    def stalled(self, now: float) -> str:
        return self.standstill


@dataclass
class Endpoint:
    url: str = "127.0.0.1:9090"
    height: int = 7
    time: float = 5.0
    why: str = ""
    state: EndpointState = EndpointState.HEALTHY
    checked_at: float = 990.0


@dataclass
class Reloads:
    whole: bool = True
    taken_at: float = 3.0
    problems: tuple[str, ...] = ()


@dataclass
class Ssh:
    connects: Counter[str] = field(default_factory=lambda: Counter(connected=2, failed=1, second_factor=1))
    problem: ConnectOutcome | None = ConnectOutcome.SECOND_FACTOR
    channels: int = 9
    refused: int = 3
    open: int = 1
    connections: int = 1


def parts(ledger: Ledger, path: Path, *loops: Health, **more: object) -> Parts:
    values: dict[str, object] = {
        "ledger": ledger,
        "path": path,
        "meters": Meters(),
        "loops": loops,
        "ongoing": OngoingProblems(),
        "clock": FakeClock(1000.0),
        "reload": Reloads(),
        "clusters": ["HPC-1"],
        "signers": ["ve1p"],
        **more,
    }
    return Parts(**values)  # type: ignore[arg-type]


def fill(ledger: Ledger) -> None:
    """Five open jobs, one closed; three messages of two kinds; an open transaction; one record set aside."""
    changes: list[dict[str, object]] = [
        {"state": State.RUNNING},
        {"state": State.RUNNING, "message": HOSTILE},
        {"state": State.QUEUED},
        {"state": State.QUEUED, "parked": Parked(ParkReason.OTHER, HOSTILE)},
        {"state": State.QUEUED, "parked": Parked(ParkReason.UNKNOWN_STATE, "NEW")},
        {"state": State.COMPLETED, "closed_at": 9.0},
    ]
    with ledger.write():
        for number, change in enumerate(changes, 1):
            ledger.save_job(
                replace(JOB, spec=replace(JOB.spec, job_id=f"JOB-{number}", queue=HOSTILE), **change)  # type: ignore[arg-type]
            )
        ledger.add_message("ve1p", Message("report", "JOB-1", b"q", "queued"), 5.0)
        ledger.add_message("ve1p", Message("report", "JOB-1", b"r", "running"), 6.0)
        ledger.add_message("ve1p", Message("node", "alpha.n1", b"n"), 7.0)
        ledger.add_tx(OpenTx(0, "ve1p", "BB", b"", 2, 9, 5, 1.0), [])
        ledger.quarantine("JOB-9", HOSTILE, 1.0)
