"""A GPU that no longer answers is reported as failed, whatever the vendor's program does then."""

from pathlib import Path

import pytest

from provider_daemon.agent.samplers import gpu_tools
from provider_daemon.agent.samplers.gpus import HOUR, GpuSampler
from provider_daemon.agent.samplers.kernel_log import KernelLog
from provider_daemon.agent.samplers.programs import Programs
from provider_daemon.agent.samplers.readings import Readings
from provider_daemon.nodes.report import Gpu, GpuState
from tests.unit.agent.samplers.trees import AMD, NVIDIA, program, put, within_limits

OK, FAILED = GpuState.OK, GpuState.FAILED
BUS = {
    "0000:00:02.0": ("0x1a03", "0x030000", ""),  # the management controller's display
    "0000:3b:00.0": ("0x10de", "0x030200", "nvidia"),
    "0000:86:00.0": ("0x10de", "0x030200", "nvidia"),
    "0000:af:00.0": ("0x10de", "0x030200", "vfio-pci"),  # a virtual machine's
    "0000:af:00.1": ("0x10de", "0x040300", "snd_hda_intel"),
}


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only directory in PATH besides that of the shell's programs."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")
    return directory


def on_bus(root: Path, bus: dict[str, tuple[str, str, str]]) -> None:
    for address, (vendor, kind, driver) in bus.items():
        device = f"sys/bus/pci/devices/{address}"
        put(root, {f"{device}/vendor": f"{vendor}\n", f"{device}/class": f"{kind}\n"})
        if driver:
            (root / device / "driver").symlink_to(f"../../../../bus/pci/drivers/{driver}")


def sampler(root: Path) -> GpuSampler:
    log = KernelLog(str(root / "kmsg"))
    if (root / "kmsg").exists():
        log.follow(700.0)
    return GpuSampler(put(root, {}), Readings(), Programs(), log)


def prints(path: Path, name: str, more: str = "") -> None:
    program(path, "nvidia-smi", f"{more}\ncat {NVIDIA / name}")


def states(gpus: tuple[Gpu, ...]) -> list[tuple[int, GpuState]]:
    for gpu in gpus:
        within_limits(gpu)
    return [(gpu.index, gpu.state) for gpu in gpus]


def test_a_node_without_a_vendors_program_has_no_gpus_of_it(tmp_path: Path, path: Path) -> None:
    """What cannot be asked is not reported, and not missed."""
    on_bus(tmp_path, BUS)
    assert sampler(tmp_path).sample(0.0) == ()


def test_a_gpu_dies_and_recovers(tmp_path: Path, path: Path) -> None:
    """It is known by its number and model while it does not answer."""
    prints(path, "healthy.csv")
    watched = sampler(tmp_path)
    assert states(watched.sample(0.0)) == [(0, OK), (1, OK)]
    prints(path, "lost.csv")
    lost = watched.sample(15.0)
    assert states(lost) == [(0, OK), (1, FAILED)]
    program(path, "nvidia-smi", f"head -1 {NVIDIA / 'healthy.csv'}")
    gone = watched.sample(30.0)
    assert states(gone) == [(0, OK), (1, FAILED)]
    assert lost[1].model == gone[1].model == "NVIDIA A100-SXM4-80GB"
    assert gone[1].reason == "does not answer: nvidia-smi does not list it"
    prints(path, "healthy.csv")
    assert states(watched.sample(45.0)) == [(0, OK), (1, OK)]


def test_one_lost_gpu_does_not_hide_the_others(tmp_path: Path, path: Path) -> None:
    """The program fails for all of them, so each is asked alone. The kernel's log names the reason."""
    on_bus(tmp_path, BUS)
    (tmp_path / "kmsg").write_text(
        "3,1,600000000,-;NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.\n"
    )
    lost = "Unable to determine the device handle for GPU0000:3B:00.0: Unknown Error"
    answer = f'case "$*" in *0000:86:00.0*) tail -1 {NVIDIA / "healthy.csv"}; exit;; esac'
    program(path, "nvidia-smi", f'{answer}; echo "{lost}"; exit 255')
    dead, ok = sampler(tmp_path).sample(0.0)
    assert states((dead, ok)) == [(0, FAILED), (1, OK)]
    assert (dead.reason, dead.xid_errors) == (f"does not answer: nvidia-smi: {lost}", (79,))


