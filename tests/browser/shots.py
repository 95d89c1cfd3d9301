"""Screenshots of a running daemon's status page.

Run `python -m tests.browser.shots http://127.0.0.1:9464/ DIRECTORY`.
"""

import asyncio
import re
import sys
from pathlib import Path

from tests.browser.chromium import Tab, chromium

PICTURES = {
    "status-light": (1440, 900, "light", False),
    "status-dark-job": (900, 800, "dark", True),
    "status-phone": (360, 800, "light", False),
}
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}  # below 1184 pixels the page has one column
SCHEMES = ("light", "dark")


async def shoot(tab: Tab, directory: Path) -> list[Path]:
    """Takes the screenshots of the documents: wide and light, dark with a job's timeline, on a phone."""
    for name, (width, height, scheme, timeline) in PICTURES.items():
        await tab.size(width, height)
        await tab.scheme(scheme)
        if timeline:
            await tab.run("document.querySelector('#jobs tr:last-child a').click()")
            await tab.until("document.querySelector('#detail li') !== null")
            await tab.run("document.querySelector('#detail').scrollIntoView()")
        else:
            await tab.run("(shut(), document.activeElement.blur(), scrollTo(0, 0))")
        await tab.shoot(directory / f"{name}.png")
    return [directory / f"{name}.png" for name in PICTURES]


async def all_sides(tab: Tab, directory: Path, title: str) -> None:
    """Takes one screenshot on a desktop and one on a phone, each in the light and the dark scheme."""
    name = re.sub(r"\W+", "-", title).strip("-").lower()
    await tab.run("(shut(), document.activeElement.blur(), scrollTo(0, 0))")
    for size, (width, height) in SIZES.items():
        await tab.size(width, height)
        for scheme in SCHEMES:
            await tab.scheme(scheme)
            await tab.shoot(directory / f"{name}-{size}-{scheme}.png")


async def look(url: str, directory: Path) -> list[Path]:
    async with chromium() as tab:
        await tab.go(url)
        await tab.until("document.querySelectorAll('#jobs tr').length > 0")
        made = await shoot(tab, directory)
        assert not tab.problems, tab.problems
        return made


if __name__ == "__main__":
    for path in asyncio.run(look(sys.argv[1], Path(sys.argv[2]))):
        print(path, path.stat().st_size)
