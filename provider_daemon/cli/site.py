"""`provd site`: what an operator does at a SLURM site."""

import typer

from provider_daemon.cli import site_audit

app = typer.Typer(help="Audit a SLURM site.", no_args_is_help=True)

app.command("audit", short_help="Try what one customer's job can reach of another's, and of the site.")(
    site_audit.audit
)
