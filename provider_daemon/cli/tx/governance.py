"""Transactions about disputes and parameters."""

from typing import Annotated, Any

import typer

from provider_daemon.cli.tx.options import sends


@sends("MsgFlagDispute")
def flag_dispute(
    job: Annotated[str, typer.Argument(metavar="JOB", help="Job id, such as JOB-1.")],
    dispute_type: Annotated[
        str | None, typer.Option("--type", metavar="TYPE", help="Type of the dispute, such as usage.")
    ] = None,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="Reason of the dispute.")] = None,
    reward: Annotated[str | None, typer.Option(metavar="REWARD", help="Id of the disputed reward.")] = None,
    evidence: Annotated[
        str | None, typer.Option(metavar="POINTER", help="Pointer to the evidence, such as a URL.")
    ] = None,
) -> dict[str, Any]:
    """Dispute a job's bill, as its customer or provider. Prints the id for resolve-dispute."""
    return {
        "job_id": job,
        "dispute_type": dispute_type,
        "reason": reason,
        "reward_id": reward,
        "evidence": evidence,
    }


@sends("MsgResolveDispute")
def resolve_dispute(
    dispute: Annotated[str, typer.Argument(metavar="DISPUTE", help="Dispute id, such as hpc-dispute-2.")],
    status: Annotated[
        str | None, typer.Option(metavar="STATUS", help="New status: resolved or rejected.")
    ] = None,
    resolution: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Explanation of the decision.")
    ] = None,
) -> dict[str, Any]:
    """Resolve or reject a dispute. Only for the governance authority."""
    return {"dispute_id": dispute, "status": status, "resolution": resolution}


@sends("MsgUpdateParams")
def update_params(
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="New value of a parameter; repeatable. Other parameters keep their values.",
        ),
    ] = None,
) -> dict[str, Any]:
    """Change the module's parameters, effective immediately. Only for the governance authority."""
    return {f"params.{name}": value for name, value in map(_assigned, setting or [])}


def _assigned(word: str) -> tuple[str, str | bool]:
    name, equals, value = word.partition("=")
    if not (name and equals):
        raise typer.BadParameter(f"--set must be NAME=VALUE: {word!r}")
    return name, value == "true" if value in ("true", "false") else value
