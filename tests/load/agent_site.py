"""A simulated SLURM site of many nodes as a process of its own: `python -m tests.load.agent_site NODES`.

Prints one line of JSON with `ssh` and `work_root`, and runs until SIGTERM.
"""

import asyncio
import json
import sys
from pathlib import Path

from provider_daemon.demo.processes import Process
from provider_daemon.demo.sites import Accounting
from provider_daemon.lab.simulated.site import VERSION, SimulatedSite
from tests.ending import until_told


class ChildSite:
    """The site, as the demo's configuration wants it."""

    real = False
    version = f"{VERSION} (simulated)"
    pool: tuple[str, ...] = ()

    def __init__(self, directory: Path, nodes: int) -> None:
        self._process = Process("the site", [str(nodes)], directory / "site.log", module=__name__)
        self._process.start()
        try:
            found = json.loads(self._process.wait_for('"work_root"'))
        except BaseException:
            self._process.stop()
            raise
        self.ssh: dict[str, object] = found["ssh"]
        self.work_root = Path(found["work_root"])

    def accounting(self) -> Accounting:
        return {}

    async def down(self) -> None:
        await asyncio.to_thread(self._process.stop)


async def serve(nodes: int) -> None:
    async with SimulatedSite(nodes=nodes) as site:
        print(json.dumps({"ssh": site.ssh, "work_root": str(site.work_root)}), flush=True)
        await asyncio.Event().wait()


async def main() -> None:
    try:
        await until_told(serve(int(sys.argv[1])))
    except asyncio.CancelledError:
        return


if __name__ == "__main__":
    asyncio.run(main())
