"""Transactions about jobs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from provider_daemon.cli.tx.options import sends

_JOB, _PROGRAM, _RESOURCES = "Job", "Program", "Resources"  # headings of the options
JobId = Annotated[str, typer.Argument(metavar="JOB", help="Job id, such as JOB-1.")]


@sends("MsgSubmitJob")
def submit_job(
    offering: Annotated[
        str | None, typer.Option(metavar="OFFERING", help="Offering id, such as OFF-1.", rich_help_panel=_JOB)
    ] = None,
    queue: Annotated[
        str | None,
        typer.Option(metavar="QUEUE", help="Name of one of the offering's queues.", rich_help_panel=_JOB),
    ] = None,
    image: Annotated[
        str | None, typer.Option(metavar="IMAGE", help="Container image.", rich_help_panel=_PROGRAM)
    ] = None,
    command: Annotated[
        str | None,
        typer.Option(
            metavar="PROGRAM",
            help="Program to run; required, unless --preconfigured or --template names it.",
            rich_help_panel=_PROGRAM,
        ),
    ] = None,
    arg: Annotated[
        list[str] | None,
        typer.Option(metavar="WORD", help="Argument of the program; repeatable.", rich_help_panel=_PROGRAM),
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help=(
                "Environment variable of the program; repeatable. The published chain rejects jobs with "
                "environment variables."
            ),
            rich_help_panel=_PROGRAM,
        ),
    ] = None,
    workdir: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Working directory, relative to the job's directory.",
            rich_help_panel=_PROGRAM,
        ),
    ] = None,
    preconfigured: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="Id of one of the offering's preconfigured workloads, in place of an image.",
            rich_help_panel=_PROGRAM,
        ),
    ] = None,
    template: Annotated[
        str | None,
        typer.Option(
            metavar="ID|FILE",
            help="Workload template: the id of a shipped one, or a file.",
            rich_help_panel=_PROGRAM,
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Value of a parameter or resource of the template; repeatable.",
            rich_help_panel=_PROGRAM,
        ),
    ] = None,
    nodes: Annotated[
        int | None, typer.Option(metavar="N", help="Number of nodes.", rich_help_panel=_RESOURCES)
    ] = None,
    cpus: Annotated[
        int | None, typer.Option(metavar="N", help="CPU cores per node.", rich_help_panel=_RESOURCES)
    ] = None,
    memory_gb: Annotated[
        int | None, typer.Option(metavar="GB", help="Memory per node, in GB.", rich_help_panel=_RESOURCES)
    ] = None,
    gpus: Annotated[
        int | None, typer.Option(metavar="N", help="GPUs per node.", rich_help_panel=_RESOURCES)
    ] = None,
    gpu_type: Annotated[
        str | None,
        typer.Option(metavar="TYPE", help="GPU type, such as nvidia-a100.", rich_help_panel=_RESOURCES),
    ] = None,
    storage_gb: Annotated[
        int | None, typer.Option(metavar="GB", help="Storage, in GB.", rich_help_panel=_RESOURCES)
    ] = None,
    max_runtime: Annotated[
        int | None,
        typer.Option(metavar="SECONDS", help="Time limit in seconds, at least 60.", rich_help_panel=_JOB),
    ] = None,
    max_price: Annotated[
        str | None,
        typer.Option(
            metavar="COIN",
            help="Maximum price, held in escrow, such as 1000000uvirt; the unused rest is refunded.",
            rich_help_panel=_JOB,
        ),
    ] = None,
    inputs: Annotated[
        str | None, typer.Option(metavar="POINTER", help="Pointer to encrypted inputs.", rich_help_panel=_JOB)
    ] = None,
    outputs: Annotated[
        str | None,
        typer.Option(metavar="POINTER", help="Pointer to encrypted outputs.", rich_help_panel=_JOB),
    ] = None,
) -> dict[str, Any]:
    """Submit a job and print its id."""
    given = {
        "offering_id": offering,
        "queue_name": queue,
        **_workload(image, command, arg, env, workdir, preconfigured),
        **_resources(nodes, cpus, memory_gb, gpus, gpu_type, storage_gb),
        "max_runtime_seconds": max_runtime,
        "max_price": max_price,
        "encrypted_inputs_pointer": inputs,
        "encrypted_outputs_pointer": outputs,
    }
    made = _of_template(template, settings or [], given)
    return {**given, **{field: value for field, value in made.items() if given.get(field) is None}}


@sends("MsgCancelJob")
def cancel_job(
    job: JobId,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="Reason of the cancel.")] = None,
) -> dict[str, Any]:
    """Cancel a job that has not ended. The chain cancels it immediately, the provider stops it shortly
    after."""
    return {"job_id": job, "reason": reason}


@sends("MsgReportJobStatus")
def report_job_status(
    job: JobId,
    state: Annotated[
        str | None,
        typer.Option(
            metavar="STATE", help="New state: queued, running, completed, failed, cancelled or timeout."
        ),
    ] = None,
    slurm_job: Annotated[str | None, typer.Option(metavar="ID", help="SLURM job id.")] = None,
    exit_code: Annotated[int | None, typer.Option(metavar="CODE", help="Exit code of the program.")] = None,
    message: Annotated[str | None, typer.Option(metavar="TEXT", help="Message to the customer.")] = None,
    usage: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File with the usage (fields of HPCUsageMetrics) in JSON or YAML."),
    ] = None,
) -> dict[str, Any]:
    """Report a job's status by hand. Only for the job's provider; the report is signed like the daemon's."""
    return {
        "job_id": job,
        "state": state,
        "slurm_job_id": slurm_job,
        "exit_code": exit_code,
        "status_message": message,
        "usage_metrics": _document(usage),
    }


