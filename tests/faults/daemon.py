"""`provd` on a machine with a wrong clock.

The seconds in the file named by PROVD_CLOCK_OFFSET are added to the time of day. The machine's own clock is
not changed. The monotonic clock is unchanged, as on a real machine whose clock is set.
"""

import os
import time
from pathlib import Path

_real = time.time
_file = Path(os.environ["PROVD_CLOCK_OFFSET"])


def wrong_time() -> float:
    return _real() + float(_file.read_text() or "0")


if __name__ == "__main__":
    time.time = wrong_time
    from provider_daemon.cli.app import main

    main()
