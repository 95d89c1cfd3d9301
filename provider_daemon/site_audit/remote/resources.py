"""Cores, memory and devices beyond the allocation."""

import glob
import mmap
import os
from typing import Tuple

from provider_daemon.site_audit.remote.report import (
    REACHED,
    REFUSED,
    SKIPPED,
    Attempt,
    opened,
    together,
)

DEVICES = ("/dev/nvidia[0-9]*", "/dev/kfd", "/dev/dri/renderD*", "/dev/accel/accel*", "/dev/habanalabs/hl*")
MIB = 1024 * 1024


def gpus() -> Attempt:
    """The job has no GPU, so every GPU that it can open is one too many."""
    paths = [path for pattern in DEVICES for path in sorted(glob.glob(pattern))]
    return together([opened(path, os.O_RDWR, "can open") for path in paths], "no GPU device is visible")


def cores() -> Tuple[str, str, int]:
    """Asks for every core, and counts those that the kernel then allows."""
    try:
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
    except OSError:
        pass  # what was allowed before remains
    count = len(os.sched_getaffinity(0))
    return REFUSED, "%d cores are allowed" % count, count


def memory(allocated_mib: int) -> Attempt:
    """Uses a quarter more than allocated, in a child that the kernel would end first."""
    size = allocated_mib * 5 // 4
    free = _available()
    if free < 2 * size:
        return SKIPPED, "the node has only %d MiB free, the attempt needs %d" % (free, 2 * size)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            with open("/proc/self/oom_score_adj", "w") as score:
                score.write("1000")
        except OSError:
            pass
        try:
            area = mmap.mmap(-1, size * MIB)
            for offset in range(0, size * MIB, mmap.PAGESIZE):
                area[offset] = 1
            code = 0
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    if status == 0:
        return REACHED, "used %d MiB of %d allocated" % (size, allocated_mib)
    return REFUSED, "%d MiB were not given: status %d" % (size, status)


def _available() -> int:
    try:
        with open("/proc/meminfo") as table:
            for line in table:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) // 1024
    except OSError:
        pass
    return 0
