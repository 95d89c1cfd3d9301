"""Parses SLURM's amounts: TRES, gres, elapsed times. Exact integers; fractions of a MiB are dropped."""

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal

from provider_daemon.errors import Unreadable

_KIB = 1024
# Bytes per unit. Memory in a TRES string is in MiB if it has no suffix (slurmdb's unit).
_UNITS = {"K": _KIB, "M": _KIB**2, "G": _KIB**3, "T": _KIB**4, "P": _KIB**5, "E": _KIB**6}
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)([KMGTPE]?)(?:i?B)?", re.IGNORECASE)
_ELAPSED = re.compile(r"(?:(?:(\d+)-)?(\d+):)?(\d+):(\d+)(?:\.\d+)?")
_DAYS_HOURS = re.compile(r"(\d+)-(\d+)(?::(\d+))?(?::(\d+))?")
# What stands alone behind gpu: is a count if it is a number; a type may be one too (gpu:4090:2).
_MIG = re.compile(r"(?:^|[_-])[0-9]+g\.[0-9]+gb(?:[.+_-]\w+)?$", re.IGNORECASE)
_GRES = re.compile(
    r"gpu(?::(?P<type>[^:(),]+(?=:)|[^:(),]*[^\d:(),][^:(),]*))?(?::(?P<count>\d+[KMG]?))?(?:\([^)]*\))?",
    re.IGNORECASE,
)


def tres(text: str) -> dict[str, str]:
    """Parses `cpu=4,mem=8G,gres/gpu:a100=2`; "" and (null) are empty."""
    if text in ("", "(null)", "N/A"):
        return {}
    parts = [part.partition("=") for part in text.split(",")]
    if not all(key and equals and value for key, equals, value in parts):
        raise Unreadable(f"cannot read the TRES {text[:200]!r}")
    return {key.strip(): value.strip() for key, _, value in parts}


def check(text: str) -> None:
    """Raises Unreadable if the amount of CPUs, memory, nodes or GPUs in a TRES is unreadable."""
    parts = tres(text)
    mebibytes(parts.get("mem", "0"))
    gpus(parts)
    for name in ("cpu", "node"):
        count(parts.get(name, "0"))


def count(text: str) -> int:
    """Parses a count; large ones have a suffix K, M ... (powers of 1024, SLURM's convert_num_unit)."""
    amount, unit = _amount(text)
    return int(amount * (_UNITS[unit] if unit else 1))


def mebibytes(text: str) -> int:
    """Parses memory into whole MiB, rounded down: `8G`, `1536.50M`, `2T`; a bare number is MiB."""
    amount, unit = _amount(text)
    return int(amount * _UNITS[unit or "M"] / _UNITS["M"])


def _amount(text: str) -> tuple[Decimal, str]:
    found = _AMOUNT.fullmatch(text)
    if found is None:
        raise Unreadable(f"cannot read the amount {text[:60]!r}")
    return Decimal(found[1]), found[2].upper()


def gpus(parts: dict[str, str]) -> tuple[tuple[str, int], ...]:
    """Returns (type, count) per GPU type, sorted; untyped GPUs beyond the typed ones have type "".

    A site may account for `gres/gpu` alone, for its types alone, or for both; both count the same GPUs.
    """
    typed = {
        key.removeprefix("gres/gpu:"): count(value)
        for key, value in parts.items()
        if key.startswith("gres/gpu:")
    }
    rest = count(parts.get("gres/gpu", "0")) - sum(typed.values())
    if rest > 0:
        typed[""] = rest
    return tuple(sorted((name, number) for name, number in typed.items() if number))


def whole(cards: Iterable[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    """Excludes MIG slices (`1g.5gb`, `a100_3g.20gb`, `h100_1g.10gb+me`): only whole GPUs are sold."""
    return tuple((name, number) for name, number in cards if not _MIG.search(name))


def gres_gpus(text: str) -> tuple[tuple[str, int], ...]:
    """Parses a node's gres, `gpu:a100:4(S:0-1),gpu:2,nic:1`, into (type, count). The default count is 1."""
    found: dict[str, int] = {}
    for part in _split(text):
        matched = _GRES.fullmatch(part)
        if matched:
            name = matched["type"] or ""
            found[name] = found.get(name, 0) + count(matched["count"] or "1")
    return tuple(sorted(found.items()))


def _split(text: str) -> Iterator[str]:
    """Splits at commas outside of (..)."""
    depth, start = 0, 0
    for position, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            yield text[start:position].strip()
            start = position + 1
    if text[start:].strip():
        yield text[start:].strip()


def elapsed_seconds(text: str) -> int:
    """Parses `1-02:03:04`, `02:03:04`, `03:04`, `1-02` or plain seconds.

    Returns 0 if SLURM prints no time (INVALID: a clock was set back).
    """
    if text in ("", "INVALID", "N/A", "Unknown"):
        return 0
    if text.isdecimal():
        return int(text)
    found = _ELAPSED.fullmatch(text) or _DAYS_HOURS.fullmatch(text)
    if found is None:
        raise Unreadable(f"cannot read the elapsed time {text[:60]!r}")
    days, hours, minutes, rest = (int(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + rest
