"""provd with a fault: the task of its intake ends when the file exists, while all others continue."""

import asyncio
from pathlib import Path

from provider_daemon.loops.intake import Intake

FILE = Path("/var/lib/provd/end-intake")
_tick = Intake.tick


async def ending(self: Intake) -> None:
    if FILE.exists():
        FILE.unlink()
        raise asyncio.CancelledError
    await _tick(self)


if __name__ == "__main__":
    Intake.tick = ending  # type: ignore[method-assign]
    from provider_daemon.cli.app import main

    main()
