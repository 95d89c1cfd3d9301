"""`provd doctor`: checks everything that jobs depend on."""

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from provider_daemon.cli.options import AsText, Text
from provider_daemon.cli.run import DEFAULT, ConfigFile
from provider_daemon.text import printable

if TYPE_CHECKING:
    from provider_daemon.doctor.finding import CheckOutcome
    from provider_daemon.doctor.registry import CheckResult

WIDTH = 26
NARROWEST = 60  # columns that lines are wrapped to on a narrower terminal
FAILED = "fail"  # CheckOutcome.FAIL
COLOURS = {FAILED: "red", "warn": "yellow", "ok": "green", "skipped": "bright_black"}
TITLES = {
    "host": "This host",
    "ledger": "The ledger",
    "chain": "The chain",
    "account": "The key's account",
    "ssh": "SSH",
    "slurm": "SLURM",
    "users": "Unix users of customers",
    "market": "The cluster on chain",
    "data": "Gateway, data mover and collector",
}


def doctor(
    config: ConfigFile = DEFAULT,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="NAME", help="Run only this check; repeatable.")
    ] = None,
    output: AsText = Text.TEXT,
) -> None:
    """Check the host, ledger, chain, keys, SSH, SLURM and offerings, and suggest fixes."""
    import asyncio

    from provider_daemon import log
    from provider_daemon.config.model import load
    from provider_daemon.doctor.finding import CheckOutcome
    from provider_daemon.doctor.gather import gather
    from provider_daemon.doctor.registry import chosen, examine

    _check_names(only or [])
    loaded = load(config)
    log.configure("console", "critical")
    started = time.monotonic()
    rows = chosen(list(examine(asyncio.run(gather(loaded, config)))), only or [])
    seconds = time.monotonic() - started
    if output is Text.JSON:
        typer.echo(_document(rows, seconds))
    else:
        lines = [*_lines(rows), *_failures(rows), Line(_summary(rows, seconds))]
        typer.echo("\n".join(on_terminal(lines) if sys.stdout.isatty() else [line.text for line in lines]))
    outcomes = {row.finding.outcome for row in rows}
    raise typer.Exit(1 if CheckOutcome.FAIL in outcomes else 2 if outcomes == {CheckOutcome.SKIPPED} else 0)


def _check_names(only: Sequence[str]) -> None:
    from provider_daemon.doctor.registry import CHECKS, NAMES

    unknown = [name for name in only if name not in NAMES]
    if unknown:
        known = ", ".join(check.name for check in CHECKS)
        raise typer.BadParameter(
            f"unknown check: {unknown[0]!r} (known checks: {known})", param_hint="--only"
        )


def _document(rows: Sequence["CheckResult"], seconds: float) -> str:
    found = [
        {
            "name": row.check.name,
            "section": row.check.section,
            "subject": row.subject,
            "outcome": row.finding.outcome,
            "seen": row.finding.seen,
            "todo": row.finding.todo,
            "because": row.finding.cause,
        }
        for row in rows
    ]
    return json.dumps({"seconds": round(seconds, 3), "checks": found}, indent=1)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the report. `indent`: columns in front of the further lines that it is wrapped into."""

    text: str
    indent: int = 0
    outcome: "CheckOutcome | None" = None


def on_terminal(lines: Sequence[Line]) -> Iterator[str]:
    """Wraps the lines at words to the width of the terminal, and colours them by their outcome."""
    import shutil
    import textwrap

    width = max(shutil.get_terminal_size().columns, NARROWEST)
    for line in lines:
        parts = textwrap.wrap(
            line.text,
            width,
            subsequent_indent=" " * line.indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        colour = COLOURS[line.outcome] if line.outcome else None
        yield from (typer.style(part, fg=colour) if colour else part for part in parts)


def _lines(rows: Sequence["CheckResult"]) -> Iterator[Line]:
    heading = ""
    for row in sorted(rows, key=lambda row: (list(TITLES).index(row.check.section), row.subject)):
        title = TITLES[row.check.section] + (f" ({row.subject})" if row.subject else "")
        if title != heading:
            heading = title
            yield Line(title)
        yield from _told(row)


def _failures(rows: Sequence["CheckResult"]) -> Iterator[Line]:
    """Repeats the failed checks below all others: the first lines have left the terminal by then."""
    failed = [row for row in rows if row.finding.outcome == FAILED]
    if failed and len(rows) > len(failed):
        yield Line("")
        yield Line(f"Failed: {len(failed)} of {len(rows)} checks")
        yield from _lines(failed)


def _told(row: "CheckResult") -> Iterator[Line]:
    found = row.finding
    because = f"; see {found.cause}" if found.cause else ""
    outcome = found.outcome.upper() if found.todo else found.outcome
    seen = printable(f"  {outcome:<8}{row.check.name:<{WIDTH}}{found.seen}{because}")
    yield Line(seen, WIDTH + 10, found.outcome)
    if found.todo:
        yield Line(printable(f"{'':<{WIDTH + 10}}{found.todo}"), WIDTH + 10)


def _summary(rows: Sequence["CheckResult"], seconds: float) -> str:
    counts = Counter(row.finding.outcome for row in rows)
    return (
        f"{len(rows)} checks: {', '.join(f'{count} {outcome}' for outcome, count in counts.items())}; "
        f"{seconds:.1f} s"
    )
