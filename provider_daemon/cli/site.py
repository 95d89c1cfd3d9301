"""`provd site`: what an operator does at a SLURM site."""

import typer

from provider_daemon.cli import site_audit, site_leases, site_prepare

app = typer.Typer(help="Prepare and audit a SLURM site; Unix users of customers.", no_args_is_help=True)

app.command("prepare", short_help="Print the script that creates a Unix user for each customer.")(
    site_prepare.prepare
)
app.command("audit", short_help="Try what one customer's job can reach of another's, and of the site.")(
    site_audit.audit
)
app.command(
    "leases",
    short_help="List the Unix users of the pools and their customers.",
    epilog=site_leases.LEASES_EPILOG,
)(site_leases.leases)
app.command(
    "release",
    short_help="Return a Unix user of a pool before its time.",
    epilog=site_leases.RELEASE_EPILOG,
)(site_leases.release)
