"""Checks a chain of records: the first that is wrong, and whether its end was cut off. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from provider_daemon.audit_log.records import Action, Head, Record, parse_head, read_line


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a log, and where it stands."""

    text: str
    file: str
    number: int

    def __str__(self) -> str:
        return f"{self.file}, line {self.number}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`problem`: the first one, "" if the chain is whole. `first`: the oldest record that is left."""

    records: int
    first: int
    head: Head
    problem: str = ""


def verify(lines: Iterable[Line], anchors: Iterable[Head] = ()) -> Verdict:
    """`anchors`: records that were seen elsewhere, and which the chain must have, unless it was pruned."""
    wanted = {anchor.sequence: anchor.hash for anchor in anchors if anchor.sequence}
    count, first, head, start, pruned = 0, 0, Head(), Head(), set[str]()
    for line in lines:
        try:
            record, digest = read_line(line.text)
            _check(record, digest, head if count else None, wanted)
        except ValueError as error:
            return Verdict(count, first, head, f"record {head.sequence + 1} ({line}): {error}")
        if not count:
            first, start = record.sequence, Head(record.sequence - 1, record.previous)
        if record.action == Action.PRUNED:
            pruned.add(record.object)
        count, head = count + 1, Head(record.sequence, digest)
    return Verdict(count, first, head, _ends(start, head, pruned, wanted))


def _check(record: Record, digest: str, before: Head | None, wanted: dict[int, str]) -> None:
    """Raises ValueError."""
    if record.hash != digest:
        raise ValueError("its content does not match its hash")
    if before is not None and record.sequence != before.sequence + 1:
        raise ValueError(f"its number is {record.sequence}: records were removed or inserted before it")
    if before is not None and record.previous != before.hash:
        raise ValueError("its previous hash is not the hash of the record before it")
    if wanted.get(record.sequence, digest) != digest:
        raise ValueError("a record with another hash was seen earlier under this number")


def _ends(start: Head, head: Head, pruned: set[str], wanted: dict[int, str]) -> str:
    if start.sequence and str(start) not in pruned:
        return f"records 1 to {start.sequence} are missing, and no later record says that they were pruned"
    newest = max(wanted, default=0)
    if newest > head.sequence:
        return f"the log ends with record {head.sequence}, but record {newest} was seen: its end was cut off"
    return ""


__all__ = ["Line", "Verdict", "parse_head", "verify"]
