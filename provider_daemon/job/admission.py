"""Checks jobs that the chain accepts and a site may not be able to run (docs/protocol.md, 'Jobs')."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from provider_daemon.job.containment import MOUNTING, Containment
from provider_daemon.job.report_cost import ReportGasLimits
from provider_daemon.job.spec import Resources, Spec
from provider_daemon.job.words import SEPARATOR, unsafe_word


@dataclass(frozen=True, slots=True)
class Limits:
    """The site's own limits; 0 means none."""

    max_nodes: int = 0
    max_cpus_per_node: int = 0
    max_memory_gb_per_node: int = 0
    max_gpus_per_node: int = 0
    max_runtime_seconds: int = 0
    gas: ReportGasLimits = field(default_factory=ReportGasLimits)


@dataclass(frozen=True, slots=True)
class Image:
    """How images are run whose reference matches `pattern`: contained, or with `run`, or natively.

    `run` is a launcher of the site's own. In it {image} and {directory} (the job's own directory) are
    replaced within single arguments. With neither the program runs natively.
    """

    pattern: str
    run: tuple[str, ...] = ()
    contained: Containment | None = None


@dataclass(frozen=True, slots=True)
class QueueOption:
    """A queue of the job's offering; 0 means no limit of its own."""

    partition: str
    max_nodes: int = 0
    max_runtime: int = 0


@dataclass(frozen=True, slots=True)
class PreconfiguredWorkload:
    workload_id: str
    image: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of the job's offering."""

    queues: tuple[QueueOption, ...] = ()
    preconfigured: tuple[PreconfiguredWorkload, ...] = ()
    supports_custom_workloads: bool = True


@dataclass(frozen=True, slots=True)
class Program:
    """The image, its launcher, and the argument vector after it.

    `contained`: a built-in launcher in place of `launcher`.
    Only workload templates set the other fields: `wrapper` starts the tasks (before the launcher), `prologue`
    and `epilogue` are lines of bash by the template's publisher, `environment` is passed to the program,
    `host_paths` are the site's directories that the container shall see.
    """

    image: str
    launcher: tuple[str, ...]
    argv: tuple[str, ...]
    wrapper: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    working_directory: str = ""
    prologue: tuple[str, ...] = ()
    epilogue: tuple[str, ...] = ()
    tasks_per_node: int = 1
    exclusive: bool = False
    contained: Containment | None = None
    host_paths: tuple[str, ...] = ()


class Inadmissible(Exception):
    """The job cannot run here. The text is the status message that the customer reads."""


@dataclass(frozen=True, slots=True)
class SitePolicy:
    """The operator's configuration of the cluster.

    `nodes` is the largest number of nodes a job can get; 0 if unknown. `templates`: workload id -> a function
    that returns the program of a job, or raises Inadmissible.
    """

    images: tuple[Image, ...] = ()
    limits: Limits = field(default_factory=Limits)
    gpu_types: Mapping[str, str] = field(default_factory=dict)
    nodes: int = 0
    templates: Mapping[str, Callable[[Spec], Program]] = field(default_factory=dict)


def admit(spec: Spec, terms: Terms, site: SitePolicy) -> Program:
    """Returns the program to run. Raises Inadmissible."""
    _check_queue(spec, terms)
    _check_limits(spec, site.limits)
    _check_nodes(spec.resources, site)
    return _program(spec, terms, site)


def check_identity(required: int, score: int | None) -> None:
    """Raises Inadmissible for a score below the required one. `score` is None if the chain has no scores."""
    needs = f"the offering requires an identity score of {required}"
    if score is None:
        raise Inadmissible(f"{needs}, and this chain has no identity scores: the provider must lower it to 0")
    if score < required:
        raise Inadmissible(f"{needs}, and this account has {score}: verify its identity on chain first")


def _check_queue(spec: Spec, terms: Terms) -> None:
    queue = next((option for option in terms.queues if option.partition == spec.queue), None)
    if queue is None:
        offered = ", ".join(sorted(option.partition for option in terms.queues)) or "none"
        raise Inadmissible(f"unknown queue {spec.queue!r}: this offering has {offered}")
    if queue.max_nodes and spec.resources.nodes > queue.max_nodes:
        raise Inadmissible(
            f"{spec.resources.nodes} nodes requested, queue {spec.queue!r} allows {queue.max_nodes}"
        )
    if queue.max_runtime and spec.max_runtime_seconds > queue.max_runtime:
        raise Inadmissible(
            f"{spec.max_runtime_seconds} s of run time requested, queue {spec.queue!r} allows "
            f"{queue.max_runtime} s"
        )


