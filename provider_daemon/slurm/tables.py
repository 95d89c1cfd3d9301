"""Reads tables of squeue and sacct that contain foreign output between rows and free text inside fields.

Every field ends in the query's random mark, and every row holds its job id three times: as first, second and
last field. The first follows whatever was printed before the row, so it is only compared; the second stands
between two marks and is the id. Text without a mark is foreign: wrappers, module systems and plugins print
it. Text with a mark that is not a row is unread: it may have been a row of one of provd's jobs, so those jobs
must not count as absent.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from provider_daemon.errors import Transient, Unreadable
from provider_daemon.job.slurm_id import is_slurm_id
from provider_daemon.text import printable

Value = TypeVar("Value")

_DIGITS = re.compile(r"[0-9]+")
SHOWN = 200  # characters of unreadable text in errors and logs


@dataclass(frozen=True, slots=True)
class Unread:
    """An unreadable record and the reason.

    `whole` means that all fields are present, so `slurm_id` and `name` identify the job.
    """

    text: str
    why: str
    whole: bool = False
    slurm_id: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Reading(Generic[Value]):
    """`foreign` holds the lines that belong to no row."""

    rows: tuple[Value, ...]
    unread: tuple[Unread, ...] = ()
    foreign: tuple[str, ...] = ()


def columns(key: str, fields: Sequence[str]) -> tuple[str, ...]:
    """Returns the columns to query: the key twice, the fields, the key again."""
    return (key, key, *fields, key)


def read(
    what: str,
    text: str,
    mark: str,
    fields: Sequence[str],
    key: str,
    names: Sequence[str],
    make: Callable[[Mapping[str, str]], Value],
) -> Reading[Value]:
    """Parses a table.

    `fields` excludes the key; `names` are the fields that hold the job's name. `make` raises Unreadable for
    an invalid row. Raises Transient if the header is missing: the program failed, whatever its exit code, and
    an empty table is then not an answer.
    """
    found = list(_split(text, mark, len(fields) + 3))
    header = [row for row in found if isinstance(row, _Row) and row.id.upper() == key.upper()]
    if not header:
        raise Transient(f"{what}: the output has no header line: {printable(text.strip()[:SHOWN])!r}")
    rows, unread, foreign = list[Value](), list[Unread](), list[str]()
    for part in found:
        if isinstance(part, _Odd):
            unread.append(Unread(part.text[:SHOWN], "it is not a whole row"))
            continue
        foreign += _lines(part.before)
        if isinstance(part, _Row) and part not in header:
            values = {key: part.id, **dict(zip(fields, part.fields, strict=True))}
            try:
                if not is_slurm_id(part.id):
                    raise Unreadable(f"invalid SLURM job id: {part.id[:40]!r}")
                rows.append(make(values))
            except Unreadable as error:
                shown, name = " ".join(part.fields)[:SHOWN], " ".join(values[field] for field in names)
                unread.append(
                    Unread(f"{part.id[:40]} {shown}", str(error), whole=True, slurm_id=part.id, name=name)
                )
    return Reading(tuple(rows), tuple(unread), tuple(foreign))


def joined(readings: Iterable[Reading[Value]]) -> Reading[Value]:
    """Merges several readings into one."""
    parts = tuple(readings)
    return Reading(
        tuple(row for part in parts for row in part.rows),
        tuple(row for part in parts for row in part.unread),
        tuple(line for part in parts for line in part.foreign),
    )


@dataclass(frozen=True, slots=True)
class _Foreign:
    before: str


@dataclass(frozen=True, slots=True)
class _Row:
    before: str
    id: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Odd:
    text: str


def _split(text: str, mark: str, width: int) -> Iterator[_Row | _Odd | _Foreign]:
    """Yields rows of `width` fields, and the text between them."""
    *tokens, rest = text.split(mark)
    odd: list[str] = []
    start = 0
    while start < len(tokens):
        row = _row(tokens[start : start + width], width)
        if row is None:
            odd.append(tokens[start])
            start += 1
            continue
        if odd:
            yield _Odd(" ".join(odd))
            odd = []
        yield row
        start += width
    if odd or _cut_id(rest, mark):
        yield _Odd(" ".join([*odd, rest.strip()]))
    else:
        yield _Foreign(rest)


def _cut_id(rest: str, mark: str) -> bool:
    """Whether this may be a row that was truncated within its first field or the mark after it."""
    last = rest.rpartition("\n")[2]
    return any(
        _DIGITS.fullmatch(last.removesuffix(mark[:size]))
        for size in range(len(mark))
        if last.endswith(mark[:size])
    )


def _row(tokens: Sequence[str], width: int) -> _Row | None:
    if len(tokens) < width:
        return None
    first, key, *fields, last = tokens
    if not key or key != last or key.split() != [key] or not first.endswith(key):
        return None
    return _Row(first.removesuffix(key), key, tuple(fields))


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def concerned(
    unread: Iterable[Unread], names: Mapping[str, str] | Iterable[str], ids: Mapping[str, str]
) -> frozenset[str] | None:
    """Returns the `names` that an unread record may belong to; None if it may belong to any job.

    `ids` maps names to their known SLURM job ids.
    """
    watched = frozenset(names)
    found: set[str] = set()
    for record in unread:
        of_it = _concerned(record, watched, ids)
        if of_it is None:
            return None
        found |= of_it
    return frozenset(found)


def _concerned(record: Unread, names: frozenset[str], ids: Mapping[str, str]) -> set[str] | None:
    if record.whole:
        return {name for name in names if name in record.name or ids.get(name) == record.slurm_id}
    words = record.text.split()
    found = {name for name in names if name in record.text or ids.get(name, " ") in words}
    return found or None
