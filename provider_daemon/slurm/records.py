"""scontrol's one-line records (`show node -o`, `show partition -o`) among a site's own words.

Comments and other free text stand at a record's end and may hold line breaks and anything that reads as a
field, so only the fields before the first free text count, and a record ends where its line ends. What stands
between the records is left out."""

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
# The kernel's own name of a node, as its slurmd reports it: it ends where the next field begins, the last one
# of that name.
_OS = re.compile(r" OS=.* (?=RealMemory=)")


def read(what: str, text: str, key: str, make: Callable[[Fields, str], Value]) -> Reading[Value]:
    """`key`: the field that a record begins with; `make` gets the fields and the whole line, and raises
    Unreadable for what is none.

    A name that comes twice is of no record: one of them is somebody's comment. Raises Transient where no
    record is at all."""
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
    """Those before the free text; the first of a name counts."""
    head = _OS.sub(" ", _FREE_TEXT.split(line, maxsplit=1)[0])
    return dict(reversed(_FIELD.findall(head)))


def has_free_text(text: str) -> bool:
    """Whether a comment, which keeps its line breaks, is anywhere: only then can one read as a record."""
    return re.search(r" (?:Comment|Extra)=", text) is not None


def _lines(text: str, key: str) -> tuple[list[str], list[str]]:
    """(the records, the lines that are none). Words that are printed without a line break stand before the
    first record alone."""
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
    """The lines below the header of a `sacctmgr -P` table, which begins so. Raises Transient where there is
    none."""
    lines = iter(text.split("\n"))
    if not any(header in line for line in lines):
        raise Transient(f"{what}: the output has no header line: {printable(text.strip()[:SHOWN])!r}")
    yield from lines
