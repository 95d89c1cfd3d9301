"""Reads a known_hosts file line by line. Unreadable lines are reported by number; the others are used."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncssh

MARKERS = ("@cert-authority", "@revoked")


@dataclass(frozen=True, slots=True)
class KnownHosts:
    """`torn` holds the numbers of the unreadable lines."""

    hosts: asyncssh.SSHKnownHosts
    torn: tuple[int, ...]


def read(path: str) -> KnownHosts:
    """Raises OSError, or ValueError if no line is readable."""
    lines = Path(path).read_bytes().decode(errors="replace").split("\n")
    good, torn = list[str](), list[int]()
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.lstrip().startswith("#"):
            if _readable(line):
                good.append(line)
            else:
                torn.append(number)
    if torn and not good:
        raise ValueError(f"{path}: no line can be read: {', '.join(map(str, torn[:5]))}")
    return KnownHosts(asyncssh.import_known_hosts("\n".join(good)), tuple(torn))


def lines(numbers: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, numbers[:5]))
    return f"{'lines' if len(numbers) > 1 else 'line'} {shown}{' and more' if len(numbers) > 5 else ''}"


def _readable(line: str) -> bool:
    """asyncssh silently skips a key that it cannot parse, and rejects the whole file for other errors."""
    try:
        asyncssh.import_known_hosts(line)
        return any(_is_key(text) for text in _key_texts(line))
    except (ValueError, IndexError):
        return False


def _key_texts(line: str) -> Iterator[str]:
    words = line.split(None, 2 if line.lstrip().startswith(MARKERS) else 1)
    yield words[-1]


def _is_key(text: str) -> bool:
    try:
        asyncssh.import_public_key(text)
    except asyncssh.KeyImportError:
        return False
    return True
