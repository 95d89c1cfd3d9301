"""The process's own figures, which an alert and a board go by."""

import os
import time
from pathlib import Path

from prometheus_client import CollectorRegistry

from provider_daemon.metrics.process import OwnProcess


def test_figures_are_there_where_only_processes_are_shown(tmp_path: Path) -> None:
    """As under ProcSubset=pid. A restart is seen by the time of the start, which stays the same meanwhile."""
    (tmp_path / "self").symlink_to("/proc/self")
    registry = CollectorRegistry()
    OwnProcess(proc=str(tmp_path), registry=registry)
    started = registry.get_sample_value("process_start_time_seconds")
    assert started is not None
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    assert abs(time.time() - age - started) < 2
    assert registry.get_sample_value("process_start_time_seconds") == started
    for name in (
        "process_resident_memory_bytes",
        "process_cpu_seconds_total",
        "process_open_fds",
        "process_max_fds",
    ):
        assert registry.get_sample_value(name)
