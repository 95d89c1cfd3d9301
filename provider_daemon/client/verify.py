"""Checks results: the manifest against the evidence, and files against the manifest. Pure.

A manifest is UTF-8 text with a line `<sha256> <size> <path as a JSON string>` for each file, sorted by the
bytes of the paths. Its root is the SHA-256 of the whole text (docs/data.md).
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from provider_daemon.errors import Unreadable
from provider_daemon.job.transfer import Results

_LINE = re.compile(r'([0-9a-f]{64}) (0|[1-9][0-9]{0,17}) (".*")')
MAX_PATH = 4096  # bytes


@dataclass(frozen=True, slots=True)
class ResultFile:
    """`path` is relative, with `/`. Bytes that are not UTF-8 are surrogate escapes, as in os.fsdecode."""

    path: str
    size: int
    sha256: str


def manifest(text: bytes) -> tuple[ResultFile, ...]:
    """Raises Unreadable for a text of another form, or with a path that could lead out of a directory."""
    try:
        lines = text.decode().split("\n")
    except UnicodeDecodeError:
        raise Unreadable("the manifest is not UTF-8 text") from None
    if lines.pop() != "":
        raise Unreadable("the manifest does not end with a line break")
    files = tuple(_file(number, line) for number, line in enumerate(lines, 1))
    keys = [_bytes(file.path) for file in files]
    for number, (first, second) in enumerate(pairwise(keys), 2):
        if first >= second:
            raise Unreadable(f"line {number} of the manifest: its path is not after that of the line before")
    return files


def _file(number: int, line: str) -> ResultFile:
    found = _LINE.fullmatch(line)
    try:
        path = json.loads(found[3]) if found else None
    except ValueError:
        path = None
    if found is None or not isinstance(path, str):
        raise Unreadable(f"line {number} of the manifest: must be a hash, a size and a path as a JSON string")
    if why := unsafe(path):
        raise Unreadable(f"line {number} of the manifest: unsafe path: {why}")
    return ResultFile(path, int(found[2]), found[1])


def unsafe(path: str) -> str:
    """Returns why a file of that path must not be written below a directory; "" if it may be."""
    try:
        size = len(_bytes(path))
    except UnicodeEncodeError:
        return "invalid characters"
    if size > MAX_PATH:
        return f"longer than {MAX_PATH} bytes"
    if "\0" in path:
        return "has a NUL"
    parts = path.split("/")
    return "not a plain relative path" if any(part in ("", ".", "..") for part in parts) else ""


def _bytes(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def summary(text: bytes, files: Iterable[ResultFile]) -> Results:
    """Returns what evidence signs of a manifest."""
    listed = list(files)
    return Results(hashlib.sha256(text).hexdigest(), len(listed), sum(file.size for file in listed))


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the chain proves of the results. `why`: why it proves nothing; then `results` is None."""

    results: Results | None = None
    why: str = ""


def against_evidence(found: Results, proven: Evidence) -> str:
    """Returns why the manifest is not what the provider signed; "" if it is."""
    if proven.results is None:
        return proven.why or "the final report signs no results"
    if found != proven.results:
        return (
            f"the manifest is not the one that the provider signed: its root is {found.root} with "
            f"{found.files} files and {found.bytes} bytes, signed are {proven.results.root}, "
            f"{proven.results.files} and {proven.results.bytes}"
        )
    return ""


def differences(files: Iterable[ResultFile], found: Mapping[str, ResultFile]) -> list[str]:
    """Returns a line for each listed file that is missing in `found` (by path) or has other content."""
    return [f"{file.path}: {why}" for file in files if (why := _difference(file, found.get(file.path)))]


def _difference(file: ResultFile, found: ResultFile | None) -> str:
    if found is None:
        return "is missing"
    if found.size != file.size:
        return f"has {found.size} bytes, the manifest lists {file.size}"
    return (
        "" if found.sha256 == file.sha256 else f"has SHA-256 {found.sha256}, the manifest lists {file.sha256}"
    )
