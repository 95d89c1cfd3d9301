"""Checks of the collector and the node agents. Pure; first lines are in docs/doctor.md."""

from provider_daemon.doctor.data_checks import (
    NotConfiguredError,
    judged_certificate,
    judged_directory,
    judged_process,
)
from provider_daemon.doctor.facts import CollectorFacts, DataFacts
from provider_daemon.doctor.finding import Finding, Unknown, fail, ok, warn

LOW_BYTES = 1024**3
NAMED = 5  # silent agents that a finding names


def _collector(data: DataFacts) -> CollectorFacts:
    if data.collector is None:
        raise NotConfiguredError("[collector]")
    return data.collector


def certificate(data: DataFacts) -> Finding:
    """The collector's TLS certificate can be read, fits its key, and is valid for another 14 days."""
    collector = _collector(data)
    return judged_certificate("collector", collector.certificate, collector.now)


def answers(data: DataFacts) -> Finding:
    """The collector answers at collector.url."""
    collector = _collector(data)
    if isinstance(collector.answer, Unknown):
        todo = "start provd-collector; check collector.url, the proxy, the firewall"
        return warn(f"{collector.url}: {collector.answer.why}", todo)
    return ok(f"{collector.url} answers")


def ready(data: DataFacts) -> Finding:
    """The collector can use its database and the ledger."""
    return judged_process("collector", "provd-collector", _collector(data).problems, "both can be used")


def agents(data: DataFacts) -> Finding:
    """The daemon can read the collector's database, and no registered agent is silent."""
    found = _collector(data).agents
    if isinstance(found, Unknown):
        return fail(found.why, "start provd-collector; without it SLURM alone tells how nodes are")
    count, silent = found
    if not silent:
        return ok(f"{count} registered agents, none is silent")
    named = ", ".join(silent[:NAMED]) + (", ..." if len(silent) > NAMED else "")
    todo = "start provd-agent there, or run `provd node revoke HOST` for a node that is gone"
    return warn(f"{len(silent)} of {count} agents are silent: {named}", todo)


def directory(data: DataFacts) -> Finding:
    """Other users cannot read the directory of collector.path, and its file system has free space."""
    found, space = _collector(data).directory, "free space: without it heartbeats are refused"
    return judged_directory(found, LOW_BYTES, "it", space)
