"""The demo's table on the terminals that people have."""

from io import StringIO

import pytest
from rich.console import Console

from provider_daemon.demo import report
from provider_daemon.demo.verdict import JobVerdict

ROWS = [
    JobVerdict(
        "JOB-3",
        "over its time limit",
        "timeout",
        "timeout",
        "3",
        exit_code=124,
        usage={"cpu_core_seconds": 45},
        bill=10000,
    ),
    JobVerdict(
        "JOB-12",
        "one GPU",
        "completed",
        "completed",
        "2",
        exit_code=0,
        usage={"cpu_core_seconds": 2, "gpu_seconds": 2},
        bill=10000,
    ),
    JobVerdict("JOB-4", "unknown partition", "failed", "failed", evidence_verified=True, settled=True),
    JobVerdict(
        "JOB-9", "cancelled while running", "cancelled", "cancelled", "6", usage={"cpu_core_seconds": 1}
    ),
]


def printed(width: int) -> list[str]:
    console = Console(width=width, file=StringIO())
    console.print(report.table(ROWS, console.width))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 100, report.WIDE])
def test_no_word_is_cut(width: int) -> None:
    """Lines break between words, and none is longer than the terminal."""
    lines = printed(width)
    words = {word for line in lines for word in line.split()}
    assert {
        "cancelled",
        "running",
        "partition",
        "completed",
        "settled",
        "JOB-12",
        "10000",
        "core-s,",
        "evidence",
    } <= words
    assert ("reports" in words) == (width > 80)
    assert max(len(line) for line in lines) <= width


def test_wide_enough_no_line_breaks() -> None:
    """One line a job."""
    assert len(printed(report.WIDE)) == 1 + len(ROWS)
