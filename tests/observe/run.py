"""Breaks six things under the real daemon, and disputes a bill; a real Prometheus and Chromium watch it.

    python -m tests.observe.run [--only NAME]... [--pictures DIRECTORY]

It runs on a real SLURM site. It exits with 0 only if each fault fired exactly its alerts, every alert was
silent after the repair, the status page showed the fault, and the emitted, used and documented series are the
same. The alerts are the real ones with their times shortened by one factor (tests/observe/scale.py); before
that, promtool tests each of them at its real times.
"""

import argparse
import asyncio
import contextlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from tests.browser.chromium import Tab, chromium
from tests.browser.shots import all_sides, shoot
from tests.ending import until_told
from tests.faults.house import FarSite
from tests.faults.proxy import Proxy
from tests.observe.course import Page, Row, course
from tests.observe.faults import FAULTS, Fault, Place
from tests.observe.files import PROMETHEUS, alerts, boards, expressions, rules
from tests.observe.scale import FACTOR
from tests.observe.stage import WAIT_SECONDS, play, stage
from tests.observe.threeway import Differences, differences
from tests.waiting import until


def say(text: str) -> None:
    print(text, flush=True)


def promtool() -> None:
    for command in (["check", "rules", "rules.yaml", "alerts.yaml"], ["test", "rules", "alerts_test.yaml"]):
        subprocess.run(["promtool", *command], cwd=PROMETHEUS, check=True)


@contextlib.asynccontextmanager
async def built(directory: Path) -> AsyncIterator[Place]:
    """A real site behind a proxy, chain, daemon and Prometheus, with three finished jobs and no alert."""
    site = await asyncio.to_thread(FarSite, directory)
    ssh = Proxy(int(str(site.slurm.ssh["port"])))
    site.proxy_port = await ssh.start()
    try:
        async with stage(directory, site) as made:
            await play(made)
            await until("no alert fires", lambda: _calm(made.prometheus.fires()), WAIT_SECONDS)
            yield Place(made, site, ssh)
    finally:
        await ssh.stop()


async def _calm(fires: Coroutine[None, None, set[str]]) -> bool:
    return not await fires


@contextlib.asynccontextmanager
async def watched(url: str, pictures: Path) -> AsyncIterator[tuple[Tab, Page]]:
    """The page in a browser, which follows it during all faults."""
    async with chromium() as tab:
        await tab.go(url)
        await tab.until("document.querySelectorAll('#jobs tr').length > 0")

        async def says(words: str) -> bool:
            return words in await tab.run("document.body.innerText")

        yield tab, Page(says, lambda title: all_sides(tab, pictures, title))


@dataclass(slots=True)
class Seen:
    """The result of each fault, the differences of the series, and the browser's console.

    `series`: in one scrape.
    """

    rows: list[Row] = field(default_factory=list)
    series: int = 0
    differences: Differences | None = None
    console: list[str] = field(default_factory=list)

    @property
    def deviations(self) -> int:
        return (
            sum(len(row.problems) for row in self.rows)
            + (self.differences.count if self.differences else 0)
            + len(self.console)
        )


async def observe(directory: Path, pictures: Path, faults: Sequence[Fault]) -> Seen:
    """Compares the series only after all faults: some exist only while something is wrong."""
    seen = Seen()
    async with built(directory) as place, watched(place.stage.page, pictures) as (tab, page):
        say(
            f"SLURM {place.site.version}, the daemon, Prometheus and Chromium run; three jobs are "
            "settled, nothing fires"
        )
        await place.hold()
        await shoot(tab, pictures)
        await page.shoot("healthy")
        place.let_end()
        await place.settled()
        for fault in faults:
            seen.rows.append(
                await course(place, fault, page, {name for row in seen.rows for name in row.fault.fires})
            )
            show(seen.rows[-1])
        scrape = await place.stage.prometheus.api("query", query='scrape_samples_scraped{job="provd"}')
        seen.series = int(scrape["result"][0]["value"][1])
        if len(faults) == len(FAULTS):
            seen.differences = await differences(place.stage.prometheus)
        seen.console = tab.problems
    return seen


def show(row: Row) -> None:
    say(f"{row.fault.side}: {row.fault.name}")
    for name, why in row.fault.fires.items():
        say(f"    {name:<26} {_after(row.fired.get(name))}: {why}")
    for problem in row.problems:
        say(f"    WRONG: {problem}")
    if not row.problems:
        say(f"    no other fired; all silent {row.silent_after:.0f} s after the mending")


def _after(seconds: float | None) -> str:
    return "did not fire" if seconds is None else f"fired after {seconds:3.0f} s"


def compared(seen: Seen) -> None:
    if seen.differences is None:
        say("three-way check of series: only after all the faults")
        return
    shown = (
        f"{len(alerts())} alerts, {len(rules())} recording rules, {len(boards())} boards, "
        f"{len(list(expressions()))} expressions"
    )
    say(f"three-way check of series: {shown}; {seen.series} series in a scrape")
    for each in fields(seen.differences):
        say(f"    {each.name.replace('_', ' ')}: {', '.join(getattr(seen.differences, each.name)) or 'none'}")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="part of a fault's name; repeatable"
    )
    parser.add_argument(
        "--pictures", type=Path, help="where the pictures go; a directory of their own otherwise"
    )
    options, began = parser.parse_args(), time.monotonic()
    faults = [
        fault for fault in FAULTS if not options.only or any(part in fault.name for part in options.only)
    ]
    promtool()
    pictures = options.pictures or Path(tempfile.mkdtemp(prefix="provd-pictures."))
    pictures.mkdir(parents=True, exist_ok=True)
    say(
        f"alerts: the real ones with every `for`, window and age {FACTOR} times shorter, beside the "
        "real ones themselves"
    )
    directory = Path(tempfile.mkdtemp(prefix="provd-observe."))
    directory.chmod(0o755)
    seen = asyncio.run(until_told(observe(directory, pictures, faults)))
    compared(seen)
    for said in seen.console:
        say(f"WRONG: the browser's console says {said}")
    fired = sum(len(row.fired) for row in seen.rows)
    say(
        "pictures of the status page, healthy and in each fault, on desktop and phone, light and dark: "
        f"{pictures}"
    )
    say(
        f"{len(seen.rows)} faults, {fired} alerts, {seen.deviations} deviations, "
        f"{time.monotonic() - began:.0f} s"
    )
    if seen.deviations:
        say(f"logs and ledger are left in {directory}")
        return 1
    shutil.rmtree(directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
