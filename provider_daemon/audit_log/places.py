"""Where the audit logs are: beside what their process writes, which only it may write. Pure."""

from pathlib import Path

from provider_daemon.audit_log.files import AuditFiles
from provider_daemon.audit_log.records import Process
from provider_daemon.config.model import Config

DIRECTORY = "audit"


def places(config: Config) -> dict[Process, Path]:
    """Returns the directory of each process that the configuration has."""
    found = {Process.DAEMON: Path(config.ledger.path)}
    if config.gateway is not None:
        found[Process.GATEWAY] = Path(config.gateway.uploads)
    if config.data is not None:
        found[Process.MOVER] = Path(config.data.path)
    if config.collector is not None:
        found[Process.COLLECTOR] = Path(config.collector.path)
    return {process: path.parent / DIRECTORY for process, path in found.items()}


def audit_files(config: Config, process: Process) -> AuditFiles:
    return AuditFiles(places(config)[process], process, config.audit_log.keep_days)
