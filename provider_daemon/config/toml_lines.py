"""Where in a TOML text each key stands. Pure; tomllib itself tells values but not places."""

import re
import tomllib
from collections.abc import Iterator
from typing import Any

Path = tuple[str | int, ...]
"""Of a value, as an error names it: ("clusters", 0, "ssh", "port")."""

_HEADER = re.compile(r"\s*\[")
_KEY = re.compile(r"""\s*((?:"(?:\\.|[^"\\])*"|'[^']*'|[\w-]+|\s*\.\s*)+?)\s*=""")


def lines_of(text: str) -> dict[Path, int]:
    """The line of each table and key of a text that tomllib takes; the elements of arrays and inline tables
    stand with their key."""
    places: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    for number, statement in _statements(text):
        if _HEADER.match(statement):
            table = _numbered(tomllib.loads(statement), counts)
            places.setdefault(table, number)
        elif key := _KEY.match(statement):
            names = tuple(_names(tomllib.loads(f"{key[1]} = 0")))
            for length in range(1, len(names) + 1):
                places.setdefault((*table, *names[:length]), number)
    return places


def line_of(where: Path, places: dict[Path, int]) -> int:
    """The line of a key, or of the nearest table around it that the file has; 1 when there is none."""
    return next(
        (places[where[:length]] for length in range(len(where), 0, -1) if where[:length] in places), 1
    )


def shown(where: Path) -> str:
    """("clusters", 0, "ssh", "port") -> clusters[0].ssh.port"""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in where).removeprefix(".")


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """(number of its first line, whole text) of each header and assignment; a value may go on over many
    lines."""
    open_lines: list[str] = []
    first = 1
    # no other character ends a line of TOML
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        first = first if open_lines else number
        open_lines.append(line)
        if _complete("\n".join(open_lines)):
            yield first, "\n".join(open_lines)
            open_lines = []


def _complete(statement: str) -> bool:
    try:
        tomllib.loads(statement)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _names(value: Any) -> Iterator[str]:
    """{"a": {"b": 0}} -> a, b"""
    while isinstance(value, dict) and value:
        ((name, value),) = value.items()
        yield name


def _numbered(header: dict[str, Any], counts: dict[Path, int]) -> Path:
    """The path of a header's table; `[clusters.ssh]` below the second `[[clusters]]` -> ("clusters", 1,
    "ssh")."""
    path: Path = ()
    value: Any = header
    while value:
        ((name, value),) = value.items()
        path = (*path, name)
        if isinstance(value, list):
            counts[path] = counts.get(path, -1) + 1
            value = value[0]
        if path in counts:
            path = (*path, counts[path])
    return path
