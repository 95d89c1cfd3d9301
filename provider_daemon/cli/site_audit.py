"""`provd site audit`: shows what customers' jobs can reach, with real jobs."""

import json
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from provider_daemon.cli.options import AsText, Text
from provider_daemon.cli.run import DEFAULT, ConfigFile
from provider_daemon.text import printable

if TYPE_CHECKING:
    from provider_daemon.config.model import ClusterConfig, Config
    from provider_daemon.ledger.audit_summary import AuditSummary
    from provider_daemon.site_audit.document import Audit
    from provider_daemon.site_audit.site import AuditSite
    from provider_daemon.site_audit.surroundings import More

T = TypeVar("T")
WIDTH = 20  # of a row's name


def audit(
    cluster: Annotated[
        str, typer.Argument(metavar="CLUSTER", help="Cluster to audit; needed only if there are several.")
    ] = "",
    config: ConfigFile = DEFAULT,
    image: Annotated[
        str,
        typer.Option(
            metavar="IMAGE", help="Image whose launcher starts the probe jobs; it must contain python3."
        ),
    ] = "",
    queue: Annotated[
        str, typer.Option(metavar="NAME", help="Queue of the probe jobs; default: SLURM's default partition.")
    ] = "",
    address: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST:PORT", help="Address that jobs must not reach, such as a node's BMC; repeatable."
        ),
    ] = None,
    internet: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Address to try as the internet; default: the chain's endpoints; repeatable.",
        ),
    ] = None,
    output: AsText = Text.TEXT,
) -> None:
    """Try what one customer's job can reach of another customer's job and of the site, and suggest fixes.

    Three jobs of one core and 1 GB each run for a minute or two. Nothing of the site is changed, and all that
    the jobs made is removed. Each row of the output is one attempt: closed if it was denied, open if it
    succeeded. Exit status: 0 every row is closed, 3 a row is open, 4 none is open and a row could not be
    tried."""
    import asyncio

    from provider_daemon import log
    from provider_daemon.config.model import load
    from provider_daemon.site_audit.surroundings import More, target

    more = More(tuple(address or ()), tuple(internet or ()))
    for each in (*more.management, *more.internet):
        target(each)
    loaded = load(config)
    log.configure("console", "warning")
    done = asyncio.run(
        _interruptible(loaded, config.resolve(), _chosen(loaded, cluster), (image, queue), more)
    )
    stored = _store(Path(loaded.ledger.path), done)
    typer.echo(_document(done) if output is Text.JSON else "\n".join(_lines(done, stored)))
    raise typer.Exit(done.exit_code)


def _chosen(loaded: "Config", name: str) -> "ClusterConfig":
    found = [each for each in loaded.clusters if name in ("", each.name, each.id)]
    if len(found) != 1:
        known = ", ".join(each.name for each in loaded.clusters)
        raise typer.BadParameter(f"name one of the clusters: {known}", param_hint="CLUSTER")
    return found[0]


async def _interruptible(
    loaded: "Config", config: Path, cluster: "ClusterConfig", what: tuple[str, str], more: "More"
) -> "Audit":
    """Lets SIGTERM end the audit as Ctrl-C does: the jobs are cancelled and removed first."""
    import asyncio
    import signal

    task = asyncio.ensure_future(_audit(loaded, config, cluster, what, more))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


