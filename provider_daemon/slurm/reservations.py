"""Parses `scontrol show reservation -o`."""

import re

from provider_daemon.errors import Unreadable
from provider_daemon.job.maintenance import Reservation
from provider_daemon.slurm import records
from provider_daemon.slurm.records import Fields
from provider_daemon.slurm.tables import Reading

NONE = "No reservations in the system"  # scontrol's whole answer, with exit code 0, where there are none
MAINTENANCE_FLAG = "MAINT"

_NAME = re.compile(r"[A-Za-z0-9_.@+-]{1,255}")
_SECONDS = re.compile(r"[0-9]{1,11}")
_COUNT = re.compile(r"[0-9]{1,7}")


def reservations(text: str) -> Reading[Reservation]:
    """Parses one record per reservation. Unreadable records are reported in `unread`; the others are used.

    Raises Transient if the output has neither a record nor SLURM's line for no reservations.
    """
    if any(line.strip() == NONE for line in text.split("\n")):
        return Reading(())
    return records.read("scontrol show reservation", text, "ReservationName", _reservation)


def _reservation(field: Fields, line: str) -> Reservation:
    starts_at, ends_at = _number(_SECONDS, field, "StartTime"), _number(_SECONDS, field, "EndTime")
    if ends_at <= starts_at:
        raise Unreadable(f"the reservation ends at {ends_at}, and starts at {starts_at}")
    if not _NAME.fullmatch(field["ReservationName"]):
        raise Unreadable(f"invalid reservation name: {field['ReservationName'][:40]!r}")
    return Reservation(
        name=field["ReservationName"],
        starts_at=starts_at,
        ends_at=ends_at,
        nodes=_number(_COUNT, field, "NodeCnt"),
        maintenance=MAINTENANCE_FLAG in field["Flags"].split(","),
    )


def _number(pattern: re.Pattern[str], field: Fields, name: str) -> int:
    if not pattern.fullmatch(field[name]):
        raise Unreadable(f"invalid {name}: {field[name][:40]!r}")
    return int(field[name])
