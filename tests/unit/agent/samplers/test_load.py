"""How busy a node is follows from the kernel's counters at two times."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.agent.samplers.load import LoadSampler
from provider_daemon.agent.samplers.proc import CpuTime, Traffic
from provider_daemon.agent.samplers.readings import Readings
from provider_daemon.agent.samplers.utilization import cpu_percent, disk_percent, network_percent
from tests.unit.agent.samplers.trees import VM, copy, put

STAT = "cpu  {busy} 0 0 {idle} 0 0 0 0 0 0\n"
DISK = " 254 0 vda 1 2 3 4 5 6 7 8 0 {busy} 12\n 253 0 zram0 1 2 3 4 5 6 7 8 0 {other} 12\n"
NET = (
    "Inter-|\n face |\n"
    "  eth0: {received} 0 0 0 0 0 0 0 {sent} 0 0 0 0 0 0 0\n"
    "    lo: {lo} 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
)


def counters(root: Path, *, busy: int, idle: int, disk: int, received: int) -> None:
    put(
        root,
        {
            "proc/stat": STAT.format(busy=busy, idle=idle),
            "proc/diskstats": DISK.format(busy=disk, other=disk * 9),
            "proc/net/dev": NET.format(received=received, sent=0, lo=received * 9),
        },
    )


def test_each_percentage_is_that_of_the_time_between_two_samples(tmp_path: Path) -> None:
    """Memory disks and the loopback interface do not count."""
    root = copy(VM, tmp_path)
    counters(root, busy=1000, idle=1000, disk=5000, received=10**9)
    sampler = LoadSampler(put(root, {}), Readings(), 1000, monotonic=100.0)
    counters(root, busy=1300, idle=1100, disk=7000, received=10**9 + 500_000_000)
    load = sampler.sample(110.0)
    assert (load.cpu, load.disk, load.network) == (75, 20, 40)
    assert load.memory == 7
    assert [float(each) > 0 for each in load.averages] == [True] * 3
    idle = sampler.sample(120.0)
    assert (idle.cpu, idle.disk, idle.network) == (0, 0, 0)


def test_two_samples_within_a_second_are_one(tmp_path: Path) -> None:
    """The counters tick too rarely for so short a time; the first sample knows no percentages yet."""
    root = copy(VM, tmp_path)
    counters(root, busy=0, idle=0, disk=0, received=0)
    sampler = LoadSampler(put(root, {}), Readings(), 0, monotonic=0.0)
    counters(root, busy=1, idle=0, disk=0, received=0)
    assert sampler.sample(0.5).cpu == 0
    counters(root, busy=50, idle=50, disk=0, received=0)
    assert [sampler.sample(10.0).cpu, sampler.sample(10.2).cpu] == [50, 50]


def test_the_driver_names_the_speed_of_a_card(tmp_path: Path) -> None:
    """-1 is a driver that does not know: then there is no percentage."""
    root = copy(VM, tmp_path)
    files, percentages = put(root, {}), []
    for speed in ("-1", "1000", ""):
        put(root, {"sys/class/net/eth0/speed": speed + "\n"})
        counters(root, busy=0, idle=0, disk=0, received=0)
        sampler = LoadSampler(files, Readings(), 0, monotonic=0.0)
        counters(root, busy=0, idle=0, disk=0, received=125_000_000)
        percentages.append(sampler.sample(10.0).network)
    assert percentages == [0, 10, 0]


def test_a_file_that_cannot_be_read_changes_nothing_else(tmp_path: Path) -> None:
    """The last value stays and the reading is named; the others are as fresh as ever."""
    root, readings = copy(VM, tmp_path), Readings()
    sampler = LoadSampler(put(root, {}), readings, 0, monotonic=0.0)
    before = sampler.sample(1.0)
    put(root, {"proc/meminfo": "MemTotal: much kB\n", "proc/loadavg": "1.00 2.00 3.00 1/1 1\n"})
    after = sampler.sample(2.0)
    assert (after.memory, after.averages) == (before.memory, ("1.000000", "2.000000", "3.000000"))
    assert list(readings.errors) == ["memory"]
    put(root, {"proc/meminfo": "MemTotal: 100 kB\nMemAvailable: 25 kB\n"})
    assert (sampler.sample(3.0).memory, readings.errors) == (75, {})


TIMES = st.builds(CpuTime, st.integers(0, 2**40), st.integers(0, 2**40))
BYTES = st.dictionaries(
    st.sampled_from("abc"), st.builds(Traffic, st.integers(0, 2**60), st.integers(0, 2**60))
)


@given(before=TIMES, after=TIMES, first=BYTES, then=BYTES, seconds=st.floats(0, 1e6))
def test_a_percentage_is_one_whatever_the_counters_do(
    before: CpuTime, after: CpuTime, first: dict[str, Traffic], then: dict[str, Traffic], seconds: float
) -> None:
    """Counters may start again, devices may come and go, and no time may have passed."""
    busy, still = ({name: each.sent for name, each in found.items()} for found in (first, then))
    speeds = dict.fromkeys("ab", 100)
    found = [
        cpu_percent(before, after),
        disk_percent(busy, still, seconds),
        network_percent(first, then, speeds, seconds),
    ]
    assert all(0 <= each <= 100 for each in found)
