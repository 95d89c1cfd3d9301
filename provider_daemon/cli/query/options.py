"""The common options of all queries, and their output."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from provider_daemon.cli.options import CHAIN_ID, NODE, ChainId, Nodes, with_options
from provider_daemon.text import printable

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from provider_daemon.chain.client import GrpcChain
    from provider_daemon.client.queries import Page


class Output(StrEnum):
    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


@dataclass(frozen=True)
class QueryOptions:
    node: Nodes = (NODE,)  # type: ignore[assignment]
    chain_id: ChainId = CHAIN_ID
    output: Annotated[
        Output,
        typer.Option(
            "--output",
            "-o",
            metavar="table|json|yaml",
            help="Output format; JSON and YAML contain every field.",
        ),
    ] = Output.TABLE


@dataclass(frozen=True)
class PageOptions(QueryOptions):
    limit: Annotated[
        int,
        typer.Option(
            "--limit",
            min=1,
            metavar="N",
            help="Maximum number of records per page. A page is sorted by number; pages follow the chain's "
            "order, in which JOB-10 comes before JOB-2.",
        ),
    ] = 100
    page_key: Annotated[
        str, typer.Option("--page-key", metavar="KEY", help="next_key of the previous page.")
    ] = ""
    offset: Annotated[
        int,
        typer.Option(
            "--offset", min=0, metavar="N", help="Number of records to skip; not together with --page-key."
        ),
    ] = 0
    count_total: Annotated[
        bool, typer.Option("--count-total", help="Also return the total number of records.")
    ] = False
    reverse: Annotated[bool, typer.Option("--reverse", help="List the last record first.")] = False


Watch = Annotated[
    bool,
    typer.Option("--watch", "-w", help="Keep running and print changes, until Ctrl-C or the end of the job."),
]
Interval = Annotated[
    float,
    typer.Option("--interval", min=0.05, metavar="SECONDS", help="Seconds between two queries with --watch."),
]


@dataclass(frozen=True)
class JobOptions(QueryOptions):
    watch: Watch = False
    interval: Interval = 2.0


@dataclass(frozen=True)
class JobPageOptions(PageOptions):
    watch: Watch = False
    interval: Interval = 2.0


def asks(
    rpc: str, options: type[QueryOptions] = QueryOptions
) -> Callable[[Callable[..., dict[str, Any]]], Callable[..., None]]:
    """Decorator: turns a function that returns an RPC's request fields into a command printing the answer."""

    def decorate(function: Callable[..., dict[str, Any]]) -> Callable[..., None]:
        return with_options(function, options, lambda values, given: _ask(rpc, values, given))

    return decorate


def _ask(rpc: str, values: dict[str, Any], options: QueryOptions) -> None:
    import asyncio

    from provider_daemon.client.flags import named
    from provider_daemon.client.queries import question
    from provider_daemon.errors import ConfigError

    try:
        asked = question(rpc, values, _page(options))
    except ConfigError as error:
        raise ConfigError(named(error.problems, {name: f"--{name}" for name in values})) from error
    unreadable, status = asyncio.run(_answered(rpc, asked, options))
    for line in unreadable:
        typer.echo(f"provd: {printable(line)}", err=True)
    if unreadable or status:
        sys.exit(status or 1)


def _page(options: QueryOptions) -> "Page | None":
    from provider_daemon.client.queries import Page

    if not isinstance(options, PageOptions):
        return None
    given = {
        "key" if field.name == "page_key" else field.name: getattr(options, field.name)
        for field in fields(PageOptions)
    }
    return Page(**{name: value for name, value in given.items() if name in Page.__slots__})


