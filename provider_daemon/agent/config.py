"""agent.toml: the settings of a node agent. Pure (docs/agent.md, 'Configuration').

It is read by the standard library, because the agent has to stay small.
"""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from provider_daemon.errors import ConfigError
from provider_daemon.node_protocol.signature import Scheme
from provider_daemon.nodes.command import CommandKind
from provider_daemon.nodes.report import Locality

MAX_WORD = 128  # characters of a name, as the collector accepts them
MAX_ITEMS = 16
DEFAULT_COMMANDS = (CommandKind.DRAIN, CommandKind.RESUME, CommandKind.RUN_DIAGNOSTIC)


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """`hostname`: SLURM's name of the node; empty for the short host name. `ca_file`: empty for the system's.

    `commands`: what the provider may have done here. `shutdown_command` and `update_command` are argument
    lists that those two commands run. `munge_socket`: empty where SLURM does not use munge. `collector_url`,
    `node_id`, `cluster_id` and `provider_address` are for the protocol `published` alone; otherwise the token
    names them.
    """

    protocol: Scheme = Scheme.PROVD
    state_directory: str = "/var/lib/provd-agent"
    token_file: str = "/var/lib/provd-agent/token"  # noqa: S105
    ca_file: str = ""
    hostname: str = ""
    collector_url: str = ""
    node_id: str = ""
    cluster_id: str = ""
    provider_address: str = ""
    region: str = ""
    datacenter: str = ""
    zone: str = ""
    rack: str = ""
    row: str = ""
    position: str = ""
    interconnect: str = ""
    network_fabric: str = ""
    topology_hint: str = ""
    commands: tuple[CommandKind, ...] = DEFAULT_COMMANDS
    shutdown_command: tuple[str, ...] = ("systemctl", "--no-block", "poweroff")
    update_command: tuple[str, ...] = ()
    slurm_update: bool = False
    slurmd_spool: str = "/var/spool/slurmd"
    slurmd_port: int = 6818
    munge_socket: str = "/run/munge/munge.socket.2"
    storage_directory: str = "/"
    container_runtimes: tuple[str, ...] = ("apptainer", "singularity", "podman", "docker")
    network_mbps: int = 0
    degraded_percent: int = 90
    temperature_celsius: int = 95
    gpu_temperature_celsius: int = 90

    @property
    def locality(self) -> Locality:
        return Locality(self.region, self.datacenter, self.zone, self.rack, self.row, self.position)


@dataclass(frozen=True, slots=True)
class _Range:
    least: int
    most: int


_RANGES = {
    "slurmd_port": _Range(1, 65_535),
    "network_mbps": _Range(0, 10_000_000),
    "degraded_percent": _Range(1, 100),
    "temperature_celsius": _Range(1, 200),
    "gpu_temperature_celsius": _Range(1, 200),
}
_PATHS = ("state_directory", "token_file", "slurmd_spool", "storage_directory")
_ARGUMENT_LISTS = {CommandKind.SHUTDOWN: "shutdown_command", CommandKind.UPDATE_AGENT: "update_command"}
_PUBLISHED = ("collector_url", "node_id", "cluster_id", "provider_address")


def parse(text: str) -> AgentSettings:
    """Reads the text of agent.toml. Raises ConfigError with a line for each problem."""
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"not TOML: {error}"]) from None
    known = {each.name: each.default for each in fields(AgentSettings)}
    problems = [f"{name}: unknown key" for name in found if name not in known]
    values: dict[str, Any] = {}
    for name in found.keys() & known.keys():
        try:
            values[name] = _value(name, found[name], known[name])
        except ValueError as error:
            problems.append(f"{name}: {error}")
    if problems:
        raise ConfigError(sorted(problems))
    settings = replace(AgentSettings(), **values)
    if problems := _conflicts(settings):
        raise ConfigError(problems)
    return settings


def _value(name: str, value: Any, default: Any) -> Any:
    return next(read for kind, read in _READERS.items() if isinstance(default, kind))(name, value)


def _flag(name: str, value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError("must be true or false")
    return value


def _number(name: str, value: Any) -> int:
    allowed = _RANGES[name]
    if type(value) is not int or not allowed.least <= value <= allowed.most:
        raise ValueError(f"must be a whole number from {allowed.least} to {allowed.most}")
    return value


def _list(name: str, value: Any) -> tuple[Any, ...]:
    if type(value) is not list or not all(type(each) is str for each in value) or len(value) > MAX_ITEMS:
        raise ValueError(f"must be a list of at most {MAX_ITEMS} texts")
    if name != "commands":
        return tuple(value)
    unknown = [each for each in value if each not in list(CommandKind)]
    if unknown:
        raise ValueError(f"unknown command {unknown[0]!r}; known: {', '.join(CommandKind)}")
    return tuple(map(CommandKind, value))


def _scheme(name: str, value: Any) -> Scheme:
    if value not in list(Scheme):
        raise ValueError(f"must be one of {', '.join(Scheme)}")
    return Scheme(value)


def _word(name: str, value: Any) -> str:
    if type(value) is not str or not value.isprintable():
        raise ValueError("must be a text of one line")
    if name in _PATHS:
        if not value.startswith("/"):
            raise ValueError("must be an absolute path")
    elif name not in ("collector_url", "ca_file") and len(value) > MAX_WORD:
        raise ValueError(f"must have at most {MAX_WORD} characters")
    return value


# The first that fits: a Scheme is a str, and a bool an int.
_READERS: Mapping[type, Callable[[str, Any], Any]] = {
    bool: _flag,
    int: _number,
    tuple: _list,
    Scheme: _scheme,
    str: _word,
}


def _conflicts(settings: AgentSettings) -> list[str]:
    problems = []
    for name in _PUBLISHED:
        if settings.protocol is Scheme.PUBLISHED and not getattr(settings, name):
            problems.append(f'{name}: must be set if protocol = "{Scheme.PUBLISHED}"')
        if settings.protocol is Scheme.PROVD and getattr(settings, name):
            problems.append(f"{name}: the token names it; remove it")
    for kind, name in _ARGUMENT_LISTS.items():
        if kind in settings.commands and not getattr(settings, name):
            problems.append(f"{name}: must be set if commands has {kind}")
    return problems
