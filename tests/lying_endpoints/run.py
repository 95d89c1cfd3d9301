"""One of three chain endpoints lies, listed first and listed last, to the real daemon.

    python -m tests.lying_endpoints.run [--only NAME]... [--place first|last]

It prints a row for each lie and place. A job is ordered while the lie is active; the lie ends when that job
has ended, or after a while. It exits with 0 only if no unpaid job ran, nothing false was reported, the paid
job that runs all the time was left alone, no more was spent than on an honest chain, and the daemon recovered
within two ticks of the true answers.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from provider_daemon.errors import ProvdError
from provider_daemon.job.state import State
from tests.ending import until_told
from tests.expect import Wrong
from tests.lying_endpoints.lies import KINDS, Kind
from tests.lying_endpoints.place import Place, place
from tests.waiting import until

PLACES = {"first": 0, "last": 2}
# maximum duration of a lie, while the job that was ordered meanwhile has not ended
TOLD_SECONDS = 12.0
TICKS = 2  # within which all must be done after the true answers returned
MOST_FEES = 100_000  # uve that a row may cost: some reports and heartbeats
CHECKED, QUORUM, UNHEARD = "its own answer", "the quorum only", "never heard"


@dataclass(slots=True)
class Row:
    lie: str
    place: str
    during: str = "-"
    recovery: str = "-"
    spent: int = 0
    defence: str = "-"
    problems: list[str] = field(default_factory=list)


async def tell(here: Place, kind: Kind, where: str) -> Row:
    row, proxy = Row(kind.name, where), here.proxies[PLACES[where]]
    await here.impartial()
    mark = here.witness.mark()
    money, began = await here.fees(), time.monotonic()
    proxy.lie = kind.make(await here.scene())
    try:
        job_id = await here.order("exit 0")
        try:
            await until(
                "the job is over", lambda: _over(here, proxy.port, job_id, row), TOLD_SECONDS, pause=0.3
            )
            row.during = f"done in {time.monotonic() - began:.0f} s"
        except Wrong:
            row.during = "waited"
        if row.defence != CHECKED:
            row.defence = _defence(here, proxy.port, mark)
    finally:
        proxy.lie = None
    await _recover(here, row, job_id)
    row.spent = money - await here.fees()
    row.problems += await _untrue(here, row)
    return row


async def _recover(here: Place, row: Row, job_id: str) -> None:
    truth, before = time.time(), {loop: await here.witness.ticks(loop) for loop in ("intake", here.outbox)}
    try:
        await until("new jobs are adopted", lambda: here.witness.job(job_id) is not None, 60, pause=0.05)
        adopted = await here.witness.ticks("intake") - before["intake"]
        await until("nothing older waits to be sent", lambda: not here.witness.unsent(truth), 60, pause=0.05)
        sent = await here.witness.ticks(here.outbox) - before[here.outbox]
        await until("the job is over", lambda: here.completed(job_id), 60)
    except (Wrong, ProvdError) as error:
        row.problems.append(str(error))
        return
    # the tick that was running when the true answers returned began before it
    ticks = max(0.0, adopted - 1, sent - 1)
    row.recovery = f"{ticks:.0f}"
    if ticks > TICKS:
        row.problems.append(f"needed {ticks:.0f} ticks after the truth returned")


async def _over(here: Place, port: int, job_id: str, row: Row) -> bool:
    """Reports whether the job has ended.

    It also notes in the row whether the daemon considers the lying endpoint unhealthy.
    """
    if await here.witness.gauge("provd_trouble", what="endpoint_unhealthy", subject=f"127.0.0.1:{port}"):
        row.defence = CHECKED
    return await here.completed(job_id)


def _defence(here: Place, port: int, mark: int) -> str:
    """Returns what the daemon logged about the endpoint that lies."""
    url = f"127.0.0.1:{port}"
    said = {line["event"] for line in here.witness.lines(mark) if line.get("endpoint") == url}
    return QUORUM if said & {"endpoint_deviates", "endpoint_outvoted"} else UNHEARD


async def _untrue(here: Place, row: Row) -> list[str]:
    """Returns all that is wrong, whichever side reported it."""
    found, problems = await asyncio.to_thread(here.site.accounting), list[str]()
    problems += [f"{name} ran, and nobody ordered it" for name in found if name not in here.names.values()]
    problems += [f"{name} is {len(runs)} times in SLURM" for name, runs in found.items() if len(runs) != 1]
    for job_id in here.names:
        state, exit_code = await here.state(job_id)
        wanted = State.RUNNING if job_id == here.victim else State.COMPLETED
        if (state, exit_code) != (wanted, 0):
            problems.append(f"{job_id} is {state} with exit code {exit_code} on chain, not {wanted}")
        known = here.witness.job(job_id)
        if known is None or known["state"] != wanted or known["parked"]:
            problems.append(
                f"{job_id} is in the ledger as {known and (known['state'], known['parked'])}, not {wanted}"
            )
    known_ids = {each["job_id"] for each in here.witness.rows("SELECT job_id FROM jobs")}
    problems += [
        f"{job_id} is in the ledger, and nobody ordered it" for job_id in known_ids - set(here.names)
    ]
    if row.spent > MOST_FEES:
        problems.append(f"{row.spent} uve were spent")
    return problems


def shown(row: Row) -> str:
    cells = (
        row.lie.ljust(30),
        row.place.ljust(5),
        row.during.ljust(12),
        row.recovery.ljust(8),
        str(row.spent).rjust(8),
        row.defence.ljust(15),
    )
    return " | ".join((*cells, "BAD" if row.problems else "good"))


HEAD = (
    "lie                            | place | job meanwhile| recovery |    spent | caught by       | verdict"
)


async def play(kinds: Sequence[Kind], places: Sequence[str]) -> list[Row]:
    directory, rows = Path(tempfile.mkdtemp(prefix="provd-lies.")), list[Row]()
    directory.chmod(0o755)
    async with place(directory) as here:
        print(HEAD, flush=True)
        for kind in kinds:
            for where in places:
                row = await tell(here, kind, where)
                rows.append(row)
                print("\n    ".join((shown(row), *row.problems)), flush=True)
                if row.problems:
                    print(f"logs and ledger are left in {directory}", flush=True)
                    return rows
    shutil.rmtree(directory, ignore_errors=True)
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="part of a lie's name; repeatable"
    )
    parser.add_argument(
        "--place",
        action="append",
        default=[],
        choices=sorted(PLACES),
        help="where the liar is listed; both when not given",
    )
    options = parser.parse_args()
    kinds = [kind for kind in KINDS if not options.only or any(name in kind.name for name in options.only)]
    if not kinds:
        parser.error("no such lie; there are: " + ", ".join(kind.name for kind in KINDS))
    began, places = time.monotonic(), options.place or list(PLACES)
    rows = asyncio.run(until_told(play(kinds, places)))
    good = sum(not row.problems for row in rows)
    alone = sorted({row.lie for row in rows if row.defence == QUORUM})
    print(f"{good} of {len(kinds) * len(places)} good, {time.monotonic() - began:.0f} s")
    print(f"only a quorum of endpoints catches: {', '.join(alone) or 'none of these'}")
    return 0 if good == len(kinds) * len(places) else 1


if __name__ == "__main__":
    sys.exit(main())
