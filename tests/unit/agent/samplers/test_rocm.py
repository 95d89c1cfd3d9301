"""AMD's GPUs are read from rocm-smi, and their errors from the driver's counters."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.agent.samplers import rocm
from provider_daemon.errors import Unreadable
from provider_daemon.nodes.report import Gpu, GpuState
from tests.unit.agent.samplers.trees import AMD, within_limits

PRINTED = (AMD / "rocm-smi.json").read_text()


def test_gpus_are_read() -> None:
    """The sensor `junction` is preferred; a value that is not there is 0."""
    first, second = rocm.parse(PRINTED)
    assert (first.address, second.address) == ("0000:2f:00.0", "0000:30:00.0")
    assert first.gpu == Gpu(
        index=0,
        state=GpuState.OK,
        uuid="0x719d230578348e8c",
        model="AMD INSTINCT MI250 (MCM) OAM AC MBA",
        memory_gb=64,
        utilization_percent=12,
        memory_utilization_percent=50,
        temperature_celsius=35,
    )
    assert second.gpu.temperature_celsius == 41


def test_warnings_before_the_json_are_skipped() -> None:
    """rocm-smi prints one for GPUs that save power."""
    assert rocm.parse("\n\nWARNING: AMD GPU device(s) is/are in a low-power state.\n\n" + PRINTED)


def test_uncorrectable_errors_are_a_failure() -> None:
    """From all blocks of the GPU."""
    assert rocm.uncorrected("ue: 2\nce: 7\n") == 2
    gpu = rocm.judge(rocm.parse(PRINTED)[0].gpu, 2)
    assert (gpu.state, gpu.ecc_errors) == (GpuState.FAILED, 2)
    assert rocm.judge(gpu, 0) == gpu


@pytest.mark.parametrize(
    "printed", ["", "{}", "no JSON", '{"system": {}}', '{"card0": 7}', '{"card0": []', "{["]
)
def test_another_output_is_unreadable(printed: str) -> None:
    """It is not a node without GPUs."""
    with pytest.raises(Unreadable):
        rocm.parse(printed)


NAMES = st.sampled_from([*json.loads(PRINTED)["card0"]]) | st.text(max_size=4)
CARD = st.dictionaries(NAMES, st.sampled_from(["-1", "12.5", "9" * 25, "N/A"]) | st.text(max_size=4))


@given(st.dictionaries(st.sampled_from(["card0", "card12", "system"]), CARD))
def test_any_values_give_gpus_within_the_limits_of_a_heartbeat(found: dict[str, Any]) -> None:
    """Or are unreadable."""
    with contextlib.suppress(Unreadable):
        for each in rocm.parse(json.dumps(found)):
            within_limits(rocm.judge(each.gpu, 1))