def test_a_driver_that_does_not_answer_fails_all_its_gpus(
    tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program is not called for each of them: it would hang each time."""
    monkeypatch.setattr(gpu_tools, "TIME_LIMIT", 0.3)
    on_bus(tmp_path, BUS)
    program(path, "nvidia-smi", f"echo >> {tmp_path / 'calls'}; exec sleep 60")
    gpus = sampler(tmp_path).sample(0.0)
    assert states(gpus) == [(0, FAILED), (1, FAILED)]
    assert gpus[0].reason == "does not answer: nvidia-smi did not end within 0.3 s"
    assert (tmp_path / "calls").read_text().count("\n") == 2  # what it can be asked, and all GPUs


def test_a_gpu_on_which_the_program_hangs_ends_the_questions(
    tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each further one could take as long, and the heartbeat waits."""
    monkeypatch.setattr(gpu_tools, "TIME_LIMIT", 0.3)
    three = {f"0000:{bus}:00.0": ("0x10de", "0x030200", "nvidia") for bus in ("3b", "86", "af")}
    on_bus(tmp_path, three)
    call = f"echo >> {tmp_path / 'calls'}"
    first = f"*0000:3b:00.0*) head -1 {NVIDIA / 'healthy.csv'}; exit;;"
    program(path, "nvidia-smi", f'case "$*" in {first} *-i*) {call}; exec sleep 60;; esac; exit 255')
    gpus = sampler(tmp_path).sample(0.0)
    assert states(gpus) == [(0, OK), (1, FAILED), (2, FAILED)]
    assert gpus[1].reason == gpus[2].reason == "does not answer: nvidia-smi did not end within 0.3 s"
    assert (tmp_path / "calls").read_text() == "\n"


def test_a_program_that_disappears_does_not_make_gpus_disappear(tmp_path: Path, path: Path) -> None:
    """A driver's package may be replaced while the node runs."""
    prints(path, "healthy.csv")
    watched = sampler(tmp_path)
    watched.sample(0.0)
    (path / "nvidia-smi").unlink()
    assert states(watched.sample(15.0)) == [(0, FAILED), (1, FAILED)]


def test_a_program_without_gpus_is_no_failure(tmp_path: Path, path: Path) -> None:
    """Such as on a node without GPUs that was installed from the same image."""
    program(path, "nvidia-smi", "echo No devices were found; exit 6")
    assert sampler(tmp_path).sample(0.0) == ()


def test_a_newer_driver_is_asked_for_more(tmp_path: Path, path: Path) -> None:
    """And again an hour later, as it may have been replaced."""
    answers = ("*--help*) echo '\"gpu_recovery_action\"'; exit;;", "*recovery*) ;;", "*) exit 2;;")
    prints(path, "recovery.csv", f'case "$*" in {" ".join(answers)} esac')
    watched = sampler(tmp_path)
    assert states(watched.sample(0.0)) == [(0, OK), (1, FAILED)]
    prints(path, "healthy.csv")
    assert states(watched.sample(HOUR + 1.0)) == [(0, OK), (1, OK)]


def test_amds_gpus_are_watched_in_the_same_way(tmp_path: Path, path: Path) -> None:
    """With the error counters of their driver."""
    on_bus(tmp_path, {"0000:2f:00.0": ("0x1002", "0x120000", "amdgpu")})
    program(path, "rocm-smi", f"cat {AMD / 'rocm-smi.json'}")
    watched = sampler(tmp_path)
    assert states(watched.sample(0.0)) == [(0, OK), (1, OK)]
    put(tmp_path, {"sys/bus/pci/devices/0000:2f:00.0/ras/umc_err_count": "ue: 1\nce: 0\n"})
    assert states(watched.sample(15.0)) == [(0, FAILED), (1, OK)]
    program(path, "rocm-smi", "echo ERROR: GPU is busy >&2; exit 2")
    gpus = watched.sample(30.0)
    assert states(gpus) == [(0, FAILED), (1, FAILED)]
    assert gpus[0].reason == "does not answer: rocm-smi: ERROR: GPU is busy"


def test_gpus_without_an_address_are_known_by_their_number(tmp_path: Path, path: Path) -> None:
    """An older rocm-smi names none; the same GPUs on the bus are not missing then."""
    on_bus(tmp_path, {"0000:2f:00.0": ("0x1002", "0x120000", "amdgpu")})
    program(path, "rocm-smi", 'echo \'{"card0": {"GPU use (%)": "1"}, "card1": {"GPU use (%)": "2"}}\'')
    watched = sampler(tmp_path)
    assert states(watched.sample(0.0)) == [(0, OK), (1, OK)]
    program(path, "rocm-smi", 'echo \'{"card0": {"GPU use (%)": "1"}}\'')
    assert states(watched.sample(15.0)) == [(0, OK), (1, FAILED)]
    program(path, "rocm-smi", "exit 2")
    assert states(watched.sample(30.0)) == [(0, FAILED), (1, FAILED)]
