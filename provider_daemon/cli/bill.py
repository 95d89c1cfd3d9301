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
    from provider_daemon.job.job import Job
    from provider_daemon.money.explain import Explanation
    from provider_daemon.money.rules import Rules

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
    offering: Annotated[
        str,
        typer.Option(metavar="OFFERING", help="Bill by the prices of this offering on chain, such as OFF-1."),
    ] = "",
    queue: Annotated[
        str,
        typer.Option(
            metavar="QUEUE",
            help="Queue of the offering, whose price multiplier applies; required if the queues' differ.",
        ),
    ] = "",
    node: Nodes = (NODE,),  # type: ignore[assignment]
    chain_id: ChainId = CHAIN_ID,
    output: Output = Format.TABLE,
) -> None:
    """Estimate a bill from usage or from a job's request. Prints each component, discounts, caps, total, fee
    and reward, in uvirt. The chain is queried only with --offering."""
    import asyncio

    from provider_daemon.cli import bill_show, documents
    from provider_daemon.errors import ConfigError
    from provider_daemon.money import documents as money
    from provider_daemon.money.rules import DEFAULT as DEFAULT_RULES

    given = [path for path in (usage, spec) if path is not None]
    if len(given) != 1:
        raise ConfigError(["exactly one of --usage and --spec is required"])
    in_force = money.read_rules(documents.read(rules)) if rules else DEFAULT_RULES
    if queue and not offering:
        raise ConfigError(["--queue requires --offering"])
    if offering:
        in_force = asyncio.run(_offered(node, chain_id, offering, queue, in_force))
    document = documents.read(given[0])
    use = money.read_use(document) if usage else money.read_job(document, in_force.granularity_seconds)
    estimated = bill_show.estimate_document(use, in_force)
    if output is Format.JSON:
        typer.echo(json.dumps(estimated, indent=2))
    else:
        typer.echo("\n".join(bill_show.estimate_lines(estimated)))


async def _offered(nodes: list[str], chain_id: str, offering: str, queue: str, rules: "Rules") -> "Rules":
    from provider_daemon.client.billing import offering_rules
    from provider_daemon.client.session import chain_at

    async with chain_at(nodes, chain_id) as chain:
        return await offering_rules(chain, offering, queue, rules)


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
    known = _known(Path(loaded.ledger.path), job) if loaded and loaded.chain.id == chain else None
    found = asyncio.run(_explain(job, chain, nodes, known))
    if output is Format.JSON:
        typer.echo(json.dumps(bill_show.explanation_document(job, found), indent=2))
    else:
        typer.echo("\n".join(bill_show.explanation_lines(job, found)))
    raise typer.Exit(0 if found.agrees else 1)


def _known(path: Path, job_id: str) -> "Job | None":
    """Reads the ledger; returns None if there is no ledger yet, or the job is not in it."""
    from provider_daemon.ledger.ledger import Ledger

    if not path.exists():
        return None
    return Ledger.open(path, readonly=True, lock=False).job(job_id)


async def _explain(job_id: str, chain_id: str, endpoints: list[str], known: "Job | None") -> "Explanation":
    from provider_daemon.client.session import chain_at

    async with chain_at(endpoints, chain_id) as chain:
        return await explanation(chain, job_id, known)


async def explanation(chain: "GrpcChain", job_id: str, known: "Job | None") -> "Explanation":
    """Raises Refused for a job that the chain does not know."""
    from provider_daemon.chain import evidence_check, messages
    from provider_daemon.client.billing import job_prices
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
        known.usage if known else None,
        messages.usage_of(ended[-1].usage_metrics) if ended else None,
        messages.usage_of(accounting.usage_metrics) if accounting else None,
        gpu_type=job.resources.gpu_type,
        escrowed=sum(int(coin.amount) for coin in job.agreed_price if coin.denom == DENOM),
        charged=sum(int(coin.amount) for coin in accounting.total_cost if coin.denom == DENOM)
        if accounting
        else None,
        rules=await job_prices(chain, job, known),
    )
