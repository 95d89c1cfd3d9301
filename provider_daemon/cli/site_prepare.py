"""`provd site prepare`: what the administrator of a site has to do for a pool of Unix users."""

from typing import Annotated

import typer

from provider_daemon.cli.run import DEFAULT, ConfigFile
from provider_daemon.errors import Refused
from provider_daemon.site_setup.script import Part, all_parts


def prepare(
    cluster: Annotated[
        str, typer.Argument(metavar="CLUSTER", help="Cluster to prepare; needed only if there are several.")
    ] = "",
    config: ConfigFile = DEFAULT,
    part: Annotated[
        list[Part] | None,
        typer.Option(
            metavar="PART",
            help=f"Part of the script: {', '.join(Part)}; repeatable; default: all that clusters.pool.login "
            "needs.",
        ),
    ] = None,
    first_uid: Annotated[
        int,
        typer.Option(metavar="UID", help="uid of the first user, so that all hosts agree; 0: any.", min=0),
    ] = 0,
    apply: Annotated[
        bool, typer.Option("--apply", help="Run the script on this host, as root, instead of printing it.")
    ] = False,
) -> None:
    """Print the shell script that prepares a site for a separate Unix user per customer.

    It creates users, directories, SLURM associations and a coordinator, and lets provd log in. Running it
    again changes only what differs. Exit status with --apply: that of the script."""
    from provider_daemon.audit_log.operator import record_beside_a_daemon
    from provider_daemon.audit_log.records import Action
    from provider_daemon.config.model import load
    from provider_daemon.site_setup import pool
    from provider_daemon.site_setup.script import Login, script

    loaded = load(config)
    found = [each for each in loaded.clusters if not cluster or cluster in (each.id, each.name)]
    if len(found) != 1:
        known = ", ".join(each.id for each in loaded.clusters)
        raise Refused(f"name one of the clusters {known}" if found else f"no cluster {cluster!r}: {known}")
    parts = tuple(part) if part else all_parts(Login.LOCAL if found[0].ssh is None else Login.CERTIFICATE)
    prepared = pool.pool_of(loaded, found[0], parts, first_uid)
    if apply:
        done = ", ".join(parts)
        record_beside_a_daemon(config, Action.SITE_PREPARED, thing=found[0].name, detail=done)
        raise typer.Exit(pool.apply(prepared, parts))
    typer.echo(script(prepared, parts), nl=False)
