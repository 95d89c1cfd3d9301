"""The site that the demo plays on: the real one where SLURM is installed, or can be."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from provider_daemon.demo.stage import DemoSite
from provider_daemon.lab.site.site import Site, missing_packages


class RealSite:
    real = True

    def __init__(self, directory: Path) -> None:
        self._site = Site.open(directory / "slurm")
        self.version = self._site.version
        self.work_root = self._site.layout.work_root
        try:
            self._site.up()
        except BaseException:
            self._site.down()
            raise

    @property
    def ssh(self) -> dict[str, object]:
        return self._site.ssh

    def accounting(self) -> dict[str, list[tuple[str, str]]]:
        found: dict[str, list[tuple[str, str]]] = {}
        text = self._site.run("sacct", "-a", "-X", "-D", "-n", "-P", "-S", "now-1day", "-o", "JobName,State,ExitCode").stdout
        for line in text.splitlines():
            name, state, code = line.rsplit("|", 2)
            found.setdefault(name, []).append((state, code))
        return found

    def down(self) -> None:
        self._site.down(purge=False)


def why_not_real() -> str:
    """Empty where a real site can be brought up; else what is missing."""
    missing = missing_packages()
    return f"not installed: {', '.join(missing)}" if missing else ""


async def choose(directory: Path, simulated: bool, say: Callable[[str], None]) -> DemoSite:
    """A real site where one can be had and nobody asked otherwise."""
    missing = why_not_real()
    if missing or simulated:
        raise SystemExit(missing)
    site = await asyncio.to_thread(RealSite, directory)
    say(f"SLURM {site.version} is up: a private site of 4 nodes below {directory}")
    return site
