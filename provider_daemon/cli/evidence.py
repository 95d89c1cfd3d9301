"""`provd evidence`: checks signed usage from chain data alone."""

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from provider_daemon.chain.client import GrpcChain
    from provider_daemon.chain.evidence_check import Verdict

app = typer.Typer(help="Signed usage: check it from chain data alone.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Signed usage: check it from chain data alone."""


@app.command()
def verify(
    what: Annotated[str, typer.Argument(help="A transaction hash, or a job id such as JOB-1.")],
    node: Annotated[str, typer.Option(help="A gRPC endpoint of the chain.")] = "127.0.0.1:9090",
    chain_id: Annotated[str, typer.Option(help="The chain that it must be.")] = "virtengine-localnet-1",
    output: Annotated[str, typer.Option("--output", "-o", help="text or json.")] = "text",
) -> None:
    """Check the signature of every report in a transaction, or about a job. Exit 0 only when all of them hold."""
    import asyncio

    verdicts = asyncio.run(_verify(what, node, chain_id))
    if output == "json":
        typer.echo(json.dumps([{"tx_hash": tx, "job_id": v.job_id, "state": v.state, "ok": v.ok, "why": v.why} for tx, v in verdicts]))
    else:
        for tx, verdict in verdicts:
            typer.echo(f"{verdict.job_id} {verdict.state:<10} {'verified' if verdict.ok else 'FAILED: ' + verdict.why}  tx {tx}")
    if not verdicts:
        typer.echo(f"no report found for {what}", err=True)
    raise typer.Exit(0 if verdicts and all(verdict.ok for _, verdict in verdicts) else 1)


async def _verify(what: str, node: str, chain_id: str) -> list[tuple[str, "Verdict"]]:
    from provider_daemon.chain.client import GrpcChain
    from provider_daemon.clock import SystemClock

    chain = GrpcChain(chain_id, [node], SystemClock())
    try:
        return await verdicts_of(chain, what)
    finally:
        await chain.close()


async def verdicts_of(chain: "GrpcChain", what: str) -> list[tuple[str, "Verdict"]]:
    """(transaction hash, verdict) for each report of a transaction, or about a job."""
    from provider_daemon.chain import evidence_check

    is_job = what.upper().startswith("JOB-")
    single = None if is_job else await chain.txs.get(what)
    found = await chain.reports_of(what.upper()) if is_job else [single] if single else []
    result = []
    for tx in found:
        jobs = {report.job_id: await chain.query.job(report.job_id) for report in evidence_check.reports(tx.tx)}
        clusters = {job_id: record.cluster_id for job_id, record in jobs.items() if record is not None}
        verdicts = evidence_check.check(tx.tx, chain.chain_id, clusters)
        if tx.tx_response.code:
            failed = f"the transaction failed with code {tx.tx_response.code}: the chain took none of its reports"
            verdicts = [replace(verdict, why=failed) for verdict in verdicts]
        result += [(tx.tx_response.txhash, verdict) for verdict in verdicts if not is_job or verdict.job_id == what.upper()]
    return result
