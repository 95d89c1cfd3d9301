"""The demo's terminal output: progress while it runs, and the table at its end."""

from collections import Counter
from collections.abc import Mapping

from rich.console import Console, JustifyMethod
from rich.table import Table

from provider_daemon.demo.verdict import JobVerdict
from provider_daemon.job.state import State

_HEADINGS = (
    "chain job",
    "scenario",
    "SLURM job",
    "state",
    "exit",
    "usage",
    "bill uvirt",
    "reports",
    "evidence",
    "results",
    "settled",
)
_PHRASES = ("scenario", "usage", "results")
_NUMBERS = ("exit", "bill uvirt", "reports")
WIDE = 140  # columns of the table if no line breaks
_NARROW = 90  # below it there is no room for the number of reports, which `details` lists


def progress(states: Mapping[str, State]) -> str:
    """Returns how many jobs are in which state."""
    counts = Counter(states.values())
    return ", ".join(f"{counts[state]} {state}" for state in State if state in counts)


def table(verdicts: list[JobVerdict], width: int) -> Table:
    """Returns the table for the given width: down to 80 columns, lines break between words.

    Below 90 columns it has no number of reports.
    """
    wide = width >= WIDE
    shown = Table(box=None, pad_edge=False, padding=(0, 2 if wide else 1, 0, 0))
    rows = [_HEADINGS, *(_cells(row) for row in verdicts)]
    left_out = "reports" if width < _NARROW else ""
    columns = [column for column in zip(*rows, strict=True) if column[0] != left_out]
    for heading, *cells in columns:
        longest = max(len(word) for text in (heading, *cells) for word in text.split())
        fixed = None if wide or heading in _PHRASES else longest
        justify: JustifyMethod = "right" if heading in _NUMBERS else "left"
        shown.add_column(heading, justify=justify, width=fixed, min_width=longest)
    _, *lines = zip(*columns, strict=True)
    for row, line in zip(verdicts, lines, strict=True):
        shown.add_row(*line, style="" if not row.problems else "red")
    return shown


def _cells(row: JobVerdict) -> tuple[str, ...]:
    usage = f"{row.usage.get('cpu_core_seconds', 0)} core-s" + (
        f", {row.usage['gpu_seconds']} GPU-s" if row.usage.get("gpu_seconds") else ""
    )
    evidence = {None: "not required", True: "verified", False: "FAILED"}[row.evidence_verified]
    return (
        row.job_id,
        row.title,
        row.slurm_job_id or "-",
        row.state,
        "-" if row.exit_code is None else str(row.exit_code),
        usage,
        str(row.bill),
        str(len(row.reports)),
        evidence,
        row.results or "-",
        "yes" if row.settled and row.settled_sum == row.escrowed else "NO",
    )


def details(console: Console, verdicts: list[JobVerdict]) -> None:
    """Prints the transaction of each report, and why jobs did not run."""
    for row in verdicts:
        console.print(
            f"{row.job_id}: "
            + (", ".join(f"{report.state} {report.tx_hash[:12]}" for report in row.reports) or "no report"),
            highlight=False,
        )
        if row.message:
            console.print(f"    {row.message}", highlight=False, markup=False, soft_wrap=True)
        for problem in row.problems:
            console.print(f"    FAILED: {problem}", style="red", highlight=False, markup=False)
