"""The workload template, version 1.0.0 (docs/protocol.md, 'Workload templates').

Unknown fields are errors.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

SchemaVersion = Literal["1.0.0"]
SCHEMA_VERSION: SchemaVersion = "1.0.0"

Id = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
Semver = Annotated[
    str, Field(pattern=r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$")
]
Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
Module = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_./+-]{0,127}$")]
AbsolutePath = Annotated[str, Field(pattern=r"^/[A-Za-z0-9_./-]*$")]
Line = Annotated[str, Field(max_length=4096, pattern=r"^[^\x00\r\n]*$")]
Script = Annotated[str, Field(max_length=16_384, pattern=r"^[^\x00\r]*$")]
Hex64 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Value = bool | int | str


class TemplatePart(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Runtime(TemplatePart):
    """What the program runs in; `image_digest` is the image's own, `sha256:` and 64 hex digits."""

    container_image: Line = ""
    image_digest: Annotated[str, Field(pattern=r"^(sha256:[0-9a-f]{64})?$")] = ""
    runtime_type: Literal["native", "singularity", "apptainer", "docker", "podman", "enroot"] = "native"
    required_modules: tuple[Module, ...] = ()
    mpi_implementation: Literal["", "openmpi", "mpich", "intelmpi", "mvapich2"] = ""
    cuda_version: Annotated[str, Field(pattern=r"^(\d+(\.\d+)?)?$")] = ""


class Range(TemplatePart):
    """The bounds and the default of one resource. A `max` of 0 means unlimited."""

    min: Annotated[int, Field(ge=0)] = 0
    max: Annotated[int, Field(ge=0)] = 0
    default: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _in_order(self) -> "Range":
        if self.default < self.min or (self.max and not self.min <= self.default <= self.max):
            raise ValueError(f"default {self.default} is not within {self.min} to {self.max or 'no limit'}")
        return self


class TemplateResources(TemplatePart):
    """For each of `nodes` nodes; memory in MB (SLURM's M, 2^20 bytes)."""

    nodes: Range = Range(min=1, max=1, default=1)
    cpus_per_node: Range = Range(min=1, default=1)
    memory_mb_per_node: Range = Range(min=1, default=1024)
    gpus_per_node: Range = Range()
    runtime_minutes: Range = Range(min=1, default=60)
    gpu_types: tuple[Line, ...] = ()
    exclusive_nodes: bool = False


class Security(TemplatePart):
    """`allowed_registries` and the image lists hold fnmatch patterns. Empty `allowed_*` lists allow all."""

    allowed_registries: tuple[Line, ...] = ()
    allowed_images: tuple[Line, ...] = ()
    blocked_images: tuple[Line, ...] = ()
    require_image_digest: bool = False
    allow_network_access: bool = False
    allow_host_mounts: bool = False
    allowed_host_paths: tuple[AbsolutePath, ...] = ()
    sandbox_level: Literal["none", "basic", "strict"] = "basic"
    max_open_files: Annotated[int, Field(ge=0)] = 0
    max_processes: Annotated[int, Field(ge=0)] = 0
    trusted_signers: tuple[Hex64, ...] = ()


class Entrypoint(TemplatePart):
    """`command` is one program; in it and in `default_args` {name} stands for a parameter, {nodes} and {cpus}
    for what the job got.

    The scripts are the publisher's own lines of bash: the one part that a shell reads.
    """

    command: Annotated[Line, Field(min_length=1)]
    default_args: tuple[Line, ...] = ()
    working_directory: Line = ""
    pre_run_script: Script = ""
    post_run_script: Script = ""
    use_mpirun: bool = False


class Parameter(TemplatePart):
    """What a customer may set. `min` and `max` bound a number or the length of a text.

    `pattern` must match the whole text.
    """

    name: Name
    type: Literal["string", "integer", "boolean"] = "string"
    description: Line = ""
    default: Value | None = None
    required: bool = False
    enum: tuple[Value, ...] = ()
    min: int | None = None
    max: int | None = None
    pattern: Line = ""


class Binding(TemplatePart):
    """A host directory that the container sees at `mount_path`."""

    name: Id
    host_path: AbsolutePath
    mount_path: AbsolutePath
    read_only: bool = True


class Signature(TemplatePart):
    """Ed25519 over the SHA-256 of the canonical template without this part.

    All values are lower-case hex; `signed_at` is RFC 3339.
    """

    algorithm: Literal["ed25519"] = "ed25519"
    publisher_pub_key: Hex64
    signature: Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")]
    signed_at: Line
    content_hash: Hex64


class Template(TemplatePart):
    template_id: Id
    name: Annotated[Line, Field(min_length=1)]
    version: Semver
    description: Line = ""
    type: Literal["mpi", "gpu", "batch", "data_processing", "interactive", "custom"]
    runtime: Runtime = Runtime()
    resources: TemplateResources = TemplateResources()
    security: Security = Security()
    entrypoint: Entrypoint
    environment: dict[Name, Line] = {}
    modules: tuple[Module, ...] = ()
    data_bindings: tuple[Binding, ...] = ()
    parameter_schema: tuple[Parameter, ...] = ()
    approval_status: Literal["pending", "approved", "rejected", "deprecated", "revoked"] = "pending"
    publisher: Line = ""
    tags: tuple[Line, ...] = ()
    signature: Signature | None = None


class Document(TemplatePart):
    """The file."""

    schema_version: SchemaVersion
    template: Template
