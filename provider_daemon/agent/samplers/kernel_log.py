"""Follows the kernel's log: how many errors in a day, and what the NVIDIA driver reports about its GPUs."""

import os
from collections import deque
from contextlib import suppress

from provider_daemon.agent.samplers.kernel_records import (
    ERROR,
    WARNING,
    Record,
    Xid,
    is_driver_start,
    records,
    xid,
)

DAY = 86_400
_MAX_RECORD = 8192  # a shorter buffer is refused by the kernel
_MAX_READS = 20_000  # records in one sample; the rest is read by the next one
_MAX_KEPT = 10_000


class KernelLog:
    """Reads each record once, so it is made once. Records before the last `dmesg --clear` do not count."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = -1
        self._errors: deque[float] = deque(maxlen=_MAX_KEPT)
        self._warnings: deque[float] = deque(maxlen=_MAX_KEPT)
        self._xids: deque[Xid] = deque(maxlen=_MAX_KEPT)

    def follow(self, monotonic: float) -> None:
        """Reads what is new. Raises OSError if the log cannot be read, as without CAP_SYSLOG."""
        if self._file < 0:
            self._file = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with suppress(OSError):  # a plain file has no mark, a kernel before 3.5 neither
                os.lseek(self._file, 0, os.SEEK_DATA)
        for _ in range(_MAX_READS):
            try:
                data = os.read(self._file, _MAX_RECORD)
            except BlockingIOError:
                break
            except BrokenPipeError:  # the kernel has overwritten what was next: the oldest record follows
                continue
            if not data:
                break
            for record in records(data.decode(errors="replace")):
                self._add(record)
        self._forget(monotonic - DAY)

    @property
    def errors(self) -> int:
        """Messages of level error and worse in the last 24 hours."""
        return len(self._errors)

    @property
    def warnings(self) -> int:
        return len(self._warnings)

    def xids(self, address: str) -> tuple[Xid, ...]:
        """Returns the errors of one GPU in the last 24 hours, since its driver was loaded, oldest first.

        `address`: with the function, which the driver does not write: `0000:3b:00.0`.
        """
        device = address.partition(".")[0]
        return tuple(each for each in self._xids if each.address == device)

    def _add(self, record: Record) -> None:
        if record.level <= ERROR:
            self._errors.append(record.at)
        elif record.level == WARNING:
            self._warnings.append(record.at)
        if is_driver_start(record):
            self._xids.clear()
        if found := xid(record):
            self._xids.append(found)

    def _forget(self, before: float) -> None:
        for times in (self._errors, self._warnings):
            while times and times[0] < before:
                times.popleft()
        while self._xids and self._xids[0].at < before:
            self._xids.popleft()
