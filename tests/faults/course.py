"""The course of one fault: jobs before, during and after it, log lines, recovery, and the jobs' results."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from provider_daemon.demo.market import CLUSTER
from provider_daemon.errors import ProvdError
from provider_daemon.job.state import TERMINAL, State
from tests.expect import Wrong
from tests.faults.faults import Fault
from tests.faults.house import ADVANCE, HEARTBEAT, INTAKE, House
from tests.faults.jobs import Job, compare, ended_in_slurm, submit
from tests.faults.network import set_patience
from tests.faults.witness import WAIT_SECONDS, Line, told
from tests.waiting import until

# how long a fault lasts after it was noticed: a line per tick would show
QUIET_SECONDS = 3.0
LINES = 2  # by one subject about one fault: at the moment when it broke, and while it lasts
TICKS = 2  # within which the daemon must have recovered
IN_DOUBT = 90.0  # seconds: a submission without an answer waits for its window


@dataclass(slots=True)
class Row:
    fault: str
    lasted: float = 0.0
    said: str = "-"
    metric: str = "-"
    caught_up: str = "-"
    wrong: int = 0
    lost: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not self.problems


@dataclass(slots=True)
class Jobs:
    """The jobs of one fault.

    `ends` and `stays` run before the fault and end during and after it; `during` is submitted while it lasts.
    """

    ends: Job
    stays: Job
    during: Job

    @property
    def all(self) -> list[Job]:
        return [self.ends, self.stays, self.during]


async def prepare(house: House) -> Jobs:
    """Waits until everything is healthy and the first jobs run; raises Wrong."""
    gates, number = house.site.work_root, str(time.monotonic_ns())
    ends = Job(State.FAILED, 3, gates / f"ends-{number}")
    stays = Job(State.COMPLETED, 0, gates / f"stays-{number}")
    await house.calm()
    await submit(house, [ends, stays])

    async def all_run() -> bool:
        return all([await job.chain_state(house) is State.RUNNING for job in (ends, stays)])

    await until("the jobs of before run", all_run, WAIT_SECONDS)
    return Jobs(ends, stays, Job(State.COMPLETED, 0))


async def break_and_mend(house: House, fault: Fault, jobs: Jobs) -> Row:
    """Runs the fault from its beginning until the daemon has recovered."""
    row = Row(fault.name)
    try:
        await _fault(house, fault, row, jobs.ends, jobs.during)
    except (Wrong, ProvdError) as error:
        row.problems.append(str(error))
    return row


async def _fault(house: House, fault: Fault, row: Row, ends: Job, during: Job) -> None:
    began, mark, restarts = time.monotonic(), house.witness.mark(), house.restarts
    await fault.begin(house)
    try:
        ends.let_end()
        if fault.bookable:
            await submit(house, [during])
        await _notice(house, fault, row, mark)
    finally:
        noticed = house.witness.mark()
        await fault.end(house)
    row.lasted = time.monotonic() - began
    _judge_lines(house, fault, row, house.witness.lines(mark, noticed), house.restarts - restarts)
    ended = time.monotonic()
    if fault.back is not None:
        await fault.back(house)
    waited = time.monotonic() - ended
    await _catch_up(house, fault, row, ends, during)
    if fault.back is not None and waited > 1:
        row.caught_up += f" (back after {waited:.0f} s)"


# --- while the fault lasts ---


async def _notice(house: House, fault: Fault, row: Row, mark: int) -> None:
    """Waits until the daemon logged the fault and the metric shows it, and some seconds more."""
    if not fault.quiet:
        await until(
            f"a line {fault.event}", lambda: _matching(house, fault, house.witness.lines(mark)), limit=150
        )
        await _metric(house, fault, row)
    await asyncio.sleep(QUIET_SECONDS)


async def _metric(house: House, fault: Fault, row: Row) -> None:
    wanted = fault.metric(house)
    if wanted is None:
        await until("/metrics is gone with the daemon", lambda: _down(house), WAIT_SECONDS)
        row.metric = "up 0"
        return
    name, labels = wanted

    async def shows() -> bool:
        return await house.witness.gauge(name, **labels) == 1

    await until(f"{name} {labels} is 1", shows, WAIT_SECONDS)
    row.metric = f"{name}{{{','.join(f'{key}={value}' for key, value in labels.items())}}} 1"


async def _down(house: House) -> bool:
    return not await house.witness.up()


def _matching(house: House, fault: Fault, lines: list[Line]) -> list[Line]:
    """Returns the matching lines, of the metric's loop where it has one.

    Other loops that are cut off as well log the same.
    """
    metric = fault.metric(house)
    loop = metric[1].get("loop") if metric else None
    return [
        line
        for line in lines
        if line["event"] == fault.event
        and line.get("loop") == loop
        and re.search(fault.words, str(line.get("why", "")))
    ]


def _judge_lines(house: House, fault: Fault, row: Row, lines: list[Line], restarts: int) -> None:
    """Checks that each affected part logs the fault once.

    The command that was running when the fault began may log its own line before. A daemon that cannot run
    logs the reason at each start.
    """
    groups = told(lines)
    if fault.quiet:
        row.said = "nothing: it does not matter to it"
        row.problems += [f"said {event} of {subject}" for event, subject in groups]
        return
    (first, *_) = _matching(house, fault, lines)
    row.said = f"{first['event']}: {first.get('why') or first.get('next', '')}"
    for (event, subject), found in groups.items():
        allowed = 1 + restarts if event == "stderr" else 1
        if len(found) > max(LINES, allowed) or len(_matching(house, fault, found)) > allowed:
            whys = " / ".join(str(line.get("why", ""))[:90] for line in found)
            row.problems.append(f"{len(found)} lines {event} {subject}: {whys}")


# --- after the fault ---


async def _catch_up(house: House, fault: Fault, row: Row, ends: Job, during: Job) -> None:
    """Counts the ticks until all is known (SLURM) or sent (chain).

    Only ticks that began after the return count.
    """
    if not fault.bookable:
        counts = {HEARTBEAT: await _ticks_until(house, HEARTBEAT, lambda: _active(house))}
        await set_patience(house, 300)
        await submit(house, [during])
    elif fault.side == "slurm":
        await until(
            "sacct has the end of the job that ended meanwhile",
            lambda: ended_in_slurm(house, ends),
            WAIT_SECONDS,
        )
        counts = {ADVANCE: await _ticks_until(house, ADVANCE, lambda: _known(house, ends, during))}
    else:
        now = time.time()
        sent, adopted = await asyncio.gather(
            _ticks_until(house, house.outbox, lambda: not house.witness.unsent(now)),
            _ticks_until(house, INTAKE, lambda: house.witness.job(during.job_id) is not None),
        )
        counts = {"outbox": sent, INTAKE: adopted}
    row.caught_up = ", ".join(f"{loop.split(':')[0]} {count}" for loop, count in counts.items())
    row.problems += [f"{loop} needed {count} ticks" for loop, count in counts.items() if count > TICKS]


async def _ticks_until(house: House, loop: str, done: Callable[[], Awaitable[bool] | bool]) -> int:
    """Waits for the condition and returns the number of ticks until then.

    The tick that was running at the return began before it and does not count.
    """
    before = await house.witness.ticks(loop)
    await until(f"{loop} has caught up", done, limit=120, pause=0.02)
    return max(0, round(await house.witness.ticks(loop) - before))


def _known(house: House, ends: Job, during: Job) -> bool:
    """Reports whether the job is known.

    A submission whose answer was lost is searched for until its window is over, which is not a delay of any
    tick.
    """
    ended, new = house.witness.job(ends.job_id), house.witness.job(during.job_id)
    if ended is None or new is None or ended["state"] not in {state.value for state in TERMINAL}:
        return False
    return bool(new["slurm_id"]) or new["intent_at"] is not None


async def _active(house: House) -> bool:
    cluster = await house.chain.cluster(CLUSTER)
    return cluster is not None and cluster.state == "active"


async def finish(house: House, row: Row, jobs: Jobs) -> None:
    """Waits for the end of every job and stores the result in the row."""
    jobs.stays.let_end()

    async def all_ended() -> bool:
        return all([await job.ended_on_chain(house) for job in jobs.all])

    try:
        await until("every job is over on chain", all_ended, limit=IN_DOUBT)
    except (Wrong, ProvdError) as error:
        row.problems.append(str(error))
    truth = await compare(house, jobs.all)
    row.wrong, row.lost = len(truth.wrong), len(truth.lost)
    row.problems += truth.wrong + truth.lost
