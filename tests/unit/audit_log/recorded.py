"""What an audit log has recorded."""

import json
from pathlib import Path

from provider_daemon.audit_log.files import AuditFiles
from provider_daemon.audit_log.records import Process


def records(place: Path) -> list[tuple[str, str, str, str]]:
    """(actor, action, job, object) of each record."""
    lines = [json.loads(line.text) for line in AuditFiles(place, Process.DAEMON, 365).lines()]
    return [(line["actor"], line["action"], line["job"], line["object"]) for line in lines]
