"""What Linux shows in /proc is parsed as proc(5) describes it, and nothing else is."""

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.agent.samplers import proc, sockets
from provider_daemon.errors import Unreadable
from tests.unit.agent.samplers.trees import VM

PARSERS: list[Callable[[str], object]] = [
    proc.cpu_time,
    proc.memory,
    proc.numa_memory,
    proc.load,
    proc.uptime,
    proc.disks,
    proc.interfaces,
    proc.first_processor,
    proc.number_list,
    sockets.tcp_ports,
    sockets.unix_paths,
]
LINES = st.lists(
    st.lists(st.text("0123456789abcF:.-kB/ \tcpuMemTotalAvailable", max_size=12), max_size=12).map(" ".join)
)


def shown(name: str) -> str:
    return (VM / name).read_text()


def test_processor_time_is_split_into_busy_and_idle() -> None:
    """Waiting for disks is idle time; the time of guests is not counted twice."""
    assert proc.cpu_time(shown("proc/stat")) == proc.CpuTime(
        busy=4698110 + 530599 + 1241379 + 32940 + 7918,
        total=4698110 + 530599 + 1241379 + 32940 + 7918 + 1193183 + 20798,
    )
    assert proc.cpu_time("cpu  10 0 0 90 0 0 0 0 7 0\n") == proc.CpuTime(10, 100)


def test_memory_load_and_uptime_are_read() -> None:
    """Memory is in KiB, load averages have six places, the uptime is in whole seconds."""
    memory = proc.memory(shown("proc/meminfo"))
    assert (memory.total, proc.numa_memory(shown("sys/devices/system/node/node0/meminfo"))) == (24684084,) * 2
    assert 0 < memory.available < memory.total
    assert proc.load("0.5 12.25 3.00 1/100 4242\n") == ("0.500000", "12.250000", "3.000000")
    assert proc.uptime("38673.52 1234.00\n") == 38673


def test_disks_and_interfaces_are_listed_with_their_counters() -> None:
    """The busy time of disks is in milliseconds, interfaces count bytes."""
    assert proc.disks(shown("proc/diskstats"))["vda"] > 1_000_000
    found = proc.interfaces(shown("proc/net/dev"))
    assert set(found) == {"lo", "ifb0", "ifb1", "eth0", "docker0"}
    assert found["lo"].received == found["lo"].sent > 0


def test_the_first_processor_of_many_is_read() -> None:
    """Later processors do not count."""
    first = proc.first_processor(shown("proc/cpuinfo") + "\n\nprocessor : 1\nmodel name : other\n")
    assert (first["vendor_id"], first["model name"]) == ("AuthenticAMD", "AMD EPYC")


@pytest.mark.parametrize(
    ("text", "numbers"), [("0-1\n", {0, 1}), ("0-2,8,10-11", {0, 1, 2, 8, 10, 11}), ("", set()), ("5", {5})]
)
def test_lists_of_numbers_are_parsed(text: str, numbers: set[int]) -> None:
    """As the kernel writes processors and NUMA nodes."""
    assert proc.number_list(text) == numbers


@pytest.mark.parametrize("text", ["", "0.5 1.0", "1 2 3", "0.1 0.2 nan", "9" * 5000 + " 1.0 1.0"])
def test_a_bad_load_average_is_unreadable(text: str) -> None:
    """It is not sent to the collector, which would refuse the whole heartbeat."""
    with pytest.raises(Unreadable):
        proc.load(text)


def test_a_number_that_no_kernel_counts_to_is_unreadable() -> None:
    """Nor does it stop the agent."""
    with pytest.raises(Unreadable):
        proc.uptime("9" * 5000)


@pytest.mark.parametrize("text", ["3-1", "a", "1-", "-1", "0-99999999", "1,,x"])
def test_a_bad_list_of_numbers_is_unreadable(text: str) -> None:
    """It is not half of a list, and not a list that fills the memory."""
    with pytest.raises(Unreadable):
        proc.number_list(text)


def test_listening_sockets_are_told_from_connections() -> None:
    """Connected sockets and those of clients have paths and ports too."""
    assert sockets.unix_paths(shown("proc/net/unix")) == {
        "/srv/slurm/m.sock",
        "/srv/slurm/munge/munge.socket.2",
        "/srv/slurm/spool/n1/n1_1.0",
        "/srv/slurm/spool/n1/n1_1.4294967291",
        "/srv/slurm/spool/n1/n1_2.4294967291",
        "/srv/slurm/spool/n2/n2_1.0",
    }
    assert {11521, 11522} <= sockets.tcp_ports(shown("proc/net/tcp"), shown("proc/net/tcp6"))
    connected = "Num RefCount Protocol Flags\n000: 00000003 00000000 00000000 0001 03 1 /run/x\n"
    assert not sockets.unix_paths(connected)
    established = "sl local\n 0: 0100007F:1AA2 0100007F:D40C 01 00000000:00000000\n"
    assert not sockets.tcp_ports(established)


@pytest.mark.parametrize("parse", PARSERS, ids=lambda parse: parse.__name__)
@given(text=LINES.map("\n".join) | st.text())
def test_any_text_is_parsed_or_unreadable(parse: Callable[[str], object], text: str) -> None:
    """No other error comes out of a parser."""
    with contextlib.suppress(Unreadable):
        parse(text)
