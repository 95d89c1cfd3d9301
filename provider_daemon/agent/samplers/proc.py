"""Parsers of what Linux shows in /proc. Pure; each raises Unreadable with what was seen (proc(5))."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from provider_daemon.errors import Unreadable

# Columns of a line of /proc/stat: user nice system idle iowait irq softirq steal. Those after them, the time
# of guests, are part of `user` and `nice`.
_COUNTED, _IDLE = slice(1, 9), slice(4, 6)
_AVERAGE = re.compile(r"[0-9]{1,9}\.[0-9]{1,9}")
_MILLISECONDS_OF_IO = 12  # column of /proc/diskstats: how long the disk was busy
_MAX_DIGITS = 20  # of an unsigned number of 64 bits
_RECEIVED, _SENT = 0, 8  # columns of /proc/net/dev: bytes


@dataclass(frozen=True, slots=True)
class CpuTime:
    """Clock ticks of all processors since boot."""

    busy: int
    total: int


@dataclass(frozen=True, slots=True)
class Memory:
    """In KiB. `available`: what could be used without swapping."""

    total: int
    available: int


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes of a network interface since it exists."""

    received: int
    sent: int


def cpu_time(stat: str) -> CpuTime:
    words = _line(stat, "cpu ").split()
    counted = [_number(word) for word in words[_COUNTED]]
    idle = sum(_number(word) for word in words[_IDLE])
    return CpuTime(sum(counted) - idle, sum(counted))


def memory(meminfo: str) -> Memory:
    return Memory(*(_number(_line(meminfo, f"{name}:").split()[1]) for name in ("MemTotal", "MemAvailable")))


def numa_memory(meminfo: str) -> int:
    """Returns the total in KiB from a NUMA node's meminfo: `Node 0 MemTotal:  24684084 kB`."""
    words = meminfo.split()
    if words[2:3] != ["MemTotal:"] or words[4:5] != ["kB"]:
        raise Unreadable(f"NUMA node: unexpected {meminfo[:80]!r}")
    return _number(words[3])


def load(loadavg: str) -> tuple[str, ...]:
    """Returns the averages of 1, 5 and 15 minutes with six places."""
    words = loadavg.split()[:3]
    if len(words) != 3 or not all(map(_AVERAGE.fullmatch, words)):
        raise Unreadable(f"load averages: unexpected {loadavg[:80]!r}")
    return tuple(f"{float(word):.6f}" for word in words)


def uptime(text: str) -> int:
    """Returns whole seconds since boot."""
    return _number(text.partition(".")[0])


def disks(diskstats: str) -> Mapping[str, int]:
    """Returns for each block device how many milliseconds it was busy since boot."""
    rows = (line.split() for line in diskstats.splitlines())
    return {row[2]: _number(row[_MILLISECONDS_OF_IO]) for row in rows if len(row) > _MILLISECONDS_OF_IO}


def interfaces(net_dev: str) -> Mapping[str, Traffic]:
    found: dict[str, Traffic] = {}
    for line in net_dev.splitlines():
        name, colon, rest = line.rpartition(":")
        numbers = rest.split()
        if colon and len(numbers) > _SENT:
            found[name.strip()] = Traffic(_number(numbers[_RECEIVED]), _number(numbers[_SENT]))
    return found


def first_processor(cpuinfo: str) -> Mapping[str, str]:
    """Returns the fields of the first processor in /proc/cpuinfo."""
    lines = (line.partition(":") for line in cpuinfo.partition("\n\n")[0].splitlines())
    return {name.strip(): value.strip() for name, colon, value in lines if colon}


def number_list(text: str) -> frozenset[int]:
    """Parses a list of numbers as the kernel writes it: `0-3,8`. Empty text is an empty list."""
    found: set[int] = set()
    for part in filter(None, text.strip().split(",")):
        first, dash, last = part.partition("-")
        least, most = _number(first), _number(last if dash else first)
        if not least <= most < 2**20:
            raise Unreadable(f"list of numbers: unexpected {text[:80]!r}")
        found.update(range(least, most + 1))
    return frozenset(found)


def _line(text: str, start: str) -> str:
    for line in text.splitlines():
        if line.startswith(start) and len(line.split()) > 1:
            return line
    raise Unreadable(f"no line {start.strip()!r} in {text[:80]!r}")


def _number(word: str) -> int:
    if not (word.isascii() and word.isdecimal() and len(word) <= _MAX_DIGITS):
        raise Unreadable(f"not a number: {word[:80]!r}")
    return int(word)
