"""`provd`: the commands. Each imports what it needs inside its function, so that --help answers at once."""

import os
import sys
from typing import Annotated

import typer

from provider_daemon import __version__
from provider_daemon.cli import (
    agent,
    audit,
    bill,
    clusters,
    collector,
    config,
    customers,
    data,
    demo,
    devnet,
    dispute,
    doctor,
    evidence,
    gateway,
    jobs,
    keys,
    lab,
    ledger,
    logs,
    maintenance,
    mover,
    node,
    plan,
    query,
    reconcile,
    results,
    run,
    site,
    statement,
    status,
    submit,
    template,
    tx,
)
from provider_daemon.cli.sections import Sections
from provider_daemon.errors import ConfigError, ProvdError
from provider_daemon.text import printable

app = typer.Typer(
    name="provd",
    cls=Sections,
    help="Provider daemon: sells an HPC site's SLURM compute on the VirtEngine chain.",
    epilog=(
        "Exit status: 0 success, 1 failure (reason on stderr), 2 usage or configuration error. Commands "
        "with other codes list them."
    ),
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("run", short_help="Run the daemon until SIGTERM or SIGINT.")(run.run)
app.command("gateway", short_help="Run the customers' HTTPS API until SIGTERM or SIGINT.")(gateway.gateway)
app.command("collector", short_help="Run the server for node agents until SIGTERM or SIGINT.")(
    collector.collector
)
app.command("mover", short_help="Run the data mover until SIGTERM or SIGINT.")(mover.mover)
app.command("agent", short_help="Run the node agent on a compute node until SIGTERM or SIGINT.")(agent.agent)
app.command("demo", short_help="Run eighteen jobs end to end on this machine.")(demo.demo)
app.command("jobs", short_help="List the newest jobs in the ledger.")(jobs.list_jobs)
app.command("status", short_help="Show the daemon's health, open jobs and why they wait.")(status.status)
app.command("top", short_help="Show `provd status` continuously until q or Ctrl-C.")(status.top)
app.command("pause", short_help="Stop accepting new jobs on a cluster.", epilog=clusters.PAUSE)(
    clusters.pause
)
app.command("resume", short_help="Accept new jobs on a paused cluster again.")(clusters.resume)
app.command("doctor", short_help="Check everything that jobs depend on, and suggest fixes.")(doctor.doctor)
app.command("plan", short_help="Estimate what a cluster costs in a day.", epilog=plan.EPILOG)(plan.plan)
app.command("reconcile", short_help="Compare SLURM, ledger and chain, and print differences.")(
    reconcile.reconcile
)
app.command("submit", short_help="Run a job from a file to its results.", epilog=submit.EPILOG)(submit.submit)
app.command("logs", short_help="Print or follow the output of a job.", epilog=logs.EPILOG)(logs.logs)
app.add_typer(results.app, name="results")
app.add_typer(data.app, name="data")
app.add_typer(jobs.app, name="job")
app.add_typer(customers.app, name="customer")
app.add_typer(node.app, name="node")
app.add_typer(tx.app, name="tx")
app.add_typer(query.app, name="query")
app.add_typer(config.app, name="config")
app.add_typer(evidence.app, name="evidence")
app.add_typer(bill.app, name="bill")
app.add_typer(dispute.app, name="dispute")
app.add_typer(maintenance.app, name="maintenance")
app.add_typer(statement.app, name="statement")
app.command("income", short_help="Print the income of each month.")(statement.income)
app.add_typer(keys.app, name="keys")
app.add_typer(ledger.app, name="ledger")
app.add_typer(audit.app, name="audit")
app.add_typer(template.app, name="template")
app.add_typer(devnet.app, name="devnet")
app.add_typer(lab.app, name="lab")
app.add_typer(site.app, name="site")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"provd {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Provider daemon: sells an HPC site's SLURM compute on the VirtEngine chain."""


def main() -> None:
    """Reports expected errors in one line on stderr, without a traceback and without gRPC's own log lines."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        app()
    except ConfigError as error:
        typer.echo("\n".join(map(printable, error.problems)), err=True)
        sys.exit(error.exit_code)
    except ProvdError as error:
        typer.echo(f"provd: {printable(str(error))}", err=True)
        sys.exit(error.exit_code)
