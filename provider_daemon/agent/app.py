"""Puts the agent together: `provd-agent`, and `provd agent`, which becomes the same process."""

import fcntl
import os
import signal
import socket
import sys
from pathlib import Path

from provider_daemon import __version__, systemd
from provider_daemon.agent import config, key_file
from provider_daemon.agent.agent import Agent
from provider_daemon.agent.clock import SystemClock
from provider_daemon.agent.config import AgentSettings
from provider_daemon.agent.journal import Journal
from provider_daemon.agent.registrar import Identity
from provider_daemon.agent.samplers.health import Thresholds
from provider_daemon.agent.sampling import Sampler, SampleSettings
from provider_daemon.agent.state_file import StateFile
from provider_daemon.errors import ConfigError
from provider_daemon.node_protocol.signature import Scheme
from provider_daemon.text import printable

DEFAULT = "/etc/provd-agent/agent.toml"
STATE, KEY = "state.json", "agent.key"


def main() -> int:
    """Runs until SIGTERM or SIGINT. Usage and configuration errors are plain lines, exit status 2."""
    try:
        agent = prepare(load(_path(sys.argv[1:])))
    except ConfigError as error:
        print("\n".join(map(printable, error.problems)), file=sys.stderr)
        return error.exit_code
    # Nothing has to be finished: the state on the disk is complete at any moment.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    systemd.notify("READY=1")
    Journal().info("agent_started", version=__version__)
    try:
        agent.run()
    finally:
        systemd.notify("STOPPING=1")


def _path(arguments: list[str]) -> Path:
    """argparse would need more memory than this one option is worth."""
    match arguments:
        case []:
            return Path(DEFAULT)
        case ["--config" | "-c", path]:
            return Path(path)
        case _:
            raise ConfigError([f"usage: provd-agent [--config FILE]; FILE is {DEFAULT} by default"])


def load(path: Path) -> AgentSettings:
    """Reads agent.toml. Raises ConfigError."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: {getattr(error, 'strerror', None) or 'not UTF-8'}"]) from None
    try:
        return config.parse(text)
    except ConfigError as error:
        raise ConfigError([f"{path}: {problem}" for problem in error.problems]) from None


def prepare(settings: AgentSettings) -> Agent:
    """Opens the state directory. Raises ConfigError if it cannot be used, or another agent uses it."""
    directory = Path(settings.state_directory)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock(directory)
        hostname = settings.hostname or socket.gethostname().partition(".")[0]
        identity = Identity(hostname, __version__, key_file.load_or_create(directory / KEY))
        file = StateFile(directory / STATE)
    except OSError as error:
        raise ConfigError([f"state_directory {directory}: {error.strerror}"]) from None
    return Agent(settings, identity, file, Sampler(sample_settings(settings, hostname)), SystemClock())


def lock(directory: Path) -> int:
    """Locks the directory while the returned descriptor is open: two agents would use the same numbers."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise ConfigError([f"state_directory {directory}: another agent uses it"]) from None
    return descriptor


def sample_settings(settings: AgentSettings, hostname: str) -> SampleSettings:
    return SampleSettings(
        node_name=hostname,
        slurmd_spool=settings.slurmd_spool,
        slurmd_port=settings.slurmd_port,
        munge_socket=settings.munge_socket,
        container_runtimes=settings.container_runtimes,
        storage_directory=settings.storage_directory,
        network_mbps=settings.network_mbps,
        interconnect=settings.interconnect,
        network_fabric=settings.network_fabric,
        topology_hint=settings.topology_hint,
        published_fingerprint=settings.protocol is Scheme.PUBLISHED,
        thresholds=Thresholds(
            settings.degraded_percent, settings.temperature_celsius, settings.gpu_temperature_celsius
        ),
    )