def _check_limits(spec: Spec, limits: Limits) -> None:
    asked = spec.resources
    for what, wanted, ceiling in (
        ("nodes", asked.nodes, limits.max_nodes),
        ("CPU cores per node", asked.cpus_per_node, limits.max_cpus_per_node),
        ("GB of memory per node", asked.memory_gb_per_node, limits.max_memory_gb_per_node),
        ("GPUs per node", asked.gpus_per_node, limits.max_gpus_per_node),
        ("seconds of run time", spec.max_runtime_seconds, limits.max_runtime_seconds),
    ):
        if ceiling and wanted > ceiling:
            raise Inadmissible(f"{wanted} {what} requested, this site allows {ceiling}")


def _check_nodes(asked: Resources, site: SitePolicy) -> None:
    if min(asked.nodes, asked.cpus_per_node + 1, asked.memory_gb_per_node + 1, asked.gpus_per_node + 1) < 1:
        raise Inadmissible("invalid resources: at least one node is required, and no value may be negative")
    if site.nodes and asked.nodes > site.nodes:
        raise Inadmissible(f"{asked.nodes} nodes requested, the cluster has {site.nodes}")


def _program(spec: Spec, terms: Terms, site: SitePolicy) -> Program:
    program = _preconfigured(spec, terms, site) if spec.workload.is_preconfigured else _custom(spec, terms)
    if not program.image and spec.workload.is_preconfigured:
        # a template of a native program has no image to find a launcher for
        return _separated(program, spec)
    entry = next(
        (
            entry
            for entry in site.images
            if _plain(program.image) and fnmatchcase(program.image, entry.pattern)
        ),
        None,
    )
    if entry is None:
        raise Inadmissible(
            f"image {program.image!r} is not allowed on this site: ask the provider which images are"
        )
    if entry.contained and spec.resources.nodes > 1 and not program.wrapper:
        raise Inadmissible(
            f"{spec.resources.nodes} nodes requested, but a program in a container starts on the first node "
            "alone: request one node, or use a template that starts tasks on all nodes"
        )
    if entry.contained and program.host_paths and entry.contained.launcher not in MOUNTING:
        raise Inadmissible(
            f"the template needs {', '.join(program.host_paths)} of the site in the container, and this site "
            f"runs its image with {entry.contained.launcher}, which mounts no such directory: use another "
            "template, or ask the provider to run this image with apptainer"
        )
    return _separated(replace(program, launcher=entry.run, contained=entry.contained), spec)


def _separated(program: Program, spec: Spec) -> Program:
    """Rejects arguments that a launcher would parse as options; an offering's command may be a launcher."""
    launched = bool(
        program.launcher or program.contained or program.wrapper or spec.workload.is_preconfigured
    )
    if unsafe := unsafe_word(program.argv, launched=launched):
        raise Inadmissible(unsafe)
    return program


def _plain(image: str) -> bool:
    """Whether the image is neither a launcher option nor a path out of the pattern's directory."""
    return (
        not image.startswith("-")
        and image != SEPARATOR
        and image.isprintable()
        and ".." not in image.split("/")
    )


def _preconfigured(spec: Spec, terms: Terms, site: SitePolicy) -> Program:
    """Returns the program of the site's template of that name, or else of the offering."""
    wanted = spec.workload.preconfigured_id
    found = next((item for item in terms.preconfigured if item.workload_id == wanted), None)
    if found is None:
        offered = ", ".join(sorted(item.workload_id for item in terms.preconfigured)) or "none"
        raise Inadmissible(f"unknown preconfigured workload {wanted!r}: this offering has {offered}")
    if template := site.templates.get(wanted):
        return template(spec)
    return Program(found.image, (), found.command + spec.workload.arguments)


def _custom(spec: Spec, terms: Terms) -> Program:
    if not terms.supports_custom_workloads:
        raise Inadmissible("this offering runs preconfigured workloads only")
    if not spec.workload.command:
        raise Inadmissible("no command: set `command` to one program name, and `arguments` to its arguments")
    return Program(spec.workload.image, (), (spec.workload.command, *spec.workload.arguments))
