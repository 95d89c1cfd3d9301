"""The table of sbatch's errors, compared with the installed SLURM."""

import ctypes
import ctypes.util
from pathlib import Path

import pytest

from provider_daemon.slurm.sbatch_errors import table

pytestmark = pytest.mark.real

CODES = (*range(1000, 10_000), -1)
UNKNOWN = "Unknown error"  # the beginning of strerror() for a number without a message


def library() -> ctypes.CDLL:
    """Returns the libslurm of the programs that provd runs."""
    found = sorted(Path("/usr/lib").glob("*/libslurm.so.*")) + sorted(
        Path("/usr/lib").glob("*/slurm*/libslurmfull.so")
    )
    assert found, "libslurm is not installed"
    return ctypes.CDLL(str(found[0]))


def test_every_message_of_the_installed_slurm_has_a_class() -> None:
    """Every message of the installed SLURM has a class.

    A new release with an unclassified message fails here, and not at a customer's job.
    """
    strerror = library().slurm_strerror
    strerror.restype = ctypes.c_char_p
    messages = {strerror(code).decode() for code in CODES}
    known = {message for message in messages if not message.startswith(UNKNOWN)}
    assert len(known) > 150
    assert known - table().keys() == set()
