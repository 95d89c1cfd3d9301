"""Checks of the collector and the node agents. Pure; first lines are in docs/doctor.md."""

from provider_daemon.doctor.data_checks import NotConfiguredError, judged_certificate
from provider_daemon.doctor.facts import CollectorFacts, DataFacts
from provider_daemon.doctor.finding import Finding, Unknown, fail, judge, known, ok, warn

OTHERS = 0o007
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
    found = _collector(data).problems
    if isinstance(found, Unknown):
        return fail(
            f"no answer at collector.metrics_listen: {found.why}",
            "start provd-collector: `systemctl status provd-collector`",
        )
    seen = "; ".join(found) or "both can be used"
    return judge(not found, seen, "see the log: `journalctl -u provd-collector`")


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
    mode, free = known(_collector(data).directory)
    if mode & OTHERS:
        return fail(f"the directory has mode {mode & 0o777:04o}", "run `chmod 750` on it")
    seen = f"mode {mode & 0o777:04o}, {free / 1024**3:.0f} GiB free"
    return ok(seen) if free >= LOW_BYTES else warn(seen, "free space: without it heartbeats are refused")
