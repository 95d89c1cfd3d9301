"""SLURM job ids: digits only, within SLURM's 32 bits."""

import re

LARGEST = 0xFFFF_FFFD  # SLURM uses the two numbers above it for "none" and "unlimited"

_DIGITS = re.compile(r"[1-9][0-9]{0,9}")


def is_slurm_id(text: str) -> bool:
    return _DIGITS.fullmatch(text) is not None and int(text) <= LARGEST
