"""The demo's terminal output: progress while it runs, and the table at its end."""

from collections import Counter
from collections.abc import Mapping

from rich.console import Console
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


def progress(states: Mapping[str, State]) -> str:
    """Returns how many jobs are in which state."""
    counts = Counter(states.values())
    return ", ".join(f"{counts[state]} {state}" for state in State if state in counts)


def table(verdicts: list[JobVerdict], width: int) -> Table:
    """Returns the table for the given width: down to 80 columns, lines break between words."""
    wide = width >= WIDE
    shown = Table(box=None, pad_edge=False, padding=(0, 2 if wide else 1, 0, 0))
    rows = [_cells(row) for row in verdicts]
    for heading, *cells in zip(_HEADINGS, *rows, strict=True):
        longest = max(len(word) for text in (heading, *cells) for word in text.split())
        fixed = None if wide or heading in _PHRASES else longest
        shown.add_column(heading, justify="right" if heading in _NUMBERS else "left", width=fixed)
    for row, cells in zip(verdicts, rows, strict=True):
        shown.add_row(*cells, style="" if not row.problems else "red")
    return shown


def _cells(row: JobVerdict) -> list[str]:
    usage = f"{row.usage.get('cpu_core_seconds', 0)} core-s" + (
        f", {row.usage['gpu_seconds']} GPU-s" if row.usage.get("gpu_seconds") else ""
    )
    evidence = {None: "not required", True: "verified", False: "FAILED"}[row.evidence_verified]
    return [
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
    ]


def details(console: Console, verdicts: list[JobVerdict]) -> None:
    """Prints the transaction of each report, and why jobs did not run."""
    for row in verdicts:
        console.print(
            f"{row.job_id}: "
            + (", ".join(f"{report.state} {report.tx_hash[:12]}" for report in row.reports) or "no report"),
            highlight=False,
        )
        if row.message:
            console.print(f"    {row.message}", highlight=False, markup=False)
        for problem in row.problems:
            console.print(f"    FAILED: {problem}", style="red", highlight=False, markup=False)
