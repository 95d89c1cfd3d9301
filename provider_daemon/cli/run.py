"""`provd run`: runs the daemon, or shows what it would do (--dry-run)."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from provider_daemon.names import CONFIG_FILE

if TYPE_CHECKING:
    from provider_daemon.config.model import Config
    from provider_daemon.dry_run.loops import Prospect, ShownDraft

ConfigFile = Annotated[
    Path, typer.Option("--config", "-c", envvar="PROVD_CONFIG", metavar="FILE", help="Configuration file.")
]
DEFAULT = Path(CONFIG_FILE)
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Print the batch scripts and transactions for the pending jobs on chain; send nothing.",
    ),
]


def run(config: ConfigFile = DEFAULT, dry_run: DryRun = False) -> None:
    """Run the daemon until SIGTERM or SIGINT. SIGHUP reloads the configuration."""
    from provider_daemon import log
    from provider_daemon.config import model as configuration
    from provider_daemon.daemon import app

    loaded = configuration.load(config)
    if dry_run:
        import asyncio

        log.configure("console", "warning")
        asyncio.run(rehearse(loaded))
        return
    log.configure(loaded.log.format, loaded.log.level)
    app.run(loaded, config)


async def rehearse(loaded: "Config") -> None:
    from provider_daemon.chain import keys
    from provider_daemon.clock import SystemClock
    from provider_daemon.daemon.build import outbox_settings, queried_account, served_cluster
    from provider_daemon.dry_run.loops import Unclaiming, Unsending, Unsigning, Unsubmitting, dry_run
    from provider_daemon.slurm.connect import logins

    clock = SystemClock()
    signers = {
        name: Unsigning(keys.load(key.kind, key.name, key.path, key.passphrase_file))
        for name, key in loaded.keys.items()
    }
    served_clusters = {
        each.id: served_cluster(each, signers[each.key], loaded.chain.max_gas) for each in loaded.clusters
    }
    opened = {each.id: logins(each, clock) for each in loaded.clusters}
    sites = {
        each.id: Unsubmitting(opened[each.id], clock, each.name, queried_account(each))
        for each in loaded.clusters
    }
    pools = {each.id: Unclaiming(opened[each.id], each.work_root) for each in loaded.clusters if each.pool}
    chain = Unsending(loaded.chain.id, loaded.chain.endpoints, clock, quorum=loaded.chain.quorum)
    try:
        with dry_run(chain, served_clusters, sites, clock, pools) as ours:
            prospects = await ours.prospects()
            for prospect in prospects:
                _show(prospect)
            if not prospects:
                typer.echo("# no pending jobs")
            for draft in await ours.drafts(outbox_settings(loaded.chain)):
                _show_draft(draft)
    finally:
        for site in sites.values():
            await site.close()
        await chain.close()


def _show(prospect: "Prospect") -> None:
    from provider_daemon.text import printable, printable_lines

    where = f"{prospect.job_id} on {prospect.cluster}" if prospect.cluster else prospect.job_id
    if prospect.order is None:
        typer.echo(f"# {where}: {printable(prospect.why)}")
        return
    typer.echo(f"# {where}: sbatch {prospect.order.name} in {prospect.order.directory}")
    typer.echo(printable_lines(prospect.order.script), nl=False)


def _show_draft(draft: "ShownDraft") -> None:
    import json

    from provider_daemon.client.tx_json import decoded

    later = f", {draft.later} more messages after it" if draft.later else ""
    typer.echo(f"# transaction of {draft.signer}{later}")
    typer.echo(json.dumps(decoded(draft.tx_bytes), indent=2))
