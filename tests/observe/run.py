"""`make observe`: the three-way check of series, and what promtool says of the rules."""

import asyncio
import subprocess
import sys
import tempfile
import time
from dataclasses import fields
from pathlib import Path

from tests.observe.files import PROMETHEUS, alerts, boards, expressions, rules
from tests.observe.stage import play, stage
from tests.observe.threeway import Differences, differences


async def check(directory: Path) -> tuple[Differences, int]:
    """The differences, and how many series one scrape has."""
    async with stage(directory) as made:
        await play(made)
        scrape = await made.prometheus.api("query", query='scrape_samples_scraped{job="provd"}')
        series = int(scrape["result"][0]["value"][1])
        return await differences(made.prometheus), series


def main() -> int:
    began = time.monotonic()
    for command in (["check", "rules", "rules.yaml", "alerts.yaml"], ["test", "rules", "alerts_test.yaml"]):
        subprocess.run(["promtool", *command], cwd=PROMETHEUS, check=True)
    with tempfile.TemporaryDirectory(prefix="provd-observe.") as directory:
        found, series = asyncio.run(check(Path(directory)))
    shown = f"{len(alerts())} alerts, {len(rules())} recording rules, {len(boards())} boards, {len(list(expressions()))} expressions"
    print(f"{shown}; {series} series in a scrape")
    for each in fields(found):
        print(f"{each.name.replace('_', ' ')}: {', '.join(getattr(found, each.name)) or 'none'}")
    print(f"{found.count} differences, in {time.monotonic() - began:.0f} s")
    return 1 if found.count else 0


if __name__ == "__main__":
    sys.exit(main())
