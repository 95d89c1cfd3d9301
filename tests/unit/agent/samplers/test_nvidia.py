"""Which NVIDIA GPUs failed, from nvidia-smi and the kernel's log."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.agent.samplers import nvidia
from provider_daemon.agent.samplers.kernel_records import Xid
from provider_daemon.errors import Unreadable
from provider_daemon.nodes.report import GpuState
from tests.unit.agent.samplers.trees import NVIDIA, within_limits

NEWER = (*nvidia.FIELDS, nvidia.RECOVERY_FIELD)


def shown(name: str, fields: tuple[str, ...] = nvidia.FIELDS) -> tuple[nvidia.NvidiaGpu, ...]:
    return nvidia.parse((NVIDIA / name).read_text(), fields)


def xids(*numbers: int) -> list[Xid]:
    return [Xid("0000:3b:00", number, float(at)) for at, number in enumerate(numbers)]


def test_healthy_gpus_are_read() -> None:
    """Memory in GB, addresses as the kernel writes them."""
    first, second = shown("healthy.csv")
    assert (first.address, second.address) == ("0000:3b:00.0", "0000:86:00.0")
    gpu = nvidia.judge(first, [])
    assert (gpu.index, gpu.model, gpu.memory_gb, gpu.state) == (0, "NVIDIA A100-SXM4-80GB", 80, GpuState.OK)
    assert (gpu.utilization_percent, gpu.memory_utilization_percent, gpu.temperature_celsius) == (97, 50, 61)


def test_a_lost_gpu_failed() -> None:
    """It is still listed, with an error in place of each value."""
    ok, lost = (nvidia.judge(each, []) for each in shown("lost.csv"))
    assert (ok.state, lost.state, lost.index) == (GpuState.OK, GpuState.FAILED, 1)
    assert lost.reason == "does not answer: memory.total is [GPU is lost]"


def test_uncorrectable_errors_are_a_failure_and_missing_counters_are_not() -> None:
    """A GPU for desktops counts no errors, and does not say how busy it is."""
    broken, desktop = (nvidia.judge(each, []) for each in shown("ecc.csv"))
    assert (broken.state, broken.ecc_errors) == (GpuState.FAILED, 2)
    assert broken.reason == "2 uncorrectable memory errors since its driver was loaded or it was reset"
    assert (desktop.state, desktop.memory_gb, desktop.utilization_percent) == (GpuState.OK, 24, 0)


def test_a_driver_that_asks_for_a_reset_reports_a_failure() -> None:
    """And one that asks for nothing overrules what its log says: the GPU was reset since."""
    healthy, waiting = shown("recovery.csv", NEWER)
    assert nvidia.judge(healthy, xids(48)).state is GpuState.OK
    failed = nvidia.judge(waiting, [])
    assert (failed.state, failed.reason) == (GpuState.FAILED, "the driver asks for: reset")


@pytest.mark.parametrize(
    ("numbers", "fatal"),
    [
        ([79], 79),
        ([31, 43, 45, 94], 0),
        ([48, 63, 45], 48),
        ([109], 0),
        ([74, 154], 154),
        ([], 0),
    ],
)
def test_some_errors_in_the_log_are_a_failure(numbers: list[int], fatal: int) -> None:
    """Those after which a reset is needed; what a program can cause is not."""
    gpu = nvidia.judge(shown("healthy.csv")[0], xids(*numbers))
    assert gpu.xid_errors == tuple(numbers)
    assert (gpu.state is GpuState.FAILED, gpu.reason) == (
        bool(fatal),
        f"the driver logged XID {fatal}" if fatal else "",
    )


def test_a_recovery_in_the_log_ends_a_failure() -> None:
    """What comes after it counts again."""
    recovered = Xid("0000:3b:00", 154, 9.0, recovered=True)
    gpu = shown("healthy.csv")[0]
    assert nvidia.judge(gpu, [*xids(79, 154), recovered]).state is GpuState.OK
    assert nvidia.judge(gpu, [*xids(79), recovered, *xids(95)]).reason == "the driver logged XID 95"


def test_only_fields_that_the_driver_knows_are_asked() -> None:
    """nvidia-smi refuses the whole query for one that it does not know."""
    assert nvidia.known_fields('"index"\nThe index.\n\n"gpu_recovery_action"\nThe action.\n') == NEWER
    assert nvidia.known_fields('"index"\nThe index.\n') == nvidia.FIELDS
    assert nvidia.query(("index", "name"), "0000:3b:00.0") == [
        "nvidia-smi",
        "-i",
        "0000:3b:00.0",
        "--query-gpu=index,name",
        "--format=csv,noheader,nounits",
    ]


@pytest.mark.parametrize("printed", ["", "\n", "0, 1, 2\n", "No devices were found\n", "x" + ", 0" * 8])
def test_another_output_is_unreadable(printed: str) -> None:
    """It is not a node without GPUs."""
    with pytest.raises(Unreadable):
        nvidia.parse(printed, nvidia.FIELDS)


VALUES = st.sampled_from(["0", "7", "[N/A]", "[GPU is lost]", "9" * 30, "-1", "1.5", ""]) | st.text("0aZ [/]")


@given(st.lists(st.lists(VALUES, min_size=10, max_size=10).map(",".join)).map("\n".join) | st.text())
def test_any_output_gives_gpus_within_the_limits_of_a_heartbeat(printed: str) -> None:
    """Or is unreadable."""
    with contextlib.suppress(Unreadable):
        for each in nvidia.parse(printed, NEWER):
            within_limits(nvidia.judge(each, []))
