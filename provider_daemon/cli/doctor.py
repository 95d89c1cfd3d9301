"""`provd doctor`: checks everything that jobs depend on."""

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from provider_daemon.cli.run import DEFAULT, ConfigFile
from provider_daemon.text import printable

if TYPE_CHECKING:
    from provider_daemon.doctor.registry import CheckResult

WIDTH = 26
TITLES = {
    "host": "This host",
    "ledger": "The ledger",
    "chain": "The chain",
    "account": "The key's account",
    "ssh": "SSH",
    "slurm": "SLURM",
    "users": "Unix users of customers",
    "market": "The cluster on chain",
    "data": "Gateway and data mover",
}


def doctor(
    config: ConfigFile = DEFAULT,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="NAME", help="Run only this check; repeatable.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
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
    typer.echo(_document(rows, seconds) if as_json else "\n".join([*_lines(rows), _summary(rows, seconds)]))
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


def _lines(rows: Sequence["CheckResult"]) -> Iterator[str]:
    heading = ""
    for row in sorted(rows, key=lambda row: (list(TITLES).index(row.check.section), row.subject)):
        title = TITLES[row.check.section] + (f" ({row.subject})" if row.subject else "")
        if title != heading:
            heading = title
            yield title
        yield from _told(row)


def _told(row: "CheckResult") -> Iterator[str]:
    found = row.finding
    because = f"; see {found.cause}" if found.cause else ""
    outcome = found.outcome.upper() if found.todo else found.outcome
    yield printable(f"  {outcome:<8}{row.check.name:<{WIDTH}}{found.seen}{because}")
    if found.todo:
        yield printable(f"{'':<{WIDTH + 10}}{found.todo}")


def _summary(rows: Sequence["CheckResult"], seconds: float) -> str:
    counts = Counter(row.finding.outcome for row in rows)
    return (
        f"{len(rows)} checks: {', '.join(f'{count} {outcome}' for outcome, count in counts.items())}; "
        f"{seconds:.1f} s"
    )