async def _audit(
    loaded: "Config", config: Path, cluster: "ClusterConfig", what: tuple[str, str], more: "More"
) -> "Audit":
    import secrets

    from provider_daemon.chain.sign import LocalSigner
    from provider_daemon.clock import SystemClock
    from provider_daemon.config.fingerprint import fingerprint
    from provider_daemon.config.pool_users import pool_users
    from provider_daemon.daemon.build import served_cluster
    from provider_daemon.job.site_root import site_root
    from provider_daemon.site_audit import jobs
    from provider_daemon.site_audit.document import Audit
    from provider_daemon.site_audit.run import Parties, run
    from provider_daemon.site_audit.site import AuditSite
    from provider_daemon.site_audit.surroundings import hosts, surroundings
    from provider_daemon.site_audit.verdicts import Judged
    from provider_daemon.slurm.connect import logins

    clock = SystemClock()
    # Nothing is signed, so any key will do.
    served = served_cluster(cluster, LocalSigner(secrets.token_bytes(32)), max_gas=0)
    kind = jobs.Kind(jobs.chosen_image(cluster, what[0]), what[1], cluster.account)
    words = jobs.launcher(served, kind)
    site = AuditSite(logins(cluster, clock), clock)
    try:
        settings = await site.inspection.settings()
        home, resolved = await site.addresses(sorted(hosts(settings, loaded, cluster, more)))
        around = surroundings(settings, loaded, str(config), cluster, more, resolved, home)
        at = clock.now()

        async def played() -> tuple[tuple[str, str], str, tuple[Judged, ...]]:
            users = (
                await site.lease(cluster.work_root, pool_users(cluster.pool.users))
                if cluster.pool
                else ("", "")
            )
            roots = site_root(cluster.work_root, users[0]), site_root(cluster.work_root, users[1])
            return users, *await run(site, served, kind, Parties(roots, users), around)

        users, node, rows = await _cleaned(site, played())
    finally:
        await site.close()
    return Audit(
        cluster_id=cluster.id,
        at=at,
        slurm_version=settings["SLURM_VERSION"],
        configuration=fingerprint(cluster),
        accounts=cluster.accounts,
        users=users,
        image=kind.image,
        launcher=words,
        node=node,
        rows=rows,
    )


async def _cleaned(site: "AuditSite", running: "Coroutine[None, None, T]") -> "T":
    """Cancels and removes the probe jobs at the end of the audit, also at Ctrl-C."""
    import asyncio

    try:
        return await running
    finally:
        for failure in await asyncio.shield(site.clean()):
            typer.echo(f"not removed: {printable(failure)}", err=True)


def _store(path: Path, done: "Audit") -> "AuditSummary":
    """Stores the result in the ledger, which exists once the daemon has run."""
    from provider_daemon.ledger import meta
    from provider_daemon.ledger.ledger import Ledger
    from provider_daemon.site_audit.document import summary

    found = summary(done)
    if not path.exists():
        typer.echo(f"not stored: there is no ledger at {path} before the daemon's first start", err=True)
        return found
    ledger = Ledger.open(path, lock=False)
    try:
        with ledger.write():
            ledger.set(meta.site_audit(done.cluster_id), found.sha256)
            ledger.set(meta.site_audit_summary(done.cluster_id), found)
    finally:
        ledger.close()
    return found


def _document(done: "Audit") -> str:
    from provider_daemon.site_audit.document import document, sha256

    return json.dumps({**document(done), "sha256": sha256(done)}, indent=1)


def _lines(done: "Audit", stored: "AuditSummary") -> list[str]:
    from provider_daemon.site_audit.document import word
    from provider_daemon.site_audit.verdicts import Verdict

    who = "one Unix user for both customers" if done.users[0] == done.users[1] else " and ".join(done.users)
    how = done.launcher or "natively"
    lines = [f"{done.cluster_id}, SLURM {done.slurm_version}, node {done.node or '-'}: {who}, {how}"]
    for row in done.rows:
        shown = row.verdict if row.verdict is Verdict.CLOSED else row.verdict.upper()
        lines.append(printable(f"  {shown:<11}{row.name:<{WIDTH}}{row.seen or row.tried}"))
        lines += [printable(f"{'':<{WIDTH + 13}}{row.todo}")] if row.todo else []
    counts = ", ".join(f"{done.count(verdict)} {verdict}" for verdict in Verdict)
    return [
        *lines,
        f"{len(done.rows)} rows: {counts}",
        f"for customers: provd tx hpc update-cluster {done.cluster_id} --site-audit {word(stored)}",
    ]
