"""Exports the process's own figures, also if the unit's sandbox hides all of /proc but the processes."""

import time

from prometheus_client import ProcessCollector


class OwnProcess(ProcessCollector):
    def _boot_time(self) -> float:
        """Returns seconds since the epoch. prometheus_client reads /proc/stat, which may be hidden."""
        return round(time.time() - time.clock_gettime(time.CLOCK_BOOTTIME))
