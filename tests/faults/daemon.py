"""`provd` on a machine whose clock is wrong: the seconds in the file that PROVD_CLOCK_OFFSET names are added
to the time of day.

The machine's own clock is not touched. The steady clock stays as it is, as on a real machine whose clock is
set."""

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
