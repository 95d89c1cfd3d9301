"""`provd customer`: whose jobs are accepted, and how many, beside the running daemon or without it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from provider_daemon.cli.opened import opened
from provider_daemon.cli.options import AsText, Text, example
from provider_daemon.cli.run import DEFAULT, ConfigFile

if TYPE_CHECKING:
    from provider_daemon.config.model import Config
    from provider_daemon.job.customer_limits import CustomerPolicy
    from provider_daemon.ledger.ledger import Ledger

Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="The customer's address (ve1...).")]
app = typer.Typer(help="List customers; accept, refuse or limit their jobs.", no_args_is_help=True)


@app.command("list")
def list_customers(
    config: ConfigFile = DEFAULT,
    count: Annotated[int, typer.Option(metavar="N", help="Number of customers to list.", min=1)] = 50,
    output: AsText = Text.TEXT,
) -> None:
    """List customers with jobs or with limits of their own.

    Those with the most open jobs come first, then those whom operators or the configuration block or limit.
    """
    import json

    rows = _rows(config, count)
    if output is Text.JSON:
        typer.echo(json.dumps(rows, indent=1))
        return
    typer.echo(f"{'CUSTOMER':<44} {'OPEN':>6} {'JOBS':>7}  ACCEPTED")
    for row in rows:
        typer.echo(f"{row['customer']:<44} {row['open_jobs']:>6} {row['jobs']:>7}  {row['accepted']}")


@app.command(epilog=example("provd customer show ve1z60rcv04phxkpxdqcyatrjdz74ry6eaxuhs33j"))
def show(customer: Address, config: ConfigFile = DEFAULT, output: AsText = Text.TEXT) -> None:
    """Show a customer's limits, and whether the jobs are accepted."""
    import json

    found = _shown(config, customer)
    if output is Text.JSON:
        typer.echo(json.dumps(found, indent=1))
        return
    typer.echo(f"{customer}: {found['accepted']}")
    if by := found["decided_by"]:
        typer.echo(f"decided by {by}")
    for name, value in found["limits"].items():
        typer.echo(f"{name:<24} {value:g}" if value else f"{name:<24} no limit")
    for cluster in found["clusters"]:
        typer.echo(
            f"{cluster['cluster']}: {cluster['waiting']} jobs wait in the ledger, "
            f"{cluster['core_hours']:.1f} core-hours in 24 hours"
        )


@app.command(epilog=example("provd customer block ve1z60rcv04phxkpxdqcyatrjdz74ry6eaxuhs33j --reason unpaid"))
def block(
    customer: Address,
    reason: Annotated[
        str,
        typer.Option(metavar="TEXT", help="Why; the message on chain of each refused job."),
    ],
    config: ConfigFile = DEFAULT,
) -> None:
    """Refuse the customer's new jobs with the reason. Jobs that provd has accepted continue."""
    from provider_daemon.client.control import operate
    from provider_daemon.config.model import load
    from provider_daemon.control.customers import BLOCK

    operate(load(config), BLOCK, customer=customer, reason=reason)
    typer.echo(f"{customer} blocked: new jobs are refused; jobs that provd has taken continue")


@app.command()
def allow(
    customer: Address,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; for the audit log.")] = "",
    config: ConfigFile = DEFAULT,
) -> None:
    """Accept the customer's jobs again. If only listed customers are accepted, adds the customer to the "
    "list."""
    from provider_daemon.client.control import operate
    from provider_daemon.config.model import load
    from provider_daemon.control.customers import ALLOW

    operate(load(config), ALLOW, customer=customer, reason=reason)
    typer.echo(f"{customer} allowed: new jobs are accepted")


@app.command(epilog=example("provd customer limit ve1z60rcv04phxkpxdqcyatrjdz74ry6eaxuhs33j --max-jobs 20"))
def limit(
    customer: Address,
    max_jobs: Annotated[int | None, typer.Option(metavar="N", min=0, help="Jobs in SLURM.")] = None,
    max_waiting: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Jobs that wait in the ledger.")
    ] = None,
    max_cores: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="CPU cores of the jobs in SLURM.")
    ] = None,
    max_gpus: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="GPUs of the jobs in SLURM.")
    ] = None,
    core_hours_per_day: Annotated[
        float | None, typer.Option(metavar="HOURS", min=0, help="Core-hours in 24 hours.")
    ] = None,
    submissions_per_minute: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Jobs accepted in a minute.")
    ] = None,
    reset: Annotated[bool, typer.Option("--reset", help="Reset all limits to the configuration's.")] = False,
    config: ConfigFile = DEFAULT,
) -> None:
    """Set limits of one customer on each cluster; 0 means no limit. Omitted limits keep their values."""
    from provider_daemon.client.control import operate
    from provider_daemon.config.model import load
    from provider_daemon.control.customers import LIMIT

    decided = operate(
        load(config),
        LIMIT,
        customer=customer,
        reset=reset,
        max_jobs=max_jobs,
        max_waiting=max_waiting,
        max_cores=max_cores,
        max_gpus=max_gpus,
        core_hours_per_day=core_hours_per_day,
        submissions_per_minute=submissions_per_minute,
    )
    shown = ", ".join(f"{name} {value:g}" for name, value in decided.limits.items())
    typer.echo(f"{customer}: {shown or 'limits as in the configuration'}")


def _rows(config_file: Path, count: int) -> list[dict[str, Any]]:
    from provider_daemon.ledger import customer_rules

    config, ledger = opened(config_file)
    rules = {rule.customer: rule for rule in customer_rules.all_rules(ledger)}
    jobs = {each.customer: each for each in customer_rules.counts(ledger, count)}
    policy = _policy(config, ledger)
    return [
        {
            "customer": customer,
            "jobs": jobs[customer].jobs if customer in jobs else 0,
            "open_jobs": jobs[customer].open_jobs if customer in jobs else 0,
            "accepted": _accepted(policy, customer),
            "limited": bool(customer in rules and rules[customer].limits),
        }
        for customer in dict.fromkeys([*jobs, *rules, *policy.blocked, *policy.exceptions])
    ]


def _shown(config_file: Path, customer: str) -> dict[str, Any]:
    import time
    from dataclasses import asdict

    from provider_daemon.ledger import customer_rules, customers
    from provider_daemon.ledger.timeline import when

    config, ledger = opened(config_file)
    policy, rule = _policy(config, ledger), customer_rules.rule(ledger, customer)
    histories = [
        (cluster, customers.history(ledger, cluster.id, customer, time.time())) for cluster in config.clusters
    ]
    return {
        "customer": customer,
        "accepted": _accepted(policy, customer),
        "decided_by": f"{rule.by} {when(rule.at)}" if rule.by else "",
        "limits": asdict(policy.of(customer)),
        "clusters": [
            {
                "cluster": cluster.id,
                "waiting": history.waiting,
                "taken_last_minute": history.taken,
                "core_hours": history.core_seconds / 3600,
            }
            for cluster, history in histories
        ],
    }


def _policy(config: "Config", ledger: "Ledger") -> "CustomerPolicy":
    from provider_daemon.daemon.build import customer_policy
    from provider_daemon.ledger.customer_rules import all_rules
    from provider_daemon.loops.customer_policy import with_rules

    return with_rules(customer_policy(config.customers), all_rules(ledger))


def _accepted(policy: "CustomerPolicy", customer: str) -> str:
    from provider_daemon.text import printable

    if customer in policy.blocked:
        return f"no, blocked: {printable(policy.blocked[customer])}"
    if policy.allowed and customer not in policy.allowed:
        return "no, not one of the allowed customers"
    return "yes"
