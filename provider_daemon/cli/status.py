"""`provd status` and `provd top`: the content of the status page; work while the daemon is stopped too."""

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from provider_daemon.cli.opened import opened
from provider_daemon.cli.options import AsText, Text
from provider_daemon.cli.run import DEFAULT, ConfigFile
from provider_daemon.cli.tables import aligned

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.table import Table

    from provider_daemon.ledger.ledger import Ledger
    from provider_daemon.status.overview import JobLine, Overview
    from provider_daemon.status.sections import Section

OPEN_JOBS = 20
WIDE = 160  # columns of `provd top` without a terminal
DOWN = 3  # exit status of `provd status` if the daemon does not answer or is not ready, as for systemctl


def status(
    config: ConfigFile = DEFAULT,
    output: AsText = Text.TEXT,
) -> None:
    """Show the daemon's health, open jobs and why they wait. Exit status: 0 ready, 3 not running or not
    ready."""
    import json
    from dataclasses import asdict

    from provider_daemon.status.sections import headline, sections

    loaded, ledger = opened(config)
    listen = loaded.metrics.listen
    seen, jobs = _look(ledger, listen)
    if output is Text.JSON:
        typer.echo(json.dumps(asdict(seen), indent=1))
    else:
        typer.echo("\n".join([headline(seen, listen), *_lines(sections(seen, jobs))]))
    raise typer.Exit(0 if seen.daemon and seen.daemon.ready else DOWN)


def top(
    config: ConfigFile = DEFAULT,
    seconds: Annotated[
        float,
        typer.Option(
            "--seconds", "-s", metavar="SECONDS", help="Seconds between updates, at least 0.5.", min=0.5
        ),
    ] = 2.0,
) -> None:
    """Show `provd status` on the whole terminal, updated until q or Ctrl-C. Without a terminal, print it
    once."""
    from rich.console import Console

    loaded, ledger = opened(config)
    listen = loaded.metrics.listen
    console = Console()
    if not console.is_terminal:
        Console(width=WIDE).print(screen(ledger, listen))
        return
    with contextlib.suppress(KeyboardInterrupt):
        _update(console, ledger, listen, seconds)


def _update(console: "Console", ledger: "Ledger", listen: str, seconds: float) -> None:
    from rich.live import Live

    from provider_daemon.cli.keyboard import pressed, single_keys

    with (
        single_keys(),
        Live(screen(ledger, listen), console=console, screen=True, auto_refresh=False) as live,
    ):
        while not pressed("q", seconds):
            live.update(screen(ledger, listen), refresh=True)


def _look(ledger: "Ledger", listen: str) -> "tuple[Overview, tuple[JobLine, ...]]":
    from provider_daemon.ledger import listing
    from provider_daemon.status.client import ask
    from provider_daemon.status.overview import lines, overview

    daemon = ask(listen, ledger.id)
    open_jobs = lines(
        listing.jobs(ledger, show=listing.Show.OPEN, count=OPEN_JOBS), daemon.silent if daemon else ()
    )
    return overview(listing.read(ledger), daemon, time.time()), open_jobs


def _lines(found: "list[Section]") -> Iterator[str]:
    for section in found:
        yield f"\n{section.title}"
        yield from (f"  {line}" for line in aligned([section.headings, *section.rows]))


def screen(ledger: "Ledger", listen: str) -> "Group":
    from rich.console import Group
    from rich.text import Text

    from provider_daemon.status.sections import headline, sections

    seen, jobs = _look(ledger, listen)
    head = Text(
        headline(seen, listen), style="bold green" if seen.daemon and seen.daemon.ready else "bold red"
    )
    return Group(head, *(_table(section) for section in sections(seen, jobs)))


def _table(section: "Section") -> "Table":
    """Cells are rich Text, so that text written by customers is not interpreted as markup."""
    from rich.table import Table
    from rich.text import Text

    shown = Table(title=section.title, title_justify="left", box=None, pad_edge=False, title_style="bold")
    for heading in section.headings:
        shown.add_column(heading, no_wrap=heading not in ("WHY", "NOTE", "HEALTH"), overflow="ellipsis")
    for row in section.rows:
        shown.add_row(*(Text(text) for text in row))
    return shown
