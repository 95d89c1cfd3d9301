"""Breaks the daemon's dependencies one after another and judges what the daemon does.

    python -m tests.faults.run [--only NAME]... [--allow-missing]

It runs on a real SLURM site and a devnet. It exits with 0 only if, for each fault, no job was reported
wrongly, none was lost or twice in SLURM, the daemon recovered within two of its ticks after the return, one
log line described the fault and one metric showed it. A return over SSH counts from the daemon's next
connection: after its first attempt it connects at most twice a minute. Then data mover, gateway, SSH and
sources break while inputs and results move (data_faults.py).
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from tests.cases import Case
from tests.ending import until_told
from tests.faults import data_faults as data
from tests.faults.course import Row, break_and_mend, finish, prepare
from tests.faults.data_stage import Stage
from tests.faults.faults import FAULTS, Fault
from tests.faults.house import House, house

COLUMNS = (
    "fault",
    "lasted",
    "what provd said",
    "the metric that shows it",
    "caught up (ticks)",
    "wrong",
    "lost",
    "verdict",
)
WIDTHS = (35, 6, 76, 76, 40, 5, 4, 7)


def say(text: str) -> None:
    print(text, flush=True)


def shown(cells: Sequence[str]) -> str:
    return " | ".join(
        (cell if len(cell) <= width else cell[: width - 3] + "...").ljust(width)
        for cell, width in zip(cells, WIDTHS, strict=True)
    )


def show(row: Row) -> None:
    verdict = "good" if row.good else "BAD"
    say(
        shown(
            (
                row.fault,
                f"{row.lasted:.0f} s",
                row.said,
                row.metric,
                row.caught_up,
                str(row.wrong),
                str(row.lost),
                verdict,
            )
        ).rstrip()
    )
    for problem in row.problems:
        say(f"    {problem}")


def not_run(fault: Fault, allow_missing: bool) -> Row:
    problems = [] if allow_missing else ["--allow-missing lets this pass"]
    return Row(
        fault.name,
        said="NOT RUN: no small file system can be mounted here (it needs root)",
        problems=problems,
    )


async def make(place: House, faults: Sequence[Fault]) -> AsyncIterator[Row]:
    """Runs the faults. The jobs of one fault end while those of the next begin."""
    jobs = await prepare(place)
    for number, fault in enumerate(faults, 1):
        row = await break_and_mend(place, fault, jobs)
        if number < len(faults):
            _, jobs = await asyncio.gather(finish(place, row, jobs), prepare(place))
        else:
            await finish(place, row, jobs)
        yield row


async def play(faults: Sequence[Fault], allow_missing: bool = False) -> list[Row]:
    directory = Path(tempfile.mkdtemp(prefix="provd-faults."))
    directory.chmod(0o755)
    rows = []
    async with house(directory) as place:
        say(shown(COLUMNS))
        impossible = [fault for fault in faults if fault.needs_disk and place.disk is None]
        async for row in make(place, [fault for fault in faults if fault not in impossible]):
            rows.append(row)
            show(row)
        for fault in impossible:
            rows.append(not_run(fault, allow_missing))
            show(rows[-1])
    if all(row.good for row in rows):
        shutil.rmtree(directory, ignore_errors=True)
    else:
        say(f"logs and ledger are left in {directory}")
    return rows


def chosen(names: Sequence[str]) -> list[Fault]:
    return [fault for fault in FAULTS if not names or any(name in fault.name for name in names)]


def chosen_of_data(names: Sequence[str]) -> list[Case[Stage]]:
    return [case for case in data.FAULTS if not names or any(name in case.name for name in names)]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="part of a fault's name; repeatable"
    )
    parser.add_argument(
        "--allow-missing", action="store_true", help="pass although a fault could not be made on this machine"
    )
    options = parser.parse_args()
    began, faults, of_data = time.monotonic(), chosen(options.only), chosen_of_data(options.only)
    if not (faults or of_data):
        parser.error(
            "no such fault; there are: " + ", ".join(fault.name for fault in (*FAULTS, *data.FAULTS))
        )
    good = 0
    if faults:
        rows = asyncio.run(until_told(play(faults, options.allow_missing)))
        good = sum(row.good for row in rows)
    if of_data:
        good += asyncio.run(until_told(data.RUN.play(of_data)))[data.RUN.right]
    total = len(faults) + len(of_data)
    say(f"{good} of {total} faults good, {time.monotonic() - began:.0f} s")
    return 0 if good == total else 1


if __name__ == "__main__":
    sys.exit(main())
