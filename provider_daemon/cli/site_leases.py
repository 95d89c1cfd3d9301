"""`provd site leases` and `provd site release`: which Unix user of a pool serves which customer."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from provider_daemon.cli.opened import opened
from provider_daemon.cli.options import example
from provider_daemon.cli.run import DEFAULT, ConfigFile
from provider_daemon.errors import Refused

if TYPE_CHECKING:
    from provider_daemon.config.model import ClusterConfig, Config
    from provider_daemon.job.leases import Lease
    from provider_daemon.ledger.ledger import Ledger

LEASES_EPILOG = example("provd site leases --free")
RELEASE_EPILOG = example("provd site release provd-c007 --yes")
HEADINGS = ("CLUSTER", "USER", "STATE", "CUSTOMER", "SINCE (UTC)", "FREE AT (UTC)")


def leases(
    config: ConfigFile = DEFAULT,
    free: Annotated[bool, typer.Option("--free", help="Also list the users that are free.")] = False,
) -> None:
    """List the Unix users of the pools: customer of each, since when, and when it is free again."""
    from provider_daemon.cli.tables import aligned

    loaded, ledger = opened(config)
    try:
        rows = [row for cluster in loaded.clusters for row in _rows(ledger, cluster, free=free)]
    finally:
        ledger.close()
    if not rows:
        typer.echo("no Unix user is leased")
        return
    for line in aligned([HEADINGS, *rows]):
        typer.echo(line)


def _rows(ledger: "Ledger", cluster: "ClusterConfig", *, free: bool) -> list[tuple[str, ...]]:
    from provider_daemon.config.pool_users import pool_users
    from provider_daemon.ledger.leases import open_leases

    found = open_leases(ledger, cluster.id)
    rows = [(cluster.name, *_row(lease)) for lease in found]
    if free and cluster.pool and cluster.accounts == "pool":
        taken = {lease.user for lease in found}
        users = [user for user in pool_users(cluster.pool.users) if user not in taken]
        rows += [(cluster.name, user, "free", "", "", "") for user in users]
    return sorted(rows)


def _row(lease: "Lease") -> tuple[str, ...]:
    from provider_daemon.ledger.timeline import when
    from provider_daemon.text import printable

    who = lease.customer or f"unknown: {lease.held_by}"
    free_at = when(lease.free_at) if lease.free_at is not None else ""
    return lease.user, lease.state.value, printable(who), when(lease.leased_at), free_at


def release(
    user: Annotated[str, typer.Argument(metavar="USER", help="Unix user of a pool.")],
    config: ConfigFile = DEFAULT,
    yes: Annotated[
        bool,
        typer.Option("--yes", help="Release the user; without this option only print what would be done."),
    ] = False,
) -> None:
    """Return a Unix user of a pool before its time, with all files of its customer.

    Results that the customer has not fetched are deleted. The daemon does it once the customer has no open
    job, and nothing of the user runs at the site. The quarantine follows as usual.
    """
    from dataclasses import replace

    from provider_daemon.audit_log.operator import record
    from provider_daemon.audit_log.records import Action
    from provider_daemon.config.model import load
    from provider_daemon.ledger import leases as stored
    from provider_daemon.ledger.ledger import Ledger

    loaded = load(config)
    ledger = Ledger.open(Path(loaded.ledger.path), lock=False)
    try:
        with ledger.write():
            lease = _open_lease(ledger, loaded, user)
            who = lease.customer or lease.held_by
            if yes:
                record(loaded, Action.USER_RELEASED, thing=user, detail=f"of {who}")
                stored.save(ledger, [replace(lease, forced=True)])
    finally:
        ledger.close()
    if not yes:
        typer.echo(f"{user} of {who} would be released, and all its files deleted; add --yes to do it")
        return
    typer.echo(f"{user} is returned as soon as {who} has no open job; `provd site leases` shows its state")


def _open_lease(ledger: "Ledger", config: "Config", user: str) -> "Lease":
    from provider_daemon.ledger.leases import open_leases

    found = [lease for cluster in config.clusters for lease in open_leases(ledger, cluster.id)]
    lease = next((lease for lease in found if lease.user == user), None)
    if lease is None:
        raise Refused(f"{user} is not leased; `provd site leases` lists all leases")
    return lease
