"""`provd bill`: estimates and explains the cost of a job."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from provider_daemon.cli.options import CHAIN_ID, NODE, ChainId, Nodes, example
from provider_daemon.cli.run import DEFAULT, ConfigFile

if TYPE_CHECKING:
    from provider_daemon.chain.client import GrpcChain
    from provider_daemon.job.usage import Usage
    from provider_daemon.money.explain import Explanation

app = typer.Typer(help="Estimate or explain the cost of a job.", no_args_is_help=True)


class Format(StrEnum):
    TABLE = "table"
    JSON = "json"


Output = Annotated[Format, typer.Option("--output", "-o", metavar="table|json", help="Output format.")]


@app.command(epilog=example("provd bill estimate --spec job.yaml"))
def estimate(
    usage: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help=(
                "File with usage (fields of HPCUsageMetrics, and gpu_type) in JSON, YAML or TOML; - for "
                "stdin."
            ),
        ),
    ] = None,
    spec: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File with a job's resources and max_runtime_seconds; billed as if the job used all of it.",
        ),
    ] = None,
    rules: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File with billing rules (rates, discounts, caps, shares) in place of the defaults.",
        ),
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """Estimate a bill from usage or from a job's request. Prints each component, discounts, caps, total, fee
    and reward, in uvirt."""
    from provider_daemon.cli import bill_show, documents
    from provider_daemon.errors import ConfigError
    from provider_daemon.money import documents as money
    from provider_daemon.money.rules import DEFAULT as DEFAULT_RULES

    given = [path for path in (usage, spec) if path is not None]
    if len(given) != 1:
        raise ConfigError(["exactly one of --usage and --spec is required"])
    in_force = money.read_rules(documents.read(rules)) if rules else DEFAULT_RULES
    document = documents.read(given[0])
    use = money.read_use(document) if usage else money.read_job(document, in_force.granularity_seconds)
    estimated = bill_show.estimate_document(use, in_force)
    if output is Format.JSON:
        typer.echo(json.dumps(estimated, indent=2))
    else:
        typer.echo("\n".join(bill_show.estimate_lines(estimated)))


@app.command()
def explain(
    job: Annotated[str, typer.Argument(metavar="JOB", help="Job id on chain, such as JOB-1.")],
    config: ConfigFile = DEFAULT,
    node: Nodes = (),  # type: ignore[assignment]
    chain_id: ChainId = "",
    output: Output = Format.TABLE,
) -> None:
    """Compare a job's bill with the measured usage, by component. Exit status: 0 equal totals, 1 different
    totals.

    The measured usage is read from the ledger. --node and --chain-id replace the configured chain. Without a
    configuration file only the chain is queried."""
    import asyncio

    from provider_daemon.cli import bill_show
    from provider_daemon.config.model import load

    loaded = load(config) if config != DEFAULT or config.exists() else None
    chain = chain_id or (loaded.chain.id if loaded else CHAIN_ID)
    nodes = node or (loaded.chain.endpoints if loaded else [NODE])
    measured = _measured(Path(loaded.ledger.path), job) if loaded and loaded.chain.id == chain else None
    found = asyncio.run(_explain(job, chain, nodes, measured))
    if output is Format.JSON:
        typer.echo(json.dumps(bill_show.explanation_document(job, found), indent=2))
    else:
        typer.echo("\n".join(bill_show.explanation_lines(job, found)))
    raise typer.Exit(0 if found.agrees else 1)


def _measured(path: Path, job_id: str) -> "Usage | None":
    """Reads the ledger; returns None if there is no ledger yet, or no final usage from SLURM."""
    from provider_daemon.ledger.ledger import Ledger

    if not path.exists():
        return None
    found = Ledger.open(path, readonly=True, lock=False).job(job_id)
    return found.usage if found else None


async def _explain(
    job_id: str, chain_id: str, endpoints: list[str], measured: "Usage | None"
) -> "Explanation":
    from provider_daemon.client.session import chain_at

    async with chain_at(endpoints, chain_id) as chain:
        return await explanation(chain, job_id, measured)


async def explanation(chain: "GrpcChain", job_id: str, measured: "Usage | None") -> "Explanation":
    """Raises Refused for a job that the chain does not know."""
    from provider_daemon.chain import evidence_check, messages
    from provider_daemon.errors import Refused
    from provider_daemon.money import explain as money
    from provider_daemon.money.settlement import DENOM

    job = await chain.query.job(job_id)
    if job is None:
        raise Refused(f"{job_id} does not exist on chain")
    accounting = await chain.query.job_accounting(job_id)
    reports = [
        report
        for tx in await chain.reports_of(job_id)
        for report in evidence_check.reports(tx.tx)
        if report.job_id == job_id
    ]
    ended = [report for report in reports if job.HasField("completed_at") and report.state == job.state]
    return money.explain(
        measured,
        messages.usage_of(ended[-1].usage_metrics) if ended else None,
        messages.usage_of(accounting.usage_metrics) if accounting else None,
        gpu_type=job.resources.gpu_type,
        escrowed=sum(int(coin.amount) for coin in job.agreed_price if coin.denom == DENOM),
        charged=sum(int(coin.amount) for coin in accounting.total_cost if coin.denom == DENOM)
        if accounting
        else None,
    )
