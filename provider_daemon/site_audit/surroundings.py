"""What the attacking job tries to reach, from the configurations of provd and of SLURM. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from provider_daemon.config.model import ClusterConfig, Config
from provider_daemon.config.secret_files import secret_files
from provider_daemon.errors import ConfigError
from provider_daemon.job.claim import CLAIMS
from provider_daemon.site_audit.jobs import Surroundings

Address = tuple[str, int]

METADATA: Address = ("169.254.169.254", 80)
SOCKETS = (
    "/run/munge/munge.socket.2",
    "/var/run/munge/munge.socket.2",
    "/run/slurm/sack.socket",
    "/run/slurmctld/sack.socket",
    "/run/slurmdbd/sack.socket",
)
KEYS = ("/etc/munge/munge.key", "/etc/slurm/slurm.key", "/etc/slurm/jwt_hs256.key", "/etc/shadow")
AGENT_STATE = "/var/lib/provd-agent"  # on compute nodes: the agent's key
# In work_root. The claims are made by jobs before anything of a customer runs.
OWN_DIRECTORIES = (".provd-cache", ".provd-inputs", ".provd-leases", CLAIMS)
_HOST = re.compile(r"([A-Za-z0-9_.:-]+)(?:\(([A-Za-z0-9_.:-]+)\))?")
_SOCKET = re.compile(r"(?:^|,)socket=(/[^,]+)")
_TARGET = re.compile(r"\[?([A-Za-z0-9_.:-]+?)\]?:(\d{1,5})")


@dataclass(frozen=True, slots=True)
class More:
    """What the operator adds, as host:port: of the management network, and of the internet."""

    management: tuple[str, ...] = ()
    internet: tuple[str, ...] = ()


def hosts(settings: Mapping[str, str], config: Config, cluster: ClusterConfig, more: More) -> frozenset[str]:
    """Returns the host names and addresses that have to be resolved at the site."""
    named = [*_controllers(settings), settings.get("AccountingStorageHost", "")]
    named += [cluster.ssh.host] if cluster.ssh else []
    named += [host for host, _ in map(target, (*more.management, *more.internet, *_endpoints(config)))]
    return frozenset(name for name in named if name and _HOST.fullmatch(name))


def target(text: str) -> Address:
    """Parses host:port. Raises ConfigError."""
    found = _TARGET.fullmatch(text)
    if found is None or not 0 < int(found[2]) < 65536:
        raise ConfigError([f"invalid address: {text!r} must be host:port"])
    return found[1], int(found[2])


def surroundings(
    settings: Mapping[str, str],
    config: Config,
    config_file: str,
    cluster: ClusterConfig,
    more: More,
    resolved: Mapping[str, str],
    home: str,
) -> Surroundings:
    """`settings`: of scontrol show config. `resolved`: host name -> address. `home`: of the login."""
    slurmctld = [(host, _port(settings, "SlurmctldPort", 6817)) for host in _controllers(settings)]
    database = (settings.get("AccountingStorageHost", ""), _port(settings, "AccountingStoragePort", 6819))
    login = [(cluster.ssh.host, cluster.ssh.port)] if cluster.ssh else []
    management = _known([database, *login, *map(target, more.management)], resolved)
    internet = _known(map(target, more.internet or _endpoints(config)), resolved)
    return Surroundings(
        targets={
            "slurmctld": _known(slurmctld, resolved),
            "management": [each for each in management if not _loopback(each)],
            "loopback": [each for each in management if _loopback(each)],
            "metadata": [METADATA],
            "internet": internet if more.internet else [each for each in internet if _public(each)],
        },
        sockets=(*_SOCKET.findall(settings.get("AuthInfo", "")), *SOCKETS),
        keys=KEYS,
        login_paths=(home, f"{home}/.ssh", f"{home}/.ssh/authorized_keys"),
        daemon_paths=_unique([*_daemon_paths(config, config_file, cluster), *_slurm_paths(settings)]),
        writable_paths=(cluster.work_root,),
    )


def _controllers(settings: Mapping[str, str]) -> list[str]:
    """Returns the hosts of slurmctld. `SlurmctldHost=name(address)` names an address."""
    named = [value for name, value in settings.items() if name.startswith("SlurmctldHost")]
    found = [_HOST.fullmatch(value) for value in named]
    return [each[2] or each[1] for each in found if each]


def _endpoints(config: Config) -> list[str]:
    """The chain's nodes are on the internet, and provd connects to them anyway."""
    return [endpoint.removeprefix("https://").removeprefix("http://") for endpoint in config.chain.endpoints]


def _port(settings: Mapping[str, str], name: str, default: int) -> int:
    """`SlurmctldPort` may be a range, of which the first port counts."""
    found = re.match(r"\d+", settings.get(name, ""))
    return int(found[0]) if found and 0 < int(found[0]) < 65536 else default


def _known(targets: Iterable[Address], resolved: Mapping[str, str]) -> list[Address]:
    return list(dict.fromkeys((resolved[host], port) for host, port in targets if resolved.get(host)))


def _loopback(each: Address) -> bool:
    return ip_address(each[0]).is_loopback


def _public(each: Address) -> bool:
    return ip_address(each[0]).is_global


def _daemon_paths(config: Config, config_file: str, cluster: ClusterConfig) -> list[str]:
    keys = [path for key in config.keys.values() for path in secret_files(key)]
    ssh = [cluster.ssh.key_file] if cluster.ssh else []
    gateway = (
        [config.gateway.key, config.gateway.uploads, config.gateway.ssh_key_file] if config.gateway else []
    )
    data = config.data
    mover = [data.path, data.spool, data.recipient_key_file, data.ssh_key_file] if data else []
    collector = [config.collector.key, config.collector.path, AGENT_STATE] if config.collector else []
    own = [f"{cluster.work_root}/{name}" for name in OWN_DIRECTORIES]
    return [config_file, config.ledger.path, *keys, *ssh, *gateway, *mover, *collector, *own]


def _slurm_paths(settings: Mapping[str, str]) -> list[str]:
    """The state of slurmctld and slurmd, which has the batch scripts of others."""
    return [settings.get("StateSaveLocation", ""), settings.get("SlurmdSpoolDir", "")]


def _unique(paths: Sequence[str]) -> tuple[str, ...]:
    """Returns the absolute paths, without patterns of SLURM (`%n`)."""
    return tuple(dict.fromkeys(path for path in paths if path.startswith("/") and "%" not in path))