def _workload(
    image: str | None,
    command: str | None,
    arg: list[str] | None,
    env: list[str] | None,
    workdir: str | None,
    preconfigured: str | None,
) -> dict[str, Any]:
    return {
        "workload_spec.container_image": image,
        "workload_spec.command": command,
        "workload_spec.arguments": arg,
        "workload_spec.environment": dict(_assigned(word) for word in env) if env else None,
        "workload_spec.working_directory": workdir,
        "workload_spec.preconfigured_workload_id": preconfigured,
        "workload_spec.is_preconfigured": True if preconfigured else None,
    }


def _resources(
    nodes: int | None,
    cpus: int | None,
    memory: int | None,
    gpus: int | None,
    gpu_type: str | None,
    storage: int | None,
) -> dict[str, Any]:
    return {
        "resources.nodes": nodes,
        "resources.cpu_cores_per_node": cpus,
        "resources.memory_gb_per_node": memory,
        "resources.gpus_per_node": gpus,
        "resources.gpu_type": gpu_type,
        "resources.storage_gb": storage,
    }


def _of_template(which: str | None, settings: list[str], given: dict[str, Any]) -> dict[str, Any]:
    """Returns a template's fields. Resources that are also set by their own options keep those values."""
    if which is None:
        if settings:
            raise typer.BadParameter("--set requires --template")
        return {}
    if any(value is not None for field, value in given.items() if field.startswith("workload_spec.")):
        raise typer.BadParameter(
            "--template cannot be combined with --image, --command, --arg, --env, --workdir or "
            "--preconfigured"
        )
    from provider_daemon.cli.template import found, settings_of
    from provider_daemon.errors import ConfigError
    from provider_daemon.template.order import order
    from provider_daemon.template.values import BadValue

    template = found(which)
    try:
        asked = order(template, settings_of(settings))
    except BadValue as error:
        raise ConfigError([f"template {template.template_id}: {error}"]) from None
    size = asked.resources
    return {
        "workload_spec.arguments": list(asked.arguments) or None,
        "workload_spec.preconfigured_workload_id": template.template_id,
        "workload_spec.is_preconfigured": True,
        **_resources(
            size.nodes,
            size.cpus_per_node,
            size.memory_gb_per_node,
            size.gpus_per_node or None,
            size.gpu_type or None,
            None,
        ),
        "max_runtime_seconds": asked.max_runtime_seconds,
    }


def _assigned(word: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not (name and equals):
        raise typer.BadParameter(f"--env must be NAME=VALUE: {word!r}")
    return name, value


def _document(path: Path | None) -> object:
    from provider_daemon.cli import documents

    return documents.read(path) if path else None
