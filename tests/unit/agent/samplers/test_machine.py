"""What a machine is, from what the kernel shows of it."""

from pathlib import Path

import pytest

from provider_daemon.agent.samplers import machine, processor, temperature
from provider_daemon.agent.samplers.allocation import Allocation, allocated
from provider_daemon.agent.samplers.files import Files
from provider_daemon.agent.samplers.fingerprint import fingerprint, published
from provider_daemon.agent.samplers.processor import Cores, Processor
from provider_daemon.errors import Unreadable
from provider_daemon.nodes.report import Capacity, Hardware
from tests.unit.agent.samplers.trees import VM, put

CPUS, NET, IB = "sys/devices/system/cpu", "sys/class/net", "sys/class/infiniband/mlx5_0/ports/1"


def two_sockets() -> dict[str, str]:
    """Returns 2 sockets of 4 cores with 2 threads; the kernel numbers the cores of each socket from 0."""
    places = {cpu: (cpu // 4 % 2, cpu % 4) for cpu in range(16)}
    files = {f"{CPUS}/online": "0-15\n"}
    for cpu, (socket, core) in places.items():
        files[f"{CPUS}/cpu{cpu}/topology/physical_package_id"] = f"{socket}\n"
        files[f"{CPUS}/cpu{cpu}/topology/core_id"] = f"{core}\n"
    return files


def test_sockets_cores_and_threads_are_counted(tmp_path: Path) -> None:
    """Cores with one number on two sockets are two."""
    found = processor.cores(put(tmp_path, two_sockets()))
    assert found == Cores(sockets=2, cores=8, threads=16)
    assert (found.cores_per_socket, found.threads_per_core) == (4, 2)
    offline = processor.cores(put(tmp_path, {f"{CPUS}/online": "0-7\n"}))
    assert (offline.cores, offline.threads_per_core) == (8, 1)


@pytest.mark.parametrize(
    ("cpuinfo", "found"),
    [
        (
            "processor : 0\nvendor_id : GenuineIntel\nmodel name : Intel(R) Xeon(R)\nflags : fpu avx2 avx\n",
            Processor("Intel(R) Xeon(R)", "GenuineIntel", ("avx", "avx2")),
        ),
        (
            "processor : 0\nCPU implementer : 0x41\nCPU part : 0xd4f\nFeatures : fp asimd sve\n",
            Processor("Neoverse-V2", "ARM", ("asimd", "sve")),
        ),
        (
            "processor : 0\nCPU implementer : 0x99\nCPU part : 0x123\n",
            Processor("0x99 0x123", "", ()),
        ),
        ("processor : 0\ncpu : POWER9, altivec supported\n", Processor("POWER9, altivec supported", "", ())),
    ],
)
def test_processors_of_several_architectures_are_named(
    tmp_path: Path, cpuinfo: str, found: Processor
) -> None:
    """Those of Arm by their number."""
    assert processor.processor(put(tmp_path, {"proc/cpuinfo": cpuinfo})) == found


def test_a_machine_that_names_no_processor_is_unreadable(tmp_path: Path) -> None:
    """It has one."""
    with pytest.raises(Unreadable):
        processor.processor(put(tmp_path, {"proc/cpuinfo": ""}))


@pytest.mark.parametrize(
    ("disks", "found"),
    [
        ({"sda": "1", "nvme0n1": "0"}, "nvme"),
        ({"sda": "1", "sdb": "0"}, "ssd"),
        ({"sda": "1"}, "hdd"),
        ({}, ""),
    ],
)
def test_the_fastest_kind_of_local_disk_is_reported(
    tmp_path: Path, disks: dict[str, str], found: str
) -> None:
    """Memory disks and device mappers are no disks; a node may have none."""
    files = {"sys/block/zram0/queue/rotational": "0\n", "sys/block/dm-0/queue/rotational": "0\n"}
    for name, rotational in disks.items():
        files |= {f"sys/block/{name}/device/model": "x", f"sys/block/{name}/queue/rotational": rotational}
    assert machine.storage_type(put(tmp_path, files)) == found


def test_memory_and_numa_nodes_are_read(tmp_path: Path) -> None:
    """A NUMA node without memory has processors only."""
    files = {
        "sys/devices/system/node/has_memory": "0,2\n",
        "sys/devices/system/node/node0/meminfo": "Node 0 MemTotal:  1000 kB\nNode 0 MemFree: 1 kB\n",
        "sys/devices/system/node/node2/meminfo": "Node 2 MemTotal:  3000 kB\n",
        "sys/devices/system/edac/mc/mc0/dimm3/dimm_mem_type": "Registered-DDR5\n",
    }
    shown = put(tmp_path, files)
    assert (machine.numa_memory(shown), machine.memory_type(shown)) == ((1000, 3000), "DDR5")
    assert machine.memory_type(put(tmp_path / "vm", {})) == ""


def test_the_interconnect_is_that_of_the_fastest_kind(tmp_path: Path) -> None:
    """A port of the same driver may speak Ethernet."""
    card = {f"{NET}/eth0/device/vendor": "x", f"{NET}/eth0/address": "02:00:00:00:00:01\n"}
    assert machine.interconnect(put(tmp_path, card)) == ("ethernet", "")
    port = {f"{IB}/link_layer": "Ethernet\n", f"{IB}/rate": "100 Gb/sec (4X EDR)\n"}
    assert machine.interconnect(put(tmp_path, port)) == ("ethernet", "")
    port[f"{IB}/link_layer"] = "InfiniBand\n"
    assert machine.interconnect(put(tmp_path, port)) == ("infiniband", "4X EDR")
    assert machine.interconnect(put(tmp_path / "none", {})) == ("", "")


def test_only_lasting_addresses_of_cards_identify_a_machine(tmp_path: Path) -> None:
    """Bridges come and go, and a random address is another one after the next boot."""
    files = {
        f"{NET}/eth0/device/vendor": "x",
        f"{NET}/eth0/address": "02:00:00:00:00:01\n",
        f"{NET}/eth0/addr_assign_type": "0\n",
        f"{NET}/eth1/device/vendor": "x",
        f"{NET}/eth1/address": "02:00:00:00:00:02\n",
        f"{NET}/eth1/addr_assign_type": "1\n",
        f"{NET}/docker0/address": "02:00:00:00:00:03\n",
    }
    assert machine.hardware_addresses(put(tmp_path, files)) == ("02:00:00:00:00:01",)


def test_the_hottest_sensor_of_the_processors_counts(tmp_path: Path) -> None:
    """Disks and network cards have sensors too; virtual machines have none."""
    files = {
        "sys/class/hwmon/hwmon0/name": "coretemp\n",
        "sys/class/hwmon/hwmon0/temp1_input": "51000\n",
        "sys/class/hwmon/hwmon0/temp2_input": "63500\n",
        "sys/class/hwmon/hwmon0/temp2_crit": "100000\n",
        "sys/class/hwmon/hwmon1/name": "nvme\n",
        "sys/class/hwmon/hwmon1/temp1_input": "80000\n",
        "sys/class/thermal/thermal_zone0/type": "iwlwifi\n",
        "sys/class/thermal/thermal_zone0/temp": "90000\n",
    }
    assert temperature.hottest(put(tmp_path, files)) == 64
    zone = {"sys/class/thermal/thermal_zone1/type": "x86_pkg_temp\n"}
    zone["sys/class/thermal/thermal_zone1/temp"] = "70000\n"
    assert temperature.hottest(put(tmp_path, zone)) == 70
    assert temperature.hottest(put(tmp_path / "vm", {})) == 0


@pytest.mark.parametrize(
    ("text", "degrees"),
    [("45000", 45), ("-5000", -5), ("", None), ("N/A", None), ("999999", None), ("9" * 30, None)],
)
def test_a_sensor_that_reports_nonsense_is_left_out(text: str, degrees: int | None) -> None:
    """A sensor that is not connected reports such values."""
    assert temperature.celsius(text) == degrees


@pytest.mark.parametrize(
    ("cpus", "memory", "files"),
    [
        (
            "sys/fs/cgroup/system.slice/slurmstepd.scope",
            "sys/fs/cgroup/system.slice/slurmstepd.scope",
            ("memory.max", "max"),
        ),
        (
            "sys/fs/cgroup/system.slice/n1_slurmstepd.scope",
            "sys/fs/cgroup/system.slice/n1_slurmstepd.scope",
            ("memory.max", "max"),
        ),
        (
            "sys/fs/cgroup/cpuset/slurm_n1/uid_1000",
            "sys/fs/cgroup/memory/slurm_n1/uid_1000",
            ("memory.limit_in_bytes", "9223372036854771712"),
        ),
        (
            "sys/fs/cgroup/cpuset/slurm/uid_1000",
            "sys/fs/cgroup/memory/slurm/uid_1000",
            ("memory.limit_in_bytes", "9223372036854771712"),
        ),
    ],
)
def test_what_jobs_may_use_is_read_from_their_cgroups(
    tmp_path: Path, cpus: str, memory: str, files: tuple[str, str]
) -> None:
    """Of both versions of cgroups. A job without a limit of memory does not count for memory."""
    limit, none = files
    tree = {
        f"{cpus}/job_7/cpuset.cpus": "0-3\n",
        f"{cpus}/job_8/cpuset.cpus": "4,6\n",
        f"{cpus}/job_9/cpuset.cpus": "7\n",
        f"{memory}/job_7/{limit}": "2147483648\n",
        f"{memory}/job_8/{limit}": f"{none}\n",
    }
    assert allocated(put(tmp_path, tree), "n1", [7, 8, 99]) == Allocation(threads=6, memory=2**31)


def test_fingerprints_tell_machines_apart() -> None:
    """A GPU or a disk that is replaced changes nothing; another network card or less memory does."""
    hardware, capacity = Hardware("AMD EPYC", "AuthenticAMD", "x86_64", 2, 64), Capacity(memory_gb_total=251)
    first = fingerprint(hardware, capacity, ["b", "a"])
    assert first == fingerprint(hardware, capacity, ["a", "b"])
    others = {fingerprint(hardware, capacity, ["a"]), fingerprint(hardware, Capacity(), ["a", "b"])}
    assert len(others | {first}) == 3


def test_the_published_fingerprint_is_that_of_the_published_agent() -> None:
    """The SHA-256 of five texts and four totals without separators but slashes."""
    hardware = Hardware("M", "V", "A", gpu_model="G", storage_type="S")
    capacity = Capacity(cpu_cores_total=64, memory_gb_total=256, gpus_total=4, storage_gb_total=100)
    assert published(hardware, capacity) == (
        "17e47ad074f48c9d93eae7694bf8b189f0e826ac8bb3d95ae54690a8eddac9c1"
    )


def test_the_virtual_machine_is_described() -> None:
    """As its kernel shows it."""
    files = Files(str(VM))
    assert processor.processor(files).model == "AMD EPYC"
    assert (machine.storage_type(files), machine.interconnect(files)) == ("hdd", ("ethernet", ""))
