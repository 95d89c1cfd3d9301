"""Transactions about disputes and parameters."""

from typing import Annotated, Any

import typer

from provider_daemon.cli.tx.options import sends


@sends("MsgFlagDispute")
def flag_dispute(
    job: Annotated[str, typer.Argument(metavar="JOB", help="The job's id, such as JOB-1.")],
    dispute_type: Annotated[str | None, typer.Option("--type", metavar="TYPE", help="What it is about, such as usage.")] = None,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="What is wrong.")] = None,
    reward: Annotated[str | None, typer.Option(metavar="REWARD", help="The id of the reward that it is about.")] = None,
    evidence: Annotated[str | None, typer.Option(metavar="POINTER", help="Where it can be looked at.")] = None,
) -> dict[str, Any]:
    """Dispute a job's bill. Its customer or its provider may; prints the id that can be resolved."""
    return {"job_id": job, "dispute_type": dispute_type, "reason": reason, "reward_id": reward, "evidence": evidence}


@sends("MsgResolveDispute")
def resolve_dispute(
    dispute: Annotated[str, typer.Argument(metavar="DISPUTE", help="The stored id, such as hpc-dispute-2.")],
    status: Annotated[str | None, typer.Option(metavar="STATUS", help="resolved or rejected.")] = None,
    resolution: Annotated[str | None, typer.Option(metavar="TEXT", help="What was decided.")] = None,
) -> dict[str, Any]:
    """Decide a dispute. The governance authority only."""
    return {"dispute_id": dispute, "status": status, "resolution": resolution}


@sends("MsgUpdateParams")
def update_params(
    setting: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="NAME=VALUE; repeatable. The others stay as they are.")
    ] = None,
) -> dict[str, Any]:
    """Change the module's parameters, live. The governance authority only."""
    return {f"params.{name}": value for name, value in map(_assigned, setting or [])}


def _assigned(word: str) -> tuple[str, str | bool]:
    name, equals, value = word.partition("=")
    if not (name and equals):
        raise typer.BadParameter(f"--set takes NAME=VALUE, not {word!r}")
    return name, value == "true" if value in ("true", "false") else value
