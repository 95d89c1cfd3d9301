"""Generates docs/metrics.md from the catalog: `make generate`."""

from collections.abc import Iterator

from provider_daemon.metrics import catalog
from provider_daemon.metrics.catalog import SECTIONS, Family

# The maximum number of series of each; those about the process are the daemon's.
SERIES = {"daemon": 100, "cluster": 140, "key": 20, "endpoint": 8}


def _sum() -> str:
    parts = " + ".join(f"{SERIES[part]} for each {part}" for part in ("cluster", "key", "endpoint"))
    return f"it is at most {SERIES['daemon']} + {parts}"


HEAD = f"""# Metrics

The metrics on /metrics of `metrics.listen`, in the Prometheus text format. This page comes from the catalog.
Alerts and dashboards use only what is listed here, and a test scrapes a running daemon to prove it.

Counters and histograms start at 0 with the daemon. A value that comes from SLURM or the chain is absent, not
stale, while they do not answer; the last column says when. `cluster` is the id on chain, `signer` a key's
address, `loop` one of `intake`, `reconcile`, `wallet`, `outbox:ADDRESS`, `advance:NAME`,
`heartbeat:NAME`, `catalogue:NAME` and, with a pool of Unix users, `leases:NAME`.
No label holds free text or a job, so the number of series does not grow with the jobs:
{_sum()}, including histogram buckets and the process's own metrics.
One cluster or two, with one key and two endpoints, stay below 435.

"""
# The texts of prometheus_client for its own metrics.
PROCESS = {
    "process_virtual_memory_bytes": "Virtual memory size in bytes.",
    "process_resident_memory_bytes": "Resident memory size in bytes.",
    "process_start_time_seconds": "Start time of the process since unix epoch in seconds.",
    "process_cpu_seconds_total": "Total user and system CPU time spent in seconds.",
    "process_open_fds": "Number of open file descriptors.",
    "process_max_fds": "Maximum number of open file descriptors.",
    "python_info": "Python platform information.",
}
WORDS = {
    "state of provd_jobs": catalog.STATES,
    "state of provd_job_state_duration_seconds": catalog.STAGES,
    "reason of provd_jobs_parked": catalog.PARKED,
    "reason of provd_jobs_on_hold": catalog.HOLDS,
    "reason of provd_jobs_postponed": (catalog.UNREAD, *catalog.HELD_BY),
    "reason of provd_customers_held": catalog.HELD_BY,
    "state of provd_pool_users": catalog.LEASES,
    "kind": catalog.KINDS,
    "query": catalog.QUERIES,
    "outcome of provd_slurm_query_failures_total, error": catalog.FAILURES,
    "result": catalog.RECEIPTS,
    "state of provd_slurm_nodes": catalog.NODE_STATES,
    "state of provd_node_agents": catalog.AGENT_STATES,
    "source": catalog.HOLD_SOURCES,
    "reason of provd_http_connections_closed_total": catalog.HTTP_REASONS,
    "outcome of a connect": catalog.CONNECTS,
    "cause of provd_ssh_login_problem": catalog.LOGIN_PROBLEMS,
    "state of provd_chain_endpoint": catalog.ENDPOINT_STATES,
    **{f"cause of outcome {outcome}": causes for outcome, causes in catalog.OUTCOMES.items()},
}


def text() -> str:
    return HEAD + "\n".join([*_sections(), _process(), *_words()])


def _sections() -> Iterator[str]:
    for title, families in SECTIONS.items():
        rows = [
            "| metric | type | labels | meaning | absent |",
            "|---|---|---|---|---|",
            *map(_row, families),
        ]
        yield "\n".join([f"## {title}", "", *rows, ""])


def _row(family: Family) -> str:
    bounds = f" Buckets: {', '.join(f'{bound:g}' for bound in family.buckets)}." if family.buckets else ""
    return (
        f"| {family.name} | {family.kind} | {', '.join(family.labels)} | {family.help}{bounds} | "
        f"{family.absent} |"
    )


def _process() -> str:
    rows = [f"| {name} | {meaning} |" for name, meaning in PROCESS.items()]
    return "\n".join(["## The process", "", "| metric | meaning |", "|---|---|", *rows, ""])


def _words() -> Iterator[str]:
    rows = [f"| {label} | {', '.join(words)} |" for label, words in WORDS.items()]
    yield "\n".join(["## Label values", "", "| label | values |", "|---|---|", *rows, ""])


if __name__ == "__main__":
    import sys

    sys.stdout.write(text())
