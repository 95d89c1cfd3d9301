"""Converts a job file to the fields of MsgSubmitJob. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from provider_daemon.client.job_file import SCRIPT_NAME, Input, JobFile
from provider_daemon.errors import ConfigError
from provider_daemon.job.references import DataReference
from provider_daemon.job.spec import Resources, Workload
from provider_daemon.template.model import Template
from provider_daemon.template.order import order
from provider_daemon.template.program import MB_PER_GB
from provider_daemon.template.values import BadValue

INPUTS = "inputs"  # the directory of the inputs, in the job's own
SHELL = "/bin/sh"


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What is asked of an offering. `inputs`: of local files only after their upload."""

    workload: Workload
    resources: Resources
    max_runtime_seconds: int
    inputs: tuple[DataReference, ...] = ()
    outputs_pointer: str = ""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file of the customer, as it lies on disk. `content` replaces `path` for a generated script.

    `encrypted`: it is, or is to be, encrypted to the provider.
    """

    name: str
    path: str
    size: int
    sha256: str
    content: bytes = field(default=b"", repr=False)
    encrypted: bool = False


def request(job: JobFile, template: Template | None) -> JobRequest:
    """Returns the request without its local files. `template`: the one that `job.template` names.

    Raises ConfigError.
    """
    resources, runtime, workload = _of_template(job, template) if template else _of_file(job)
    return JobRequest(
        workload=replace(
            workload,
            environment=tuple(sorted(job.environment.items())),
            working_directory=job.working_directory,
        ),
        resources=resources,
        max_runtime_seconds=runtime,
        inputs=tuple(reference(given) for given in job.inputs if not given.file),
        outputs_pointer=job.outputs,
    )


def with_files(asked: JobRequest, files: Mapping[str, LocalFile]) -> JobRequest:
    """Adds the uploaded files. `files`: by their names as inputs."""
    uploaded = tuple(
        DataReference(
            reference_id=name,
            type="upload",
            uri=f"upload:{file.sha256}",
            encrypted=file.encrypted,
            checksum=f"sha256:{file.sha256}",
            size_bytes=file.size,
        )
        for name, file in files.items()
    )
    return replace(asked, inputs=uploaded + asked.inputs)


def reference(given: Input) -> DataReference:
    """Converts an input that is not a local file."""
    uri = given.url or (f"upload:{given.upload}" if given.upload else f"site:{given.dataset}")
    checksum = given.sha256 or given.upload
    return DataReference(
        reference_id=given.called,
        type=uri.partition(":")[0],
        uri=uri,
        encrypted=given.encrypted,
        checksum=f"sha256:{checksum}" if checksum else "",
        size_bytes=given.size,
    )


def _of_file(job: JobFile) -> tuple[Resources, int, Workload]:
    asked = job.resources
    resources = Resources(
        nodes=asked.nodes or 1,
        cpus_per_node=asked.cpus or 1,
        memory_gb_per_node=asked.memory_gb or 1,
        gpus_per_node=asked.gpus or 0,
        gpu_type=asked.gpu_type,
        storage_gb=asked.storage_gb or 0,
    )
    if job.workload:
        workload = Workload(
            preconfigured_id=job.workload, is_preconfigured=True, arguments=tuple(job.arguments)
        )
    else:
        program, *arguments = job.command or _shell(job)
        workload = Workload(image=job.image, command=program, arguments=tuple(arguments))
    assert job.max_runtime is not None, "job_file.parse requires it without a template"
    return resources, job.max_runtime, workload


def _shell(job: JobFile) -> list[str]:
    """Returns the command of `run`: the line itself, or the script that is sent as an input."""
    if not job.script:
        return [SHELL, "-c", job.run.strip()]
    depth = len([part for part in job.working_directory.split("/") if part not in ("", ".")])
    return [SHELL, f"{'../' * depth}{INPUTS}/{SCRIPT_NAME}"]


def _of_template(job: JobFile, template: Template) -> tuple[Resources, int, Workload]:
    asked = job.resources
    sizes = {
        "nodes": asked.nodes,
        "cpus_per_node": asked.cpus,
        "memory_mb_per_node": asked.memory_gb and asked.memory_gb * MB_PER_GB,
        "gpus_per_node": asked.gpus,
        "gpu_type": asked.gpu_type or None,
        "runtime_minutes": job.max_runtime and -(-job.max_runtime // 60),
    }
    settings = {**job.set, **{name: str(value) for name, value in sizes.items() if value is not None}}
    try:
        ordered = order(template, settings)
    except BadValue as error:
        raise ConfigError([f"template {template.template_id}: {error}"]) from None
    workload = Workload(
        preconfigured_id=template.template_id, is_preconfigured=True, arguments=ordered.arguments
    )
    resources = replace(ordered.resources, storage_gb=asked.storage_gb or 0)
    return resources, job.max_runtime or ordered.max_runtime_seconds, workload


def fields(asked: JobRequest, offering_id: str, queue: str, max_price: str) -> dict[str, Any]:
    """Returns the fields of MsgSubmitJob, as `provd tx hpc submit-job --file` reads them."""
    program, size = asked.workload, asked.resources
    return {
        "offering_id": offering_id,
        "queue_name": queue,
        "workload_spec": {
            "container_image": program.image,
            "command": program.command,
            "arguments": list(program.arguments),
            "environment": dict(program.environment),
            "working_directory": program.working_directory,
            "preconfigured_workload_id": program.preconfigured_id,
            "is_preconfigured": program.is_preconfigured,
        },
        "resources": resources_fields(size),
        "data_references": [
            {
                "reference_id": given.reference_id,
                "type": given.type,
                "uri": given.uri,
                "encrypted": given.encrypted,
                "checksum": given.checksum,
                "size_bytes": given.size_bytes,
            }
            for given in asked.inputs
        ],
        "encrypted_outputs_pointer": asked.outputs_pointer,
        "max_runtime_seconds": asked.max_runtime_seconds,
        "max_price": max_price,
    }


def resources_fields(size: Resources) -> dict[str, Any]:
    """Returns the fields of JobResources."""
    return {
        "nodes": size.nodes,
        "cpu_cores_per_node": size.cpus_per_node,
        "memory_gb_per_node": size.memory_gb_per_node,
        "gpus_per_node": size.gpus_per_node,
        "gpu_type": size.gpu_type,
        "storage_gb": size.storage_gb,
    }
