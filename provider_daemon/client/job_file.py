"""job.yaml, the file of `provd submit`: its model; every error is reported at once, with its line. Pure.

docs/customers.md explains each key.
"""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, Self, Union, get_args, get_origin
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from provider_daemon.client import durations, yaml_lines
from provider_daemon.client.checks import MIN_RUNTIME
from provider_daemon.client.coins import coin
from provider_daemon.config.toml_lines import Path, line_of, shown
from provider_daemon.errors import ConfigError
from provider_daemon.sources import names

SCRIPT_NAME = "run.sh"  # the input that holds a `run` of several lines
URL_SCHEMES = ("https", "http", "s3", "ipfs")
_SOURCES = ("file", "url", "upload", "dataset")
_PROGRAMS = ("command", "run", "template", "workload")
_HEX64 = r"^[0-9a-f]{64}$"


def _word(value: object) -> object:
    """Accepts numbers as words, and rejects what YAML made of yes, no, null and the like."""
    if isinstance(value, bool) or value is None:
        raise _wrong(f"must be text: quote it, YAML reads it as {str(value).lower()}")
    return str(value) if isinstance(value, int | float) else value


def _words(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _wrong(text: str) -> PydanticCustomError:
    return PydanticCustomError("value", "{text}", {"text": text})


def _duration(value: object) -> object:
    return durations.seconds(value)


def _coin(value: object) -> object:
    return str(coin(str(value)))


Word = Annotated[str, BeforeValidator(_word)]
Sha256 = Annotated[str, Field(pattern=_HEX64)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Input(_Strict):
    """One input, from exactly one of `file`, `url`, `upload` (its SHA-256) and `dataset`."""

    file: str = Field(default="", max_length=4096)
    url: str = Field(default="", max_length=2048)
    upload: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    dataset: str = Field(default="", max_length=64)
    name: str = ""
    sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    size: int = Field(default=0, ge=0)
    encrypted: bool = False

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = [name for name in _SOURCES if getattr(self, name)]
        if len(given) != 1:
            raise _wrong(f"exactly one of {', '.join(_SOURCES)} is required")
        problem = next(self._problems(), "")
        if problem:
            raise _wrong(problem)
        return self

    def _problems(self) -> Iterator[str]:
        if self.url:
            yield from self._url_problems()
        elif self.sha256 or self.size:
            yield "sha256 and size are only for url: provd computes those of files"
        if why := bad_name(self.called):
            yield f"invalid name {self.called!r}: {why}; set `name`"

    def _url_problems(self) -> Iterator[str]:
        scheme = urlsplit(self.url).scheme
        if "#" in self.url:
            yield "url must not have a fragment (#): set `name` for the file's name"
        elif scheme not in URL_SCHEMES:
            yield f"url must begin with one of {', '.join(f'{name}://' for name in URL_SCHEMES)}"
        elif scheme != "ipfs" and not self.sha256:
            yield "sha256 is required with url: run `sha256sum` on the file"

    @property
    def called(self) -> str:
        """The name below `inputs/` in the job's directory."""
        if self.name:
            return self.name
        if self.file:
            return self.file.rstrip("/").rpartition("/")[2]
        if self.url:
            return (
                unquote(urlsplit(self.url).path.rstrip("/").rpartition("/")[2]) or urlsplit(self.url).netloc
            )
        return self.dataset or self.upload


def bad_name(name: str) -> str:
    """Returns why a name cannot be an input's; "" for a good one."""
    try:
        names.checked(name)
    except (names.BadName, UnicodeEncodeError) as error:
        return str(error)
    return ""


class Resources(_Strict):
    """For each of `nodes` nodes; `storage_gb` per job. None: the template's default, else 1 or 0."""

    nodes: Annotated[int, Field(ge=1)] | None = None
    cpus: Annotated[int, Field(ge=1)] | None = None
    memory_gb: Annotated[int, Field(ge=1)] | None = None
    gpus: Annotated[int, Field(ge=0)] | None = None
    gpu_type: str = ""
    storage_gb: Annotated[int, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _type_of_gpus(self) -> Self:
        if self.gpu_type and not self.gpus:
            raise _wrong("gpu_type requires gpus")
        return self


class JobFile(_Strict):
    """The whole file. `max_runtime` in seconds; `set` holds the parameters of a template."""

    name: str = Field(default="", pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]{0,63})?$")
    image: str = ""
    command: Annotated[list[Word], BeforeValidator(_words)] = []
    run: str = ""
    template: str = ""
    workload: str = ""
    arguments: list[Word] = []
    set: dict[str, Word] = {}
    environment: dict[str, Word] = {}
    working_directory: str = ""
    resources: Resources = Resources()
    max_runtime: Annotated[int, BeforeValidator(_duration), Field(ge=MIN_RUNTIME)] | None = None
    inputs: list[Input] = Field(default=[], max_length=1000)
    outputs: str = Field(default="", max_length=2048)
    offering: str = ""
    queue: str = ""
    region: str = ""
    max_price: Annotated[str, BeforeValidator(_coin)] = ""

    @property
    def script(self) -> str:
        """The text of a `run` of several lines, which is sent as an input; "" if there is none."""
        text = self.run.strip("\n")
        return f"{text}\n" if "\n" in text else ""


def parse(text: str, name: str) -> JobFile:
    """Raises ConfigError with lines such as `job.yaml:3: inputs[0].url: ...`. `name`: the file's name."""
    try:
        value, places, problems = yaml_lines.read(text)
    except ValueError as error:
        line, _, what = str(error).removeprefix("line ").partition(": ")
        raise ConfigError([f"{name}:{line}: {what}"]) from None
    if not isinstance(value, Mapping):
        raise ConfigError([f"{name}:1: must be an object with the keys of a job"])
    found = [(line, "", what) for line, what in problems]
    found += [(line_of(where, places), shown(where), what) for where, what in _mistakes(value)]
    if found:
        raise ConfigError([_line(name, *each) for each in sorted(found)])
    return JobFile.model_validate(value)


def _line(name: str, line: int, where: str, what: str) -> str:
    return f"{name}:{line}: {where}: {what}" if where else f"{name}:{line}: {what}"


def _mistakes(value: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    try:
        job = JobFile.model_validate(value)
    except ValidationError as error:
        for item in error.errors(include_input=False, include_url=False):
            where = _place(item["loc"])
            yield where, _what(item, where)
        # an invalid value is present too
        yield from _program(value)
        return
    yield from _program(value)
    yield from _together(job)


def _program(value: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Checks which of the four kinds of program is given, and what belongs to it."""
    given = [key for key in _PROGRAMS if value.get(key)]
    if len(given) != 1:
        where: Path = (given[1],) if given else ()
        yield where, f"exactly one of {', '.join(_PROGRAMS)} is required"
        return
    allowed = {
        "command": {"image"},
        "run": {"image"},
        "template": {"set"},
        "workload": {"arguments"},
    }[given[0]]
    for key in ("image", "set", "arguments"):
        if value.get(key) and key not in allowed:
            yield (key,), f"cannot be combined with {given[0]}"
    if "image" in allowed and not value.get("image"):
        yield (), f"image is required with {given[0]}"
    if given[0] != "template" and value.get("max_runtime") is None:
        yield (), "max_runtime is required, such as 10m"


def _together(job: JobFile) -> Iterator[tuple[Path, str]]:
    if job.command and len(job.command) == 1 and re.search(r"\s", job.command[0]):
        yield (
            ("command",),
            "must be one program name, or a list of it and its arguments; for a shell use `run`",
        )
    for index, word in enumerate(job.command):
        if re.search(r"[\x00\r\n]", word):
            yield ("command", index), "line breaks and NUL are not allowed: use `run`, or an input file"
    taken = [names.key(given.called) for given in job.inputs] + ([SCRIPT_NAME] if job.script else [])
    for index, given in enumerate(job.inputs):
        if taken.count(names.key(given.called)) > 1:
            yield ("inputs", index), f"the name {given.called!r} is there twice; set `name`"


def _place(loc: tuple[str | int, ...]) -> Path:
    """Drops what pydantic adds to a path, such as the validator's name and the key marks of dictionaries."""
    return tuple(
        part for part in loc if isinstance(part, int) or re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", part)
    )


def _what(mistake: ErrorDetails, where: Path) -> str:
    match mistake["type"]:
        case "missing":
            return "is required"
        case "string_type":
            return "must be text: put it in quotes"
        case "extra_forbidden":
            return _unknown(where)
        case "string_pattern_mismatch":
            return _SHAPES[mistake["ctx"]["pattern"]]
        case "value_error":
            return str(mistake["ctx"]["error"])
        case _:
            return mistake["msg"]


_SHAPES = {
    r"^([0-9a-f]{64})?$": "must be a SHA-256 of 64 lower-case hex digits",
    r"^([A-Za-z0-9][A-Za-z0-9_.-]{0,63})?$": "must be letters, digits, '.', '_' and '-', at most 64",
}
"""pattern -> error message for a value that does not match"""


def _unknown(where: Path) -> str:
    if not where:  # the key is invisible: only spaces of some kind
        return "unknown key"
    *table, key = where
    near = get_close_matches(str(key), _keys(table), 1)
    return "unknown key" + (f"; did you mean {near[0]}?" if near else "")


def _keys(table: list[str | int]) -> list[str]:
    model: type[BaseModel] = JobFile
    for part in table:
        if part in model.model_fields:
            model = next(_models(model.model_fields[str(part)].annotation), model)
    return list(model.model_fields)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and not get_origin(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in (list, Union, UnionType, Annotated):
        for inner in get_args(annotation):
            yield from _models(inner)
