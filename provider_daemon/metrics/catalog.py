"""Every metric that provd exports, in one place: names, types, labels, help. docs/metrics.md is made of it.

Labels are bounded: clusters, states, loops, keys' addresses, endpoints, words from the lists below. No free text, no job.
"""

from dataclasses import dataclass
from enum import StrEnum

from provider_daemon.job.hold import Hold
from provider_daemon.job.parking import ParkReason
from provider_daemon.job.state import State
from provider_daemon.ports import ConnectOutcome, EndpointState


class Kind(StrEnum):
    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Family:
    """`buckets`: upper bounds of a histogram, in its unit, without +Inf. `absent`: when it has no value, if ever."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    absent: str = ""


def _gauge(name: str, text: str, *labels: str, absent: str = "") -> Family:
    return Family(name, Kind.GAUGE, text, labels, absent=absent)


def _counter(name: str, text: str, *labels: str) -> Family:
    return Family(name, Kind.COUNTER, text, labels)


def _histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Family:
    return Family(name, Kind.HISTOGRAM, text, labels, buckets)


# --- the words that labels can have ---

STATES = tuple(State)
STAGES = ("pending", "queued", "running", "ended")
PARKED = tuple(ParkReason)
HOLDS = tuple(Hold)
KINDS = ("report", "node", "cluster")  # of messages
QUERIES = ("snapshot", "nodes", "submit", "cancel", "survey")
FAILURES = ("down", "unreadable")  # of a question to SLURM or the chain
RECEIPTS = ("accepted", "refused", "deferred", "in_doubt")
NODE_STATES = ("usable", "draining", "unusable")
HTTP_REASONS = ("full", "late")
CONNECTS = tuple(dict.fromkeys(outcome.group for outcome in ConnectOutcome))
LOGIN_PROBLEMS = tuple(outcome for outcome in ConnectOutcome if outcome is not ConnectOutcome.CONNECTED)
ENDPOINT_STATES = tuple(EndpointState)
OUTCOMES = {  # outcome of a transaction -> its causes
    "included": ("none",),
    "failed": ("out_of_gas", "message", "other"),
    "refused": ("insufficient_funds", "insufficient_fee", "sequence_mismatch", "rate_limited", "other"),
    "expired": ("timeout", "foreign_transaction"),
}

# --- the metrics ---

BUILD = _gauge("provd_build_info", "1, with the version of the daemon.", "version")
RELOADED = _gauge(
    "provd_config_last_reload_successful",
    "1 while the configuration file, as it was last read, is in effect as a whole: 0 when it was broken or needs a restart.",
)
RELOAD_SUCCESS = _gauge("provd_config_last_reload_success_timestamp_seconds", "When it was last read and taken; the start counts.")
HTTP_CONNECTIONS = _gauge("provd_http_connections", "Open connections of metrics.listen.")
HTTP_CLOSED = _counter(
    "provd_http_connections_closed_total",
    "Connections of metrics.listen that provd closed: to make room for others, or because no request came in time.",
    "reason",
)

JOBS = _gauge("provd_jobs", "Open jobs by cluster and state, without parked ones.", "cluster", "state")
JOBS_PARKED = _gauge("provd_jobs_parked", "Jobs that wait for an operator, by what parked them.", "cluster", "reason")
JOBS_QUARANTINED = _gauge("provd_jobs_quarantined", "Unreadable chain records set aside.")
JOBS_ON_HOLD = _gauge(
    "provd_jobs_on_hold",
    "Jobs that are neither submitted nor reported: ignored as too dear to answer, or the chain's record of them is another job's, "
    "absent or unreadable.",
    "reason",
)
JOB_STATE_DURATION = _histogram(
    "provd_job_state_duration_seconds",
    "How long jobs were in a state that they left; `ended`: from the end of a job until nothing is left to do about it.",
    (60, 600, 7200, 86_400),
    "cluster",
    "state",
)
SUBMISSION_LATENCY = _histogram(
    "provd_submission_latency_seconds",
    "From the block that made a job until SLURM gave it an id.",
    (5, 15, 60, 300, 900),
    "cluster",
)
REPORT_LATENCY = _histogram(
    "provd_report_latency_seconds",
    "From the storing of a report until provd knew it in a block.",
    (5, 15, 60, 300, 900),
    "cluster",
)

OUTBOX_MESSAGES = _gauge("provd_outbox_messages", "Messages that the chain has not confirmed.", "signer", "kind")
OUTBOX_OLDEST = _gauge(
    "provd_outbox_oldest_timestamp_seconds",
    "When the oldest of them was stored.",
    "signer",
    "kind",
    absent="when none waits",
)
OUTBOX_PROGRESS = _gauge(
    "provd_outbox_last_progress_timestamp_seconds",
    "When a transaction of the key was last found in a block.",
    "signer",
    absent="before the first one since the start",
)
OUTBOX_STALLED = _gauge(
    "provd_outbox_stalled", "1 while no transaction of the key can be sent, or none is included while reports wait.", "signer"
)
TRANSACTIONS = _counter(
    "provd_transactions_total",
    "Transactions by what became of them, and why; `refused`: taken by no node, so no fee was paid.",
    "outcome",
    "cause",
)
GAS = _counter("provd_gas_used_total", "Gas used by transactions in blocks, failed ones too.", "signer")
FEES = _counter("provd_fees_total", "Fees paid for them, in units of the fee denom.", "signer", "denom")
GAS_PRICE = _gauge(
    "provd_gas_price",
    "What one unit of gas cost when a transaction was last prepared, in the fee denom.",
    "denom",
    absent="when that was over ten minutes ago",
)

WALLET_BALANCE = _gauge(
    "provd_wallet_balance",
    "The key's balance, in units of the denom.",
    "signer",
    "denom",
    absent="when it could not be asked for three minutes",
)
WALLET_RUNWAY = _gauge(
    "provd_wallet_runway_seconds",
    "How long the balance lasts when fees go on as in the last day.",
    "signer",
    absent="as the balance is, and before the first fee",
)
BILLED = _counter("provd_billed_total", "What confirmed final reports charge for, by the rules of docs/billing.md.", "cluster", "denom")
UNSETTLED = _gauge("provd_unsettled", "The same of jobs that have ended and whose final report is not confirmed.", "cluster", "denom")

CHAIN_HEIGHT = _gauge("provd_chain_height", "Newest block of an endpoint.", "endpoint", absent="while the endpoint is not believed")
CHAIN_BLOCK_TIME = _gauge(
    "provd_chain_block_timestamp_seconds", "The time in that block.", "endpoint", absent="while the endpoint is not believed"
)
CHAIN_ENDPOINT = _gauge(
    "provd_chain_endpoint",
    "1 for the state in which the endpoint is, else 0.",
    "endpoint",
    "state",
    absent="before it is first asked, and when it was not asked for three minutes",
)
CHAIN_CALLS = _histogram("provd_chain_call_duration_seconds", "Calls to the chain, retries included.", (0.05, 0.25, 1, 5, 20))
CHAIN_ERRORS = _counter("provd_chain_call_errors_total", "Calls to the chain that no endpoint answered, or not legibly.", "error")
CHAIN_SUCCESS = _gauge(
    "provd_chain_last_success_timestamp_seconds", "When a call to the chain was last answered.", absent="before the first"
)

SLURM_DURATION = _histogram("provd_slurm_query_duration_seconds", "Questions and orders to SLURM.", (0.1, 0.5, 2, 10), "cluster")
SLURM_QUERIES = _counter("provd_slurm_queries_total", "The same by what was asked or ordered.", "cluster", "query")
SLURM_FAILURES = _counter(
    "provd_slurm_query_failures_total", "Those that got no answer, or none that provd can read.", "cluster", "outcome"
)
SLURM_SUCCESS = _gauge(
    "provd_slurm_last_success_timestamp_seconds", "When SLURM last answered any of them.", "cluster", absent="before the first"
)
SLURM_RPCS = _counter("provd_slurm_rpcs_total", "SLURM commands that were run.", "cluster")
SLURM_RATE_LIMITED = _counter("provd_slurm_rate_limited_total", "Questions that slurmctld turned away by its rate limit.", "cluster")
SLURM_SUBMISSIONS = _counter("provd_slurm_submissions_total", "Submissions by sbatch's answer.", "cluster", "result")
SLURM_NODES = _gauge(
    "provd_slurm_nodes", "Nodes by what they are good for.", "cluster", "state", absent="when SLURM has not told for five minutes"
)

SSH_CONNECTS = _counter("provd_ssh_connects_total", "Tries to connect to the login node, by outcome.", "cluster", "outcome")
SSH_LOGIN_PROBLEM = _gauge(
    "provd_ssh_login_problem",
    "1 for the cause for which the last attempt to log in failed.",
    "cluster",
    "cause",
    absent="while the login works",
)
SSH_CHANNELS = _counter("provd_ssh_channels_total", "Channels opened, one a command.", "cluster")
SSH_CHANNELS_REFUSED = _counter("provd_ssh_channels_refused_total", "Channels that sshd refused (its MaxSessions).", "cluster")
SSH_CHANNELS_OPEN = _gauge("provd_ssh_channels_open", "Channels in use.", "cluster")

LEDGER_SIZE = _gauge("provd_ledger_size_bytes", "The ledger's file and its write-ahead log.")
LEDGER_FREE = _gauge("provd_ledger_disk_free_bytes", "What is left to provd on the ledger's file system.")
LEDGER_COMMIT = _histogram(
    "provd_ledger_commit_duration_seconds", "Writes to the ledger, until they are on disk.", (0.005, 0.02, 0.1, 0.5, 2)
)

DIFFERENCES = _gauge(
    "provd_reconciliation_differences",
    "What SLURM, ledger and chain differed in when they were last compared.",
    "severity",
    absent="before the first comparison",
)
RECONCILED = _gauge(
    "provd_reconciliation_last_timestamp_seconds", "When everything was last compared.", absent="before the first comparison"
)

LOOP_SUCCESS = _gauge("provd_loop_last_success_timestamp_seconds", "When the loop's last good tick ended, 0 before the first.", "loop")
LOOP_FAILING = _gauge("provd_loop_failing", "1 while the loop's last tick failed.", "loop")
LOOP_TICKS = _counter("provd_loop_ticks_total", "Ticks that began.", "loop")
LOOP_ALIVE = _gauge("provd_loop_alive", "0 for a loop that has ended or hangs: systemd's watchdog will end the daemon.", "loop")
TROUBLE = _gauge(
    "provd_trouble",
    "1 while it lasts; `what` is the log event that told of it, `subject` whom it concerns.",
    "what",
    "subject",
    absent="while nothing is wrong",
)

SECTIONS: dict[str, tuple[Family, ...]] = {
    "The daemon": (
        BUILD,
        RELOADED,
        RELOAD_SUCCESS,
        LOOP_SUCCESS,
        LOOP_FAILING,
        LOOP_ALIVE,
        LOOP_TICKS,
        TROUBLE,
        HTTP_CONNECTIONS,
        HTTP_CLOSED,
    ),
    "Jobs": (JOBS, JOBS_PARKED, JOBS_QUARANTINED, JOBS_ON_HOLD, JOB_STATE_DURATION, SUBMISSION_LATENCY, REPORT_LATENCY),
    "Outbox and transactions": (OUTBOX_MESSAGES, OUTBOX_OLDEST, OUTBOX_PROGRESS, OUTBOX_STALLED, TRANSACTIONS, GAS, FEES, GAS_PRICE),
    "Money": (WALLET_BALANCE, WALLET_RUNWAY, BILLED, UNSETTLED),
    "Chain": (CHAIN_HEIGHT, CHAIN_BLOCK_TIME, CHAIN_ENDPOINT, CHAIN_CALLS, CHAIN_ERRORS, CHAIN_SUCCESS),
    "SLURM": (
        SLURM_DURATION,
        SLURM_QUERIES,
        SLURM_FAILURES,
        SLURM_SUCCESS,
        SLURM_RPCS,
        SLURM_RATE_LIMITED,
        SLURM_SUBMISSIONS,
        SLURM_NODES,
    ),
    "SSH": (SSH_CONNECTS, SSH_LOGIN_PROBLEM, SSH_CHANNELS, SSH_CHANNELS_REFUSED, SSH_CHANNELS_OPEN),
    "Ledger and reconciliation": (LEDGER_SIZE, LEDGER_FREE, LEDGER_COMMIT, DIFFERENCES, RECONCILED),
}
CATALOG = tuple(family for section in SECTIONS.values() for family in section)