async def _answered(rpc: str, asked: "Message", options: QueryOptions) -> tuple[tuple[str, ...], int]:
    """Prints the answer. Returns a line for each record that is missing from it, and the exit status."""
    from provider_daemon.chain.gateway_json import render
    from provider_daemon.client.queries import by_number, job_story
    from provider_daemon.client.session import chain_at

    async with chain_at(options.node, options.chain_id) as chain:
        if isinstance(options, JobOptions | JobPageOptions) and options.watch:
            return (), await _watch(chain, rpc, asked, options)
        answer = await chain.ask(rpc, asked)
        document, missing = await job_story(chain, answer) if rpc == "Job" else (render(answer.message), ())
        more = await _of_catalogue(chain, rpc, answer.message)
    if rpc == "Cluster":
        document = _with_words(document)
    document |= more
    if isinstance(options, PageOptions):
        kind = next(iter(document))
        document[kind] = by_number(document[kind], reverse=options.reverse)
    show(document, options.output)
    return answer.unreadable + missing, 0


async def _of_catalogue(chain: "GrpcChain", rpc: str, answer: Any) -> dict[str, Any]:
    """Returns what the provider's catalogue adds to an offering or a cluster."""
    from provider_daemon.client import catalogue
    from provider_daemon.errors import ProvdError

    try:
        if rpc == "Offering":
            record = answer.offering
            return await catalogue.of_offering(chain, record.offering_id, record.cluster_id)
        return await catalogue.of_cluster(answer.cluster) if rpc == "Cluster" else {}
    except ProvdError as error:
        typer.echo(f"provd: the provider's catalogue cannot be read: {printable(str(error))}", err=True)
        return {}


def _with_words(document: dict[str, Any]) -> dict[str, Any]:
    """Adds the address of the provider's gateway and the newest site audit, which the description has."""
    from dataclasses import asdict

    from provider_daemon.chain import audit_marker, gateway_marker

    described = str(document["cluster"].get("description", ""))
    url, audit = gateway_marker.find(described), audit_marker.find(described)
    words = ({"gateway": url} if url else {}) | ({"site_audit": asdict(audit)} if audit else {})
    return {**document, **words}


async def _watch(chain: "GrpcChain", rpc: str, asked: "Message", options: JobOptions | JobPageOptions) -> int:
    """Prints one line per change; with JSON output, one document per line.

    Returns the exit status of the one job that was watched, as `provd submit`'s.
    """
    from provider_daemon.chain.gateway_json import render
    from provider_daemon.cli.tables import columns
    from provider_daemon.client import market
    from provider_daemon.client.outcome import exit_status
    from provider_daemon.client.queries import changes

    jobs: list[Any] = []

    async for jobs in changes(
        chain, rpc, asked, options.interval, lambda text: typer.echo(printable(text), err=True)
    ):
        for record in map(render, jobs):
            line = (
                columns("jobs", [record], heading=False)[0]
                if options.output is Output.TABLE
                else json.dumps(record)
            )
            typer.echo(line)
    ended = market.ended(jobs[0])
    assert ended is not None
    if status := exit_status(ended):
        typer.echo(f"provd: {printable(f'{jobs[0].job_id} {ended.state}: {ended.message}')}", err=True)
    return status


def show(document: dict[str, Any], output: Output) -> None:
    if output is Output.JSON:
        typer.echo(json.dumps(document, indent=2))
    elif output is Output.YAML:
        import yaml

        typer.echo(yaml.safe_dump(document, sort_keys=False), nl=False)
    else:
        _show_table(document)


def _show_table(document: dict[str, Any]) -> None:
    """Prints a list in columns, and a single record field by field."""
    from provider_daemon.cli import tables

    kind = next(iter(document))
    if kind not in tables.COLUMNS:
        more = {name: value for name, value in document.items() if name != kind}
        typer.echo("\n".join(tables.fields({**document[kind], **more})))
        return
    typer.echo("\n".join(tables.columns(kind, document[kind])))
    page = document.get("pagination") or {}
    if page.get("total", "0") != "0":
        typer.echo(f"total: {page['total']}", err=True)
    if page.get("next_key"):
        typer.echo(f"next page: --page-key {page['next_key']}", err=True)
