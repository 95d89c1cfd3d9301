"""The process's own figures, also where the unit's sandbox leaves of /proc only the processes."""

import time

from prometheus_client import ProcessCollector


class OwnProcess(ProcessCollector):
    def _boot_time(self) -> float:
        """Seconds since the epoch. prometheus_client reads them from /proc/stat, and says nothing at all
        where that is hidden."""
        return round(time.time() - time.clock_gettime(time.CLOCK_BOOTTIME))
