"""`provd audit`: verifies and exports the audit logs of daemon, gateway, data mover and collector."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from provider_daemon.cli.options import example
from provider_daemon.cli.run import DEFAULT, ConfigFile

if TYPE_CHECKING:
    from provider_daemon.audit_log.records import Head, Process
    from provider_daemon.config.model import Config

app = typer.Typer(help="Verify or export the audit log: who did what.", no_args_is_help=True)


@app.command(
    short_help="Check that no record was changed, inserted, removed or cut off.",
    epilog=example("provd audit verify"),
)
def verify(
    config: ConfigFile = DEFAULT,
    heads: Annotated[
        list[str] | None,
        typer.Option(
            "--head",
            metavar="PROCESS=NUMBER:HASH",
            help="A record seen earlier, from an `audit_head` line of the process's log; repeatable.",
        ),
    ] = None,
) -> None:
    """Check that no record of the audit logs was changed, inserted, removed or cut off.

    Prints each log's newest record, and the first wrong one. Exit status: 0 all logs are whole, 1 otherwise.
    """
    from provider_daemon.audit_log.places import audit_files, places
    from provider_daemon.audit_log.verify import verify as verdict_of
    from provider_daemon.config.model import load

    loaded = load(config)
    seen = _seen(loaded, heads or [])
    broken = False
    for process in places(loaded):
        verdict = verdict_of(audit_files(loaded, process).lines(), seen.get(process, []))
        broken |= bool(verdict.problem)
        standing = verdict.problem or (f"whole, newest {verdict.head}" if verdict.records else "empty")
        typer.echo(f"{process}: {verdict.records} records from {verdict.first}: {standing}")
    raise typer.Exit(1 if broken else 0)


@app.command(
    short_help="Print the records as JSON lines.", epilog=example("provd audit export --since 2026-11-01")
)
def export(
    config: ConfigFile = DEFAULT,
    since: Annotated[
        str, typer.Option(metavar="DATE", help="Only the files of this day (YYYY-MM-DD, UTC) and later ones.")
    ] = "",
    process: Annotated[
        str, typer.Option(metavar="provd|gateway|mover|collector", help="Only the log of this process.")
    ] = "",
) -> None:
    """Print the records of all processes as JSON lines, grouped by process."""
    from provider_daemon.audit_log.places import audit_files, places
    from provider_daemon.config.model import load

    loaded = load(config)
    known = places(loaded)
    if process and process not in known:
        raise typer.BadParameter(
            f"invalid value: {process!r}; must be one of {', '.join(known)}", param_hint="--process"
        )
    for each in known:
        if process in ("", each):
            for line in audit_files(loaded, each).lines():
                if line.file >= since:
                    typer.echo(line.text, nl=False)


def _seen(config: "Config", heads: list[str]) -> "dict[Process, list[Head]]":
    """Returns the records that the options and the ledger name."""
    from provider_daemon.audit_log.records import Process, parse_head
    from provider_daemon.ledger import meta
    from provider_daemon.ledger.ledger import Ledger

    seen: dict[Process, list[Head]] = {}
    for text in heads:
        name, _, head = text.partition("=")
        try:
            seen.setdefault(Process(name), []).append(parse_head(head))
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--head") from None
    path = Path(config.ledger.path)
    if path.exists():
        ledger = Ledger.open(path, readonly=True, lock=False)
        if head := ledger.get(meta.AUDIT_HEAD):
            seen.setdefault(Process.DAEMON, []).append(parse_head(head))
        ledger.close()
    return seen
