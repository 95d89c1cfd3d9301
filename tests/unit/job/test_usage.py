"""Usage from accounting records, to the integer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.job.snapshot import Run
from provider_daemon.job.usage import GpuUnaccounted, measure, memory_gb_seconds, node_hours

runs = st.builds(
    Run,
    elapsed=st.integers(0, 40 * 86400),
    cpus=st.integers(0, 4096),
    memory_mib=st.integers(0, 1 << 24),
    nodes=st.integers(1, 64),
    gpus=st.just((("a100", 2), ("", 1))),
)


def test_one_run() -> None:
    """Two nodes of 16 cores, 8 GB and 2 GPUs each for 90 s are 2,880 core-seconds, 1,440 GB-seconds and 360
    GPU-seconds."""
    usage = measure(
        [Run(elapsed=90, cpus=32, memory_mib=16384, nodes=2, gpus=(("a100", 4),))], gpus_requested=4
    )
    assert (usage.wall_clock_seconds, usage.cpu_core_seconds, usage.memory_gb_seconds) == (90, 2880, 1440)
    assert (usage.gpu_seconds, usage.gpu_seconds_by_type, usage.nodes_used, usage.node_hours) == (
        360,
        (("a100", 360),),
        2,
        0,
    )


def test_over_31_days() -> None:
    """Nothing wraps or is cut at a month."""
    usage = measure([Run(elapsed=40 * 86400, cpus=1, memory_mib=1024, nodes=3)], 0)
    assert (usage.wall_clock_seconds, usage.node_hours, usage.memory_gb_seconds) == (
        3_456_000,
        2880,
        3_456_000,
    )


def test_memory_is_rounded_down_once() -> None:
    """1,536 MiB for 1 s is 1 GB-second; two such runs are 3, not 2: the rounding comes after the sum."""
    assert memory_gb_seconds(1536) == 1
    assert measure([Run(1, 1, 1536, 1), Run(1, 1, 1536, 1)], 0).memory_gb_seconds == 3


def test_node_hours_are_whole() -> None:
    """3,599 node-seconds are no node-hour yet."""
    assert (node_hours(3599), node_hours(3600), node_hours(7201)) == (0, 1, 2)


def test_gpu_job_without_gpu_accounting_is_not_billed_zero() -> None:
    """A GPU job whose allocated TRES names no GPU raises, however long it ran."""
    with pytest.raises(GpuUnaccounted):
        measure([Run(10, 4, 1024, 1)], gpus_requested=1)


def test_gpu_job_that_never_started() -> None:
    """A record without elapsed time holds no GPUs and is no accounting gap."""
    assert measure([Run(0, 0, 0, 0)], gpus_requested=1).gpu_seconds == 0


@given(st.lists(runs, max_size=4), runs)
def test_usage_grows_with_every_run(before: list[Run], extra: Run) -> None:
    """A requeued job's further run never lowers any figure."""
    less, more = measure(before, 0), measure([*before, extra], 0)
    for name in (
        "wall_clock_seconds",
        "cpu_core_seconds",
        "memory_gb_seconds",
        "gpu_seconds",
        "node_hours",
        "nodes_used",
    ):
        assert getattr(more, name) >= getattr(less, name)
