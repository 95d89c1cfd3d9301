"""`provd plan`: what a site of a given size costs in a day."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from provider_daemon.cli.options import AsText, Text, example
from provider_daemon.cli.run import DEFAULT, ConfigFile

if TYPE_CHECKING:
    from provider_daemon.planning.plan import Figure, Pace

WHAT, A_DAY, WIDTH = 28, 16, 80  # columns
EPILOG = example("provd plan --nodes 500 --jobs-per-day 20000")


def plan(
    nodes: Annotated[int, typer.Option("--nodes", metavar="N", min=0, help="Nodes of the cluster.")],
    jobs_per_day: Annotated[int, typer.Option("--jobs-per-day", metavar="N", min=0, help="Jobs a day.")],
    nodes_per_job: Annotated[
        float, typer.Option("--nodes-per-job", metavar="N", min=1, help="Nodes of a job, on average.")
    ] = 1.0,
    hours_per_job: Annotated[
        float, typer.Option("--hours-per-job", metavar="HOURS", min=0, help="Run time of a job, on average.")
    ] = 1.0,
    gas_price: Annotated[
        float, typer.Option("--gas-price", metavar="AMOUNT", min=0, help="Price of a unit of gas.")
    ] = 0.025,
    block_seconds: Annotated[
        float, typer.Option("--block-seconds", metavar="SECONDS", min=0.1, help="Seconds between two blocks.")
    ] = 6.0,
    config: ConfigFile = DEFAULT,
    output: AsText = Text.TEXT,
) -> None:
    """Estimate what a cluster costs in a day: gas, fees, blocks, SLURM calls, ledger.

    Intervals are those of the first cluster in the configuration file, or the defaults if there is none."""
    from provider_daemon.planning.plan import Load, figures, too_much

    pace, denom = _pace(config, block_seconds, gas_price)
    load = Load(nodes, jobs_per_day, nodes_per_job, hours_per_job)
    found, problem = list(figures(load, pace, denom)), too_much(load, pace)
    if output is Text.JSON:
        rows = [
            {"what": row.what, "a_day": round(row.a_day), "unit": row.unit, "how": row.how} for row in found
        ]
        typer.echo(json.dumps({"figures": rows, "problem": problem}, indent=1))
    else:
        typer.echo("\n".join(_lines(found)))
    if problem:
        typer.echo(f"provd: {problem}", err=True)
        raise typer.Exit(1)


def _pace(config: Path, block_seconds: float, gas_price: float) -> "tuple[Pace, str]":
    from provider_daemon.config.model import default_toml, load, parse
    from provider_daemon.planning.plan import Pace

    given = config != DEFAULT or config.exists()
    loaded = load(config) if given else parse(default_toml(), "the default configuration")
    cluster, chain = loaded.clusters[0], loaded.chain
    return Pace(
        cluster.poll_seconds, cluster.heartbeat_seconds, chain.poll_seconds, block_seconds, gas_price
    ), chain.fee_denom


def _lines(found: "list[Figure]") -> Iterator[str]:
    """A figure in a line, and its formula below."""
    import textwrap

    for row in found:
        yield f"{row.what:<{WHAT}}{row.a_day:>{A_DAY},.0f} {row.unit} a day"
        yield from textwrap.wrap(row.how, WIDTH, initial_indent="    = ", subsequent_indent="      ")
