"""Converts `--set name=value` to the resources and parameters of a job. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from provider_daemon.job.spec import Resources
from provider_daemon.template.model import Template
from provider_daemon.template.program import MB_PER_GB
from provider_daemon.template.values import BadValue, chosen


@dataclass(frozen=True, slots=True)
class JobRequest:
    """The request for a job. Run time in seconds. `arguments`: the parameters, as a chain job has them."""

    resources: Resources
    max_runtime_seconds: int
    arguments: tuple[str, ...]


def order(template: Template, settings: Mapping[str, str]) -> JobRequest:
    """Returns the request, with defaults and memory rounded up to GB as on chain; raises BadValue."""
    ranges = {name: getattr(template.resources, name) for name in type(template.resources).model_fields}
    sizes = {name: _size(name, settings.get(name, str(ranges[name].default))) for name in _SIZES}
    parameters = {name: value for name, value in settings.items() if name not in (*_SIZES, "gpu_type")}
    chosen(template.parameter_schema, parameters)
    gpu_type = (
        settings.get("gpu_type", (template.resources.gpu_types or ("",))[0]) if sizes["gpus_per_node"] else ""
    )
    return JobRequest(
        Resources(
            nodes=sizes["nodes"],
            cpus_per_node=sizes["cpus_per_node"],
            memory_gb_per_node=-(-sizes["memory_mb_per_node"] // MB_PER_GB),
            gpus_per_node=sizes["gpus_per_node"],
            gpu_type=gpu_type,
        ),
        sizes["runtime_minutes"] * 60,
        tuple(f"{name}={value}" for name, value in parameters.items()),
    )


_SIZES = ("nodes", "cpus_per_node", "memory_mb_per_node", "gpus_per_node", "runtime_minutes")


def _size(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise BadValue(f"{name} must be an integer: {text!r}")
    return int(text)
