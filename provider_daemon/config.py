"""provd.toml: every mistake is reported at once, with file, line and key."""

import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from provider_daemon.errors import ConfigError

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64)]
SafePath = Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9/_.-]*$", max_length=200)]
SlurmWord = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]*$", max_length=64)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ChainConfig(_Strict):
    id: str = Field(min_length=1)
    endpoints: list[str] = Field(min_length=1)
    fee_denom: str = "uve"
    max_gas: int = Field(default=50_000_000, ge=200_000)
    timeout_blocks: int = Field(default=20, ge=2, le=1000)
    poll_seconds: float = Field(default=2.0, gt=0, le=60)


class LedgerConfig(_Strict):
    path: SafePath = "/var/lib/provd/ledger.sqlite"


class KeyConfig(_Strict):
    kind: Literal["credential", "armor", "keyring", "plaintext-hex", "plaintext-mnemonic"]
    name: str = ""
    path: str = ""
    passphrase_file: str = ""

    @model_validator(mode="after")
    def _complete(self) -> "KeyConfig":
        needed = {"credential": ("name",), "armor": ("path", "passphrase_file"), "keyring": ("name", "path", "passphrase_file")}
        missing = [field for field in needed.get(self.kind, ("path",)) if not getattr(self, field)]
        if missing:
            raise ValueError(f"a key of kind {self.kind!r} needs {' and '.join(missing)}")
        return self


class SshConfig(_Strict):
    host: str = Field(min_length=1)
    port: int = Field(default=22, ge=1, le=65535)
    user: Name
    key_file: str = Field(min_length=1)
    known_hosts: str = ""
    host_key_fingerprint: str = Field(default="", pattern=r"^(SHA256:[A-Za-z0-9+/]{43})?$")

    @model_validator(mode="after")
    def _host_key(self) -> "SshConfig":
        if bool(self.known_hosts) == bool(self.host_key_fingerprint):
            raise ValueError("give exactly one of known_hosts and host_key_fingerprint")
        return self


class LimitsConfig(_Strict):
    """0 means no limit."""

    max_nodes: int = Field(default=0, ge=0)
    max_cpus_per_node: int = Field(default=0, ge=0)
    max_memory_gb_per_node: int = Field(default=0, ge=0)
    max_gpus_per_node: int = Field(default=0, ge=0)
    max_runtime_seconds: int = Field(default=0, ge=0)
    max_jobs: int = Field(default=0, ge=0)


class ImageConfig(_Strict):
    pattern: str = Field(min_length=1)
    run: list[str] = []


class ClusterConfig(_Strict):
    id: Name
    name: Name
    key: str
    transport: Literal["ssh", "local"] = "ssh"
    ssh: SshConfig | None = None
    account: SlurmWord = ""
    qos: SlurmWord = ""
    work_root: SafePath
    region: str = Field(min_length=1)
    datacenter: str = ""
    poll_seconds: float = Field(default=5.0, gt=0, le=300)
    heartbeat_seconds: float = Field(default=60.0, gt=0, le=110)
    report_margin_seconds: int = Field(default=30, ge=0, le=3600)
    prologue: list[str] = []
    partitions: dict[str, SlurmWord] = {}
    gpu_types: dict[str, SlurmWord] = {}
    limits: LimitsConfig = LimitsConfig()
    images: list[ImageConfig] = []

    @model_validator(mode="after")
    def _way_in(self) -> "ClusterConfig":
        if (self.transport == "ssh") != (self.ssh is not None):
            raise ValueError("transport 'ssh' needs a [clusters.ssh] table, transport 'local' takes none")
        return self


class MetricsConfig(_Strict):
    listen: str = Field(default="127.0.0.1:9464", pattern=r"^.+:\d{1,5}$")


class LogConfig(_Strict):
    format: Literal["json", "console"] = "json"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Config(_Strict):
    chain: ChainConfig
    ledger: LedgerConfig = LedgerConfig()
    keys: dict[str, KeyConfig] = Field(min_length=1)
    clusters: list[ClusterConfig] = Field(min_length=1)
    metrics: MetricsConfig = MetricsConfig()
    log: LogConfig = LogConfig()


def load(path: Path) -> Config:
    """Raises ConfigError with a line for each mistake: `provd.toml:12: clusters.0.ssh.port: ...`."""
    try:
        text = path.read_text()
        value = tomllib.loads(text)
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}"]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{path}: {error}"]) from None
    return parse(value, text, path.name)


def parse(value: dict[str, Any], text: str, name: str) -> Config:
    try:
        config = Config.model_validate(value)
    except ValidationError as error:
        raise ConfigError([_problem(item["loc"], item["msg"], text, name) for item in error.errors()]) from None
    if wrong := [_problem(where, what, text, name) for where, what in _contradictions(config)]:
        raise ConfigError(wrong)
    return config


def _contradictions(config: Config) -> list[tuple[tuple[str | int, ...], str]]:
    """What only the whole file shows."""
    found: list[tuple[tuple[str | int, ...], str]] = []
    for number, cluster in enumerate(config.clusters):
        if cluster.key not in config.keys:
            found.append((("clusters", number, "key"), f"there is no [keys.{cluster.key}]"))
        for field in ("id", "name"):
            if getattr(cluster, field) in [getattr(other, field) for other in config.clusters[:number]]:
                found.append((("clusters", number, field), f"{getattr(cluster, field)!r} is used twice"))
    return found


def _problem(where: tuple[str | int, ...], what: str, text: str, name: str) -> str:
    return f"{name}:{line_of(where, text)}: {'.'.join(map(str, where)) or 'the file'}: {what.removeprefix('Value error, ')}"


def line_of(where: tuple[str | int, ...], text: str) -> int:
    """The line of a key, or of the nearest table above it that the file has; 1 when there is none."""
    lines = text.splitlines()
    best, table, counts = 1, "", dict[str, int]()
    wanted = [str(part) for part in where]
    for number, line in enumerate(lines, 1):
        if header := re.match(r"\s*\[(\[?)\s*([^\]]+?)\s*\]", line):
            table = _numbered(header[2], bool(header[1]), counts)
            parts = table.split(".")
            best = number if parts == wanted[: len(parts)] else best
        elif (key := re.match(r"\s*([\w.-]+)\s*=", line)) and [*filter(None, table.split(".")), *key[1].split(".")] == wanted:
            return number
    return best


def _numbered(header: str, is_array: bool, counts: dict[str, int]) -> str:
    """`clusters.ssh` below the second [[clusters]] -> `clusters.1.ssh`, as the error's path says it."""
    parts: list[str] = []
    names = header.split(".")
    for position, part in enumerate(names):
        parts.append(part)
        path = ".".join(parts)
        if is_array and position == len(names) - 1:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            parts.append(str(counts[path]))
    return ".".join(parts)


def default_toml() -> str:
    """The commented file that a site starts from."""
    return resources.files("provider_daemon").joinpath("provd.example.toml").read_text()
