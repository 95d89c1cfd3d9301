"""Pictures of a running daemon's status page: `python -m tests.browser.shots http://127.0.0.1:9464/ DIRECTORY`."""

import asyncio
import sys
from pathlib import Path

from tests.browser.chromium import chromium

PICTURES = {
    "status-light": (1120, 800, "light", False),
    "status-dark-job": (900, 640, "dark", True),
    "status-phone": (360, 800, "light", False),
}


async def shoot(url: str, directory: Path) -> list[Path]:
    """One for wide and light, one for dark with a job's timeline, one for a phone."""
    async with chromium() as tab:
        await tab.go(url)
        await tab.until("document.querySelectorAll('#jobs tr').length > 0")
        for name, (width, height, scheme, timeline) in PICTURES.items():
            await tab.size(width, height)
            await tab.scheme(scheme)
            if timeline:
                await tab.run("document.querySelector('#jobs tr:last-child button').click()")
                await tab.until("document.querySelector('#detail li') !== null")
                await tab.run("document.querySelector('#detail').scrollIntoView()")
            else:
                await tab.run("(shut(), document.activeElement.blur(), scrollTo(0, 0))")
            await tab.shoot(directory / f"{name}.png")
        assert not tab.problems, tab.problems
    return [directory / f"{name}.png" for name in PICTURES]


if __name__ == "__main__":
    for path in asyncio.run(shoot(sys.argv[1], Path(sys.argv[2]))):
        print(path, path.stat().st_size)
