"""Builds the program of a templated job, so that no shell parses a customer's text. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from provider_daemon.job.admission import Inadmissible, Program
from provider_daemon.job.spec import Resources, Spec
from provider_daemon.template.model import Range, Template
from provider_daemon.template.places import PLACE, fill
from provider_daemon.template.values import BadValue, chosen

MB_PER_GB = 1024


def program_of(template: Template, spec: Spec) -> Program:
    """Returns the program of a job whose `arguments` are parameters, each `name=value`; raises Inadmissible.

    `launcher` is empty, because the site chooses what runs the image.
    """
    _check_resources(template, spec)
    if spec.workload.environment:
        raise Inadmissible(
            f"template {template.template_id}: the job must not set environment variables, only parameters"
        )
    try:
        values = chosen(template.parameter_schema, _given(spec.workload.arguments))
        _check_options(template, values)
    except BadValue as error:
        raise Inadmissible(f"template {template.template_id}: {error}") from None
    return _program(template, spec.resources, values)


def _given(arguments: Sequence[str]) -> dict[str, str]:
    given: dict[str, str] = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not equals or name in given:
            raise BadValue(f"argument {argument!r} must be name=value, and each name may be given once")
        given[name] = value
    return given


def _check_options(template: Template, values: Mapping[str, str]) -> None:
    """Rejects a text that begins an argument of the template's own program and looks like an option."""
    if PLACE.match(template.entrypoint.command):
        return  # the customer's own program: its arguments may be options
    texts = {parameter.name for parameter in template.parameter_schema if parameter.type == "string"}
    for part in template.entrypoint.default_args:
        place = PLACE.match(part)
        if place and place[1] in texts and values[place[1]].startswith("-"):
            raise BadValue(f"parameter {place[1]}: {values[place[1]]!r} cannot begin with '-'")


def _check_resources(template: Template, spec: Spec) -> None:
    asked, ranges = spec.resources, template.resources
    minutes = -(-spec.max_runtime_seconds // 60)
    for what, wanted, allowed in (
        ("nodes", asked.nodes, ranges.nodes),
        ("cores per node", asked.cpus_per_node, ranges.cpus_per_node),
        ("MB of memory per node", asked.memory_gb_per_node * MB_PER_GB, ranges.memory_mb_per_node),
        ("GPUs per node", asked.gpus_per_node, ranges.gpus_per_node),
        ("minutes of run time", minutes, ranges.runtime_minutes),
    ):
        if not _within(wanted, allowed):
            top = f"to {allowed.max}" if allowed.max else "or more"
            raise Inadmissible(
                f"template {template.template_id}: {wanted} {what} requested, allowed are {allowed.min} {top}"
            )
    if asked.gpus_per_node and ranges.gpu_types and asked.gpu_type not in ranges.gpu_types:
        raise Inadmissible(
            f"template {template.template_id}: gpu_type {asked.gpu_type!r} is not one of "
            f"{', '.join(ranges.gpu_types)}"
        )


def _within(wanted: int, allowed: Range) -> bool:
    return allowed.min <= wanted and (not allowed.max or wanted <= allowed.max)


def _program(template: Template, asked: Resources, values: Mapping[str, str]) -> Program:
    entry, mpi = template.entrypoint, template.type == "mpi"
    tasks = max(asked.cpus_per_node, 1) if mpi else 1
    places = {
        **values,
        "nodes": str(asked.nodes),
        "cpus": str(asked.cpus_per_node),
        "tasks": str(asked.nodes * tasks),
        "memory_mb": str(asked.memory_gb_per_node * MB_PER_GB),
        "gpus": str(asked.gpus_per_node),
    }
    return Program(
        image=image(template),
        launcher=(),
        argv=(fill(entry.command, places), *_arguments(entry.default_args, places)),
        wrapper=_wrapper(template, places["tasks"]),
        environment=tuple((name, fill(text, places)) for name, text in template.environment.items()),
        working_directory=fill(entry.working_directory, places),
        prologue=tuple(_prologue(template)),
        epilogue=tuple(entry.post_run_script.splitlines()),
        tasks_per_node=tasks,
        exclusive=template.resources.exclusive_nodes,
        host_paths=tuple(binding.host_path for binding in template.data_bindings),
    )


def _arguments(parts: Sequence[str], places: Mapping[str, str]) -> Iterator[str]:
    """Replaces the names. An argument that is only a name is left out if it is empty: it is optional."""
    for part in parts:
        if (filled := fill(part, places)) or not PLACE.fullmatch(part):
            yield filled


def image(template: Template) -> str:
    """Returns the image reference that the site's patterns match, with the digest if the template has one."""
    runtime = template.runtime
    return (
        f"{runtime.container_image}@{runtime.image_digest}"
        if runtime.image_digest
        else runtime.container_image
    )


def _wrapper(template: Template, tasks: str) -> tuple[str, ...]:
    """Returns what starts the tasks, outside the container: an MPI program once per core, others once."""
    if template.type != "mpi":
        return ()
    return ("mpirun", "-n", tasks) if template.entrypoint.use_mpirun else ("srun", "--ntasks", tasks)


def _prologue(template: Template) -> Iterator[str]:
    for module in dict.fromkeys((*template.runtime.required_modules, *template.modules)):
        yield f"module load {module} || exit 73"
    if template.security.max_open_files:
        yield f"ulimit -n {template.security.max_open_files}"
    if template.security.max_processes:
        yield f"ulimit -u {template.security.max_processes}"
    if binds := ",".join(
        f"{bind.host_path}:{bind.mount_path}:{'ro' if bind.read_only else 'rw'}"
        for bind in template.data_bindings
    ):
        yield f"export APPTAINER_BIND={binds} SINGULARITY_BIND={binds}"
    yield from template.entrypoint.pre_run_script.splitlines()
