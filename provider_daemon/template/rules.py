"""Checks a template beyond the form of its fields: references exist, and the security section is obeyed."""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from provider_daemon.job.words import SHELLS, TEXT_FOLLOWS
from provider_daemon.template.model import Parameter, Template
from provider_daemon.template.places import PLACE, PROVIDED
from provider_daemon.template.values import BadValue, check

RESOURCES = frozenset(
    {"nodes", "cpus_per_node", "memory_mb_per_node", "gpus_per_node", "runtime_minutes", "gpu_type"}
)


def mistakes(template: Template) -> list[str]:
    """Returns a line for each error, which begins with the field."""
    return [
        *_parameters(template),
        *_places(template),
        *_shell(template),
        *_image(template),
        *_bindings(template),
    ]


def _parameters(template: Template) -> Iterator[str]:
    names = [parameter.name for parameter in template.parameter_schema]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"template.parameter_schema: {name} is there twice"
    for parameter in template.parameter_schema:
        where = f"template.parameter_schema.{parameter.name}"
        if parameter.name in RESOURCES | PROVIDED:
            yield f"{where}: the name stands for what a job asks for anyway"
        yield from (f"{where}: {problem}" for problem in _parameter(parameter))


def _parameter(parameter: Parameter) -> Iterator[str]:
    try:
        re.compile(parameter.pattern)
    except re.error as error:
        yield f"pattern: {error}"
        return
    if parameter.required and parameter.default is not None:
        yield "a required parameter has no default"
    if not parameter.required and parameter.default is None:
        yield "neither required nor with a default"
    for value in (*((parameter.default,) if parameter.default is not None else ()), *parameter.enum):
        try:
            check(parameter, value)
        except BadValue as error:
            yield str(error)


def _places(template: Template) -> Iterator[str]:
    known = {parameter.name for parameter in template.parameter_schema} | PROVIDED
    entry = template.entrypoint
    texts = {
        "command": (entry.command,),
        "default_args": entry.default_args,
        "working_directory": (entry.working_directory,),
    }
    for field, parts in texts.items():
        for name in sorted({name for part in parts for name in PLACE.findall(part)} - known):
            yield f"template.entrypoint.{field}: {{{name}}} is no parameter"
    for variable, text in template.environment.items():
        for name in sorted(set(PLACE.findall(text)) - known):
            yield f"template.environment.{variable}: {{{name}}} is no parameter"


def _shell(template: Template) -> Iterator[str]:
    """Rejects parameters inside the text of a shell command, where they would be executed."""
    entry = template.entrypoint
    if entry.command.rpartition("/")[2] not in SHELLS:
        return
    for word, following in zip(entry.default_args, entry.default_args[1:], strict=False):
        if TEXT_FOLLOWS.fullmatch(word) and PLACE.search(following):
            where = f"template.entrypoint.default_args: a place inside the text of {entry.command} {word}"
            yield f"{where}: pass it behind the text, as an argument"


def _image(template: Template) -> Iterator[str]:
    runtime, security = template.runtime, template.security
    image = runtime.container_image
    if bool(image) == (runtime.runtime_type == "native"):
        yield (
            "template.runtime: a container image goes with a container runtime, and a native program "
            "with none"
        )
        return
    if not image:
        return
    if security.require_image_digest and not runtime.image_digest:
        yield "template.runtime.image_digest: security.require_image_digest asks for one"
    if security.allowed_registries and not any(
        fnmatchcase(image, f"{registry}/*") for registry in security.allowed_registries
    ):
        yield f"template.runtime.container_image: {image} is from none of the allowed registries"
    if security.allowed_images and not any(
        fnmatchcase(image, pattern) for pattern in security.allowed_images
    ):
        yield f"template.runtime.container_image: {image} is none of the allowed images"
    if any(fnmatchcase(image, pattern) for pattern in security.blocked_images):
        yield f"template.runtime.container_image: {image} is blocked"


def _bindings(template: Template) -> Iterator[str]:
    security = template.security
    for binding in template.data_bindings:
        where = f"template.data_bindings.{binding.name}"
        if not security.allow_host_mounts:
            yield f"{where}: security.allow_host_mounts is off"
        elif ".." in binding.host_path.split("/") or not any(
            _below(binding.host_path, path) for path in security.allowed_host_paths
        ):
            yield f"{where}: {binding.host_path} is below none of the allowed host paths"
        if template.runtime.runtime_type not in ("apptainer", "singularity"):
            yield f"{where}: only apptainer and singularity are told of bindings"


def _below(path: str, top: str) -> bool:
    return path == top or path.startswith(top.rstrip("/") + "/")
