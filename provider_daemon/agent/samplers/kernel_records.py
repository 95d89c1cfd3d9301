"""Parses records of the kernel's log, from /dev/kmsg, and the NVIDIA driver's messages in it. Pure."""

import re
from dataclasses import dataclass

# `6,339,5140900,-;text`: priority and facility, sequence, microseconds since boot, flags. A line that starts
# with a space continues the record with a field (Documentation/ABI/testing/dev-kmsg of the kernel).
_RECORD = re.compile(r"(\d{1,9}),\d+,(\d{1,18}),[^;]*;(.*)")
_XID = re.compile(r"NVRM: Xid \((?:PCI:)?([0-9A-Fa-f]+:[0-9A-Fa-f]+:[0-9A-Fa-f]+)(?:\.\d)?\): (\d{1,6})(.*)")
_RECOVERY = re.compile(r" to 0x([0-9A-Fa-f]{1,8})")
_LOADED = re.compile(r"NVRM: loading NVIDIA ")
_LEVELS = 8  # priority: 8 times the facility, which is 0 for the kernel itself, plus the level
ERROR, WARNING = 3, 4  # KERN_ERR and KERN_WARNING; what is worse has a lower number
RECOVERY_ACTION_CHANGED = 154


@dataclass(frozen=True, slots=True)
class Record:
    """`level`: 0 (emergency) to 7 (debug). `at`: seconds since boot."""

    level: int
    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Xid:
    """An error that the NVIDIA driver logged. `address`: `0000:3b:00`, the GPU's place on the PCI bus.

    `recovered`: the message is that the GPU needs no recovery any more.
    """

    address: str
    number: int
    at: float
    recovered: bool = False


def records(text: str) -> list[Record]:
    """Returns the kernel's records in the text.

    What programs wrote into the log is left out, and so are lines that continue a record.
    """
    found = (_RECORD.fullmatch(line) for line in text.splitlines())
    read = [(int(each[1]), int(each[2]) / 1e6, each[3]) for each in found if each]
    return [Record(*record) for record in read if record[0] < _LEVELS]


def xid(record: Record) -> Xid | None:
    """Returns the NVIDIA driver's error in a record, if it is one."""
    found = _XID.match(record.text)
    if not found:
        return None
    number = int(found[2])
    action = _RECOVERY.search(found[3]) if number == RECOVERY_ACTION_CHANGED else None
    return Xid(found[1].lower(), number, record.at, bool(action and int(action[1], 16) == 0))


def is_driver_start(record: Record) -> bool:
    """Reports whether the NVIDIA driver was loaded: its GPUs are as new, whatever they had before."""
    return bool(_LOADED.match(record.text))
