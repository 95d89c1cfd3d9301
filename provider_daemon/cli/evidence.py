"""`provd evidence`: verifies signed usage, from the chain or from the ledger."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from provider_daemon.cli.opened import opened
from provider_daemon.cli.options import CHAIN_ID, NODE, AsText, ChainId, Nodes, Text, example
from provider_daemon.cli.run import DEFAULT, ConfigFile
from provider_daemon.text import printable

if TYPE_CHECKING:
    from provider_daemon.chain.client import GrpcChain
    from provider_daemon.chain.evidence_check import Verdict
    from provider_daemon.job.usage_record import SignedSnapshot

app = typer.Typer(help="Verify the signed usage of jobs.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Verify the signed usage of jobs."""


@app.command(epilog=example("provd evidence verify JOB-1"))
def verify(
    what: Annotated[
        str, typer.Argument(metavar="HASH|JOB", help="Transaction hash, or job id such as JOB-1.")
    ],
    node: Nodes = (NODE,),  # type: ignore[assignment]
    chain_id: ChainId = CHAIN_ID,
    output: AsText = Text.TEXT,
) -> None:
    """Verify the signature of every report of a transaction or a job. Exit status: 0 all are valid, 1
    otherwise."""
    import asyncio

    verdicts = asyncio.run(_verify(what, node, chain_id))
    if output is Text.JSON:
        typer.echo(json.dumps([_verdict_row(tx, verdict) for tx, verdict in verdicts]))
    else:
        for tx, verdict in verdicts:
            said = _said(verdict) if verdict.ok else f"FAILED: {verdict.why}"
            typer.echo(printable(f"{verdict.job_id} {verdict.state:<10} {said}  tx {tx}"))
    if not verdicts:
        typer.echo(f"provd: no report of {what} found", err=True)
    raise typer.Exit(0 if verdicts and all(verdict.ok for _, verdict in verdicts) else 1)


def _said(verdict: "Verdict") -> str:
    return (
        "verified"
        if verdict.spec_signed
        else "verified, but the signature does not cover the job's request (version 1)"
    )


def _verdict_row(tx_hash: str, verdict: "Verdict") -> dict[str, object]:
    said = {
        "tx_hash": tx_hash,
        "job_id": verdict.job_id,
        "state": verdict.state,
        "ok": verdict.ok,
        "why": verdict.why,
    }
    return {**said, "spec_signed": verdict.spec_signed, "signed": asdict(verdict.signed)}


@app.command()
def snapshots(
    job: Annotated[str, typer.Argument(metavar="JOB", help="Job id on chain, such as JOB-1.")],
    config: ConfigFile = DEFAULT,
    output: AsText = Text.TEXT,
) -> None:
    """List and verify the usage records of a job. Checks signatures, hashes, and that no record was added or
    changed.

    Exit status: 0 all are valid, 1 otherwise. JSON output includes the signed documents.
    """
    from provider_daemon.usage_records import document

    kept, keys = _kept(config, job)
    checked = list(zip(kept, document.check(kept, keys), strict=True))
    if output is Text.JSON:
        typer.echo(json.dumps([_row(snapshot, why) for snapshot, why in checked]))
    else:
        for snapshot, why in checked:
            typer.echo(_line(snapshot, why))
    if not kept:
        typer.echo(f"provd: no usage record of {job} in the ledger", err=True)
    raise typer.Exit(0 if kept and not any(why for _, why in checked) else 1)


def _kept(config: Path, job_id: str) -> "tuple[list[SignedSnapshot], dict[str, bytes]]":
    """Returns the usage records, and the public keys of this ledger's transactions: no secret is needed."""
    from provider_daemon.chain import evidence_check, tx
    from provider_daemon.ledger import usage_records

    _, ledger = opened(config)
    keys: dict[str, bytes] = {}
    for raw in usage_records.a_transaction_of_each_key(ledger):
        keys |= evidence_check.public_keys_of(tx.decode(raw))
    return usage_records.of(ledger, job_id), keys


def _line(snapshot: "SignedSnapshot", why: str) -> str:
    from provider_daemon.ledger.timeline import when
    from provider_daemon.usage_records import document

    used = document.cumulative(snapshot)
    amounts = (
        f"{used.wall_clock_seconds} s, {used.cpu_core_seconds} core-s, {used.memory_gb_seconds} GB-s, "
        f"{used.gpu_seconds} GPU-s"
    )
    verdict = f"FAILED: {why}" if why else "verified"
    return (
        f"{snapshot.sequence:>4} {snapshot.type:<14} {when(snapshot.taken_at)}  {amounts}  {verdict}  "
        f"{snapshot.content_hash}"
    )


def _row(snapshot: "SignedSnapshot", why: str) -> dict[str, object]:
    named = {
        "sequence": snapshot.sequence,
        "type": snapshot.type,
        "content_hash": snapshot.content_hash,
        "signature": snapshot.signature,
    }
    return {**named, "ok": not why, "why": why, "document": snapshot.document.decode()}


async def _verify(what: str, nodes: list[str], chain_id: str) -> list[tuple[str, "Verdict"]]:
    from provider_daemon.client.session import chain_at

    async with chain_at(nodes, chain_id) as chain:
        return await verdicts_of(chain, what)


async def verdicts_of(chain: "GrpcChain", what: str) -> list[tuple[str, "Verdict"]]:
    """Returns (transaction hash, verdict) for each report in a transaction, or about a job.

    Raises ConfigError if the text is neither.
    """
    from provider_daemon.chain import evidence_check
    from provider_daemon.client import accounts

    is_job = what.upper().startswith("JOB-")
    single = None if is_job else await chain.txs.get(accounts.tx_hash(what))
    found = await chain.reports_of(what.upper()) if is_job else [single] if single else []
    result = []
    for tx in found:
        jobs = {
            report.job_id: await chain.query.job(report.job_id) for report in evidence_check.reports(tx.tx)
        }
        records = {
            job_id: evidence_check.ChainRecord.of(record, chain.chain_id)
            for job_id, record in jobs.items()
            if record
        }
        verdicts = evidence_check.check(tx.tx, chain.chain_id, records)
        if tx.tx_response.code:
            failed = (
                f"the transaction failed with code {tx.tx_response.code}: the chain accepted none of "
                "its reports"
            )
            verdicts = [replace(verdict, why=failed) for verdict in verdicts]
        result += [
            (tx.tx_response.txhash, verdict)
            for verdict in verdicts
            if not is_job or verdict.job_id == what.upper()
        ]
    return result
