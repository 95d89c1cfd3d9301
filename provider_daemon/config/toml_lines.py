"""Finds the line of each key in a TOML text, which tomllib does not report. Pure."""

import re
import tomllib
from collections.abc import Iterator
from typing import Any

Path = tuple[str | int, ...]
"""The path of a value in an error: ("clusters", 0, "ssh", "port")."""

_HEADER = re.compile(r"\s*\[")
_KEY = re.compile(r"""\s*((?:"(?:\\.|[^"\\])*"|'[^']*'|[\w-]+|\s*\.\s*)+?)\s*=""")


def lines_of(text: str) -> dict[Path, int]:
    """Returns the line of each table and key; elements of arrays and inline tables have their key's line."""
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
    """Returns the line of a key, or of the nearest enclosing table in the file; 1 if there is none."""
    return next(
        (places[where[:length]] for length in range(len(where), 0, -1) if where[:length] in places), 1
    )


def shown(where: Path) -> str:
    """("clusters", 0, "ssh", "port") -> clusters[0].ssh.port"""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in where).removeprefix(".")


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yields (first line number, text) of each header and assignment; a value may span several lines."""
    open_lines: list[str] = []
    first = 1
    # No other character ends a line of TOML.
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
    """Yields a, b for {"a": {"b": 0}}."""
    while isinstance(value, dict) and value:
        ((name, value),) = value.items()
        yield name


def _numbered(header: dict[str, Any], counts: dict[Path, int]) -> Path:
    """Returns a header's path: `[clusters.ssh]` below the second `[[clusters]]` is ("clusters", 1, "ssh")."""
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
