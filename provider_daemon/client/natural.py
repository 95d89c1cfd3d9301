"""Sorts ids as people do: OFF-2 before OFF-10. Pure."""

import re


def natural(text: str) -> tuple[tuple[int, int | str], ...]:
    """Returns a sort key in which runs of digits count as numbers."""
    return tuple(
        (0, int(part)) if part.isascii() and part.isdigit() else (1, part)
        for part in re.split(r"([0-9]+)", text)
        if part
    )
