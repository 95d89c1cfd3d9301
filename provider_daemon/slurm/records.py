"""Reads scontrol's one-line records (`show node -o`, `show partition -o`) among foreign output.

Comments and other free text stand at the end of a record. They may contain line breaks and text that parses
as a field. Therefore only the fields before the first free text count, and a record ends with its line. Text
between records is ignored.
"""

import re
from collections.abc import Callable, Iterator
from typing import TypeVar

from provider_daemon.errors import Transient, Unreadable
from provider_daemon.slurm.tables import SHOWN, Reading, Unread
from provider_daemon.text import printable

Value = TypeVar("Value")
Fields = dict[str, str]

_FIELD = re.compile(r"(?:^|\s)([A-Za-z/:]+)=(\S*)")
_FREE_TEXT = re.compile(r" (?:Comment|Extra|Reason|AdminComment)=")
# The kernel version of a node, as slurmd reports it. It ends at the line's last RealMemory field.
_OS = re.compile(r" OS=.* (?=RealMemory=)")


def read(what: str, text: str, key: str, make: Callable[[Fields, str], Value]) -> Reading[Value]:
    """Parses records that begin with the field `key`.

    `make` gets the fields and the whole line, and raises Unreadable for an invalid record. A name that occurs
    twice is rejected: one of the two is a comment. Raises Transient if there is no record.
    """
    lines, foreign = _lines(text, key)
    if not lines:
        raise Transient(f"{what}: the output contains no record: {printable(text.strip()[:SHOWN])!r}")
    names = [line.split(maxsplit=1)[0] for line in lines]
    rows, unread = list[Value](), list[Unread]()
    for name, line in zip(names, lines, strict=True):
        try:
            if names.count(name) > 1:
                raise Unreadable("two records have this name")
            rows.append(make(fields(line), line))
        except (Unreadable, KeyError, ValueError) as error:
            why = f"no field {error}" if isinstance(error, KeyError) else str(error)
            unread.append(Unread(line[:SHOWN], why, whole=True, name=name.removeprefix(f"{key}=")))
    return Reading(tuple(rows), tuple(dict.fromkeys(unread)), tuple(foreign))


def fields(line: str) -> Fields:
    """Returns the fields before the free text; the first of each name counts."""
    head = _OS.sub(" ", _FREE_TEXT.split(line, maxsplit=1)[0])
    return dict(reversed(_FIELD.findall(head)))


def has_free_text(text: str) -> bool:
    """Whether the text has a comment. Comments keep their line breaks, so one may parse as a record."""
    return re.search(r" (?:Comment|Extra)=", text) is not None


def _lines(text: str, key: str) -> tuple[list[str], list[str]]:
    """Returns (records, other lines). Foreign text without a line break can only precede the first record."""
    records, others, commented = list[str](), list[str](), False
    for line in text.split("\n"):
        before, found, rest = line.partition(f"{key}=")
        if found and (not before or not (commented or before.startswith(" "))):
            records.append(found + rest)
            others += [before] if before else []
            commented = _FREE_TEXT.search(line) is not None
        elif line.strip() and not commented:
            others.append(line.strip())
    return records, others


def rows_after(what: str, text: str, header: str) -> Iterator[str]:
    """Yields the lines below the header of a `sacctmgr -P` table. Raises Transient if there is no header."""
    lines = iter(text.split("\n"))
    if not any(header in line for line in lines):
        raise Transient(f"{what}: the output has no header line: {printable(text.strip()[:SHOWN])!r}")
    yield from lines
