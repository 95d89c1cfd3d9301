"""Every metric that provd exports. `make generate` creates docs/metrics.md from this file.

Label values are bounded: clusters, states, loops, addresses, endpoints and the lists below; no free text, no
job id.
"""

from dataclasses import dataclass
from enum import StrEnum

from provider_daemon.job.customer_limits import Limit
from provider_daemon.job.hold import Hold
from provider_daemon.job.leases import LeaseState
from provider_daemon.job.parking import ParkReason
from provider_daemon.job.state import State
from provider_daemon.nodes.condition import AgentState
from provider_daemon.nodes.hold import HoldSource
from provider_daemon.ports import ConnectOutcome, EndpointState
from provider_daemon.refusals import Refusal


class MetricKind(StrEnum):
    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Family:
    """`buckets`: a histogram's upper bounds in its unit, without +Inf; `absent`: when no series exists."""

    name: str
    kind: MetricKind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    absent: str = ""


def _gauge(name: str, text: str, *labels: str, absent: str = "") -> Family:
    return Family(name, MetricKind.GAUGE, text, labels, absent=absent)


def _counter(name: str, text: str, *labels: str) -> Family:
    return Family(name, MetricKind.COUNTER, text, labels)


def _histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Family:
    return Family(name, MetricKind.HISTOGRAM, text, labels, buckets)


# --- label values ---

STATES = tuple(State)
STAGES = ("pending", "queued", "running", "ended")
PARKED = tuple(ParkReason)
HOLDS = tuple(Hold)
UNREAD = "unread"
HELD_BY = tuple(limit for limit in Limit if limit is not Limit.JOBS)  # max_jobs holds no job back on chain
LEASES: tuple[LeaseState, ...] = tuple(state for state in LeaseState if state is not LeaseState.ENDED)
QUERIES = ("snapshot", "nodes", "drain", "reservations", "submit", "cancel", "reconcile")
KINDS = ("report", "operator", "node", "cluster")  # message kinds
FAILURES = ("down", "unreadable")  # for SLURM queries and chain calls
RECEIPTS = ("accepted", "refused", "deferred", "unknown")
WITHOUT_CLAIM = ("duplicate", "unclaimed")
NODE_STATES = ("usable", "draining", "unusable")
AGENT_STATES = tuple(AgentState)
HOLD_SOURCES = tuple(HoldSource)
NO_READING = "without a collector, and if its database was unreadable for five minutes"
HTTP_REASONS = ("connection_limit", "request_timeout")
CONNECTS = tuple(dict.fromkeys(outcome.group for outcome in ConnectOutcome))
LOGIN_PROBLEMS = tuple(outcome for outcome in ConnectOutcome if outcome is not ConnectOutcome.CONNECTED)
ENDPOINT_STATES = tuple(EndpointState)
REFUSED = {  # reason for a refused transaction -> its cause; every other reason is "other"
    Refusal.FUNDS: "insufficient_funds",
    Refusal.FEE: "insufficient_fee",
    Refusal.SEQUENCE: "sequence_mismatch",
    Refusal.RATE_LIMIT: "rate_limited",
}
NO_YES = ("no", "yes")
OUTCOMES = {  # transaction outcome -> its causes
    "included": ("none",),
    "failed": ("out_of_gas", "message", "other"),
    "refused": (*REFUSED.values(), "other"),
    "expired": ("timeout", "foreign_transaction"),
}

# --- the metrics ---

BUILD = _gauge(
    "provd_build_info", "Version of the running daemon, as a label; the value is always 1.", "version"
)
RELOADED = _gauge(
    "provd_config_last_reload_successful",
    "1 if the whole configuration file is in effect, 0 if it is invalid or a changed key needs a restart.",
)
RELOAD_SUCCESS = _gauge(
    "provd_config_last_reload_success_timestamp_seconds",
    "Unix time at which a configuration file last took effect completely, at start or at a reload.",
)
HTTP_CONNECTIONS = _gauge("provd_http_connections", "Connections currently open on metrics.listen.")
HTTP_CLOSED = _counter(
    "provd_http_connections_closed_total",
    "Connections on metrics.listen closed at the connection limit or because no request arrived in time.",
    "reason",
)

JOBS = _gauge("provd_jobs", "Open jobs by cluster and state, excluding parked jobs.", "cluster", "state")
JOBS_PARKED = _gauge(
    "provd_jobs_parked", "Parked jobs, which wait for an operator, by reason.", "cluster", "reason"
)
JOBS_QUARANTINED = _gauge(
    "provd_jobs_quarantined",
    "Job numbers whose record on chain could not be read; they are read again every minute.",
)
JOBS_ON_HOLD = _gauge(
    "provd_jobs_on_hold",
    "Jobs that are neither submitted nor reported: too expensive to answer, or their chain record differs "
    "from the ledger, is absent or is unreadable.",
    "reason",
)
JOBS_POSTPONED = _gauge(
    "provd_jobs_postponed",
    "Jobs that stay pending on chain, by reason: the cluster is paused, the customer is blocked or at a "
    "limit, or provd has not read the job yet (unread).",
    "reason",
)
CUSTOMERS_HELD = _gauge(
    "provd_customers_held",
    "Customers with jobs that stay pending on chain, by reason: paused cluster, block or limit.",
    "reason",
)
CLUSTER_PAUSED = _gauge(
    "provd_cluster_paused",
    "1 while an operator has paused the cluster's intake, otherwise 0.",
    "cluster",
)
POOL_USERS = _gauge(
    "provd_pool_users",
    "Unix users of the pool that are not available to a new customer, by state of their lease.",
    "cluster",
    "state",
)
JOB_STATE_DURATION = _histogram(
    "provd_job_state_duration_seconds",
    "Time that jobs spent in a state; `ended` is the time from the end of a job until its final report was "
    "confirmed and provd closed it.",
    (60, 600, 7200, 86_400),
    "cluster",
    "state",
)
SUBMISSION_LATENCY = _histogram(
    "provd_submission_latency_seconds",
    "Time from the block that created a job until SLURM returned its job id.",
    (5, 15, 60, 300, 900),
    "cluster",
)
REPORT_LATENCY = _histogram(
    "provd_report_latency_seconds",
    "Time from storing a report in the outbox until it was confirmed in a block.",
    (5, 15, 60, 300, 900),
    "cluster",
)

OUTBOX_MESSAGES = _gauge(
    "provd_outbox_messages", "Messages in the outbox that are not yet confirmed on chain.", "signer", "kind"
)
OUTBOX_OLDEST = _gauge(
    "provd_outbox_oldest_timestamp_seconds",
    "Unix time at which the oldest unconfirmed message in the outbox was stored.",
    "signer",
    "kind",
    absent="while the outbox has no such message",
)
OUTBOX_PROGRESS = _gauge(
    "provd_outbox_last_progress_timestamp_seconds",
    "Unix time at which a transaction of the signer was last found in a block.",
    "signer",
    absent="from the start of provd until the first one",
)
OUTBOX_STALLED = _gauge(
    "provd_outbox_stalled",
    "1 if no transaction of the signer can be sent, or if none was included for a minute while reports wait; "
    "otherwise 0.",
    "signer",
)
TRANSACTIONS = _counter(
    "provd_transactions_total",
    "Transactions by outcome and cause; a refused transaction was accepted by no node and cost no fee.",
    "outcome",
    "cause",
)
GAS = _counter(
    "provd_gas_used_total", "Gas used by transactions included in blocks, including failed ones.", "signer"
)
FEES = _counter(
    "provd_fees_total",
    "Fees paid for transactions included in blocks, in units of the denom.",
    "signer",
    "denom",
)
GAS_PRICE = _gauge(
    "provd_gas_price",
    "Price of one unit of gas when the latest transaction was prepared, in units of the denom.",
    "denom",
    absent="if no transaction was prepared in the last ten minutes",
)

WALLET_BALANCE = _gauge(
    "provd_wallet_balance",
    "Balance of the signer's account, in units of the denom.",
    "signer",
    "denom",
    absent="if the balance query has failed for three minutes",
)
WALLET_RUNWAY = _gauge(
    "provd_wallet_runway_seconds",
    "Estimated time until the signer's balance is used up, at the fees of the last day or at the cost of "
    "heartbeats, whichever is higher.",
    "signer",
    absent="while provd_wallet_balance is absent, and before the first heartbeat or fee",
)
BILLED = _counter(
    "provd_billed_total",
    "Amount billed for jobs with a confirmed final report, at most their escrow, in units of the denom.",
    "cluster",
    "denom",
)
ESTIMATED = _counter(
    "provd_estimated_total",
    "Sum of the highest possible bills of accepted jobs, by their offerings' prices, in units of the denom.",
    "cluster",
    "denom",
)
ESCROWED = _counter(
    "provd_escrowed_total",
    "Sum of the escrow that accepted jobs had when provd accepted them, in units of the denom.",
    "cluster",
    "denom",
)
CHAIN_SETTLEMENT = _gauge(
    "provd_chain_settlement",
    "What the chain does with the agreed price of a job: 1 for escrow, promise or unknown, 0 for the others.",
    "settlement",
)
UNSETTLED = _gauge(
    "provd_unsettled",
    "Value of finished jobs whose final report is not yet confirmed on chain, in units of the denom.",
    "cluster",
    "denom",
)

CHAIN_HEIGHT = _gauge(
    "provd_chain_height",
    "Height of the endpoint's newest block.",
    "endpoint",
    absent="while the endpoint is unhealthy",
)
CHAIN_BLOCK_TIME = _gauge(
    "provd_chain_block_timestamp_seconds",
    "Unix time in the header of the endpoint's newest block.",
    "endpoint",
    absent="while the endpoint is unhealthy",
)
CHAIN_ENDPOINT = _gauge(
    "provd_chain_endpoint",
    "1 for the current state of the endpoint, 0 for every other state.",
    "endpoint",
    "state",
    absent="before the first check, and if the endpoint was not checked for three minutes",
)
CHAIN_CALLS = _histogram(
    "provd_chain_call_duration_seconds",
    "Duration of calls to the chain, including retries.",
    (0.05, 0.25, 1, 5, 20),
)
CHAIN_ERRORS = _counter(
    "provd_chain_call_errors_total",
    "Calls to the chain that failed: no endpoint answered (down), or the answer was invalid (unreadable).",
    "error",
)
CHAIN_SUCCESS = _gauge(
    "provd_chain_last_success_timestamp_seconds",
    "Unix time at which a call to the chain last succeeded.",
    absent="before the first success",
)

SLURM_DURATION = _histogram(
    "provd_slurm_query_duration_seconds",
    "Duration of SLURM queries, submissions, cancellations and drains.",
    (0.1, 0.5, 2, 10),
    "cluster",
)
SLURM_QUERIES = _counter(
    "provd_slurm_queries_total",
    "SLURM queries, submissions, cancellations and drains by type.",
    "cluster",
    "query",
)
SLURM_FAILURES = _counter(
    "provd_slurm_query_failures_total",
    "SLURM queries that failed or returned unparseable output.",
    "cluster",
    "outcome",
)
SLURM_SUCCESS = _gauge(
    "provd_slurm_last_success_timestamp_seconds",
    "Unix time at which a SLURM query, submission or cancellation last succeeded.",
    "cluster",
    absent="before the first success",
)
SLURM_RPCS = _counter(
    "provd_slurm_rpcs_total",
    "SLURM commands that provd ran, each of which is at least one RPC to slurmctld or slurmdbd.",
    "cluster",
)
SLURM_RATE_LIMITED = _counter(
    "provd_slurm_rate_limited_total",
    "SLURM queries that slurmctld rejected because of its RPC rate limit.",
    "cluster",
)
SLURM_SUBMISSIONS = _counter(
    "provd_slurm_submissions_total", "Job submissions by the result of sbatch.", "cluster", "result"
)
SLURM_NOTHING_RAN = _counter(
    "provd_slurm_jobs_without_claim_total",
    "SLURM jobs that ended without running anything: another SLURM job had claimed the job (duplicate), or "
    "the claim could not be made (unclaimed).",
    "cluster",
    "reason",
)
SLURM_NODES = _gauge(
    "provd_slurm_nodes",
    "Nodes of the cluster that can run jobs, are draining, or cannot run jobs.",
    "cluster",
    "state",
    absent="if SLURM has not listed its nodes for five minutes",
)

NODE_AGENTS = _gauge(
    "provd_node_agents",
    "Node agents by state: active; unhealthy (a sick node or a failed GPU); silent; on a powered-down node.",
    "cluster",
    "state",
    absent=NO_READING,
)
NODE_AGENT_SILENCE = _gauge(
    "provd_node_agent_silence_seconds",
    "Time since the last heartbeat of the agent from which none came for longest.",
    "cluster",
    absent=NO_READING,
)
NODES_HELD = _gauge(
    "provd_nodes_held",
    "Nodes that are not sold because an operator drained them, or because their agent reports them sick.",
    "cluster",
    "source",
)
GPUS_FAILED = _gauge(
    "provd_gpus_failed",
    "Failed GPUs in the last heartbeats of agents that are not silent.",
    "cluster",
    absent=NO_READING,
)

SSH_CONNECTS = _counter(
    "provd_ssh_connects_total", "Attempts to log in to the login node by outcome.", "cluster", "outcome"
)
SSH_LOGIN_PROBLEM = _gauge(
    "provd_ssh_login_problem",
    "1 for the cause of the failure, if the last login to the login node failed.",
    "cluster",
    "cause",
    absent="if the last login succeeded",
)
SSH_CONNECTIONS = _gauge(
    "provd_ssh_connections", "SSH connections to the login node currently open.", "cluster"
)
SSH_CHANNELS = _counter("provd_ssh_channels_total", "SSH channels opened; each command uses one.", "cluster")
SSH_CHANNELS_REFUSED = _counter(
    "provd_ssh_channels_refused_total",
    "SSH channels that sshd refused to open, usually because of its MaxSessions.",
    "cluster",
)
SSH_CHANNELS_OPEN = _gauge("provd_ssh_channels_open", "SSH channels currently open.", "cluster")

LEDGER_SIZE = _gauge("provd_ledger_size_bytes", "Size of the ledger file and its write-ahead log.")
LEDGER_FREE = _gauge(
    "provd_ledger_disk_free_bytes", "Free space available to provd on the file system of the ledger."
)
LEDGER_COMMIT = _histogram(
    "provd_ledger_commit_duration_seconds",
    "Duration of writes to the ledger, including the flush to disk.",
    (0.005, 0.02, 0.1, 0.5, 2),
)

UNPAID = _gauge(
    "provd_unpaid",
    "Amount that the chain has billed for jobs and not paid out yet, in units of the denom; `disputed` is "
    "yes for jobs whose payment a dispute stops. Updated every ten minutes.",
    "cluster",
    "denom",
    "disputed",
)
DISPUTES = _gauge(
    "provd_disputes_open",
    "Undecided disputes about jobs of the cluster; `answered` is yes for disputes that `provd dispute "
    "answer` has answered.",
    "cluster",
    "answered",
)

DIFFERENCES = _gauge(
    "provd_reconciliation_differences",
    "Differences between SLURM, ledger and chain found by the last reconciliation, by severity.",
    "severity",
    absent="before the first reconciliation",
)
RECONCILED = _gauge(
    "provd_reconciliation_last_timestamp_seconds",
    "Unix time of the last complete reconciliation.",
    absent="before the first reconciliation",
)

LOOP_SUCCESS = _gauge(
    "provd_loop_last_success_timestamp_seconds",
    "Unix time at which a tick of the loop last succeeded, 0 before the first success.",
    "loop",
)
LOOP_FAILING = _gauge("provd_loop_failing", "1 if the last tick of the loop failed, otherwise 0.", "loop")
LOOP_TICKS = _counter("provd_loop_ticks_total", "Ticks that the loop has started.", "loop")
LOOP_ALIVE = _gauge(
    "provd_loop_alive",
    "0 if the loop has ended or hangs, in which case systemd restarts provd; otherwise 1.",
    "loop",
)
TROUBLE = _gauge(
    "provd_trouble",
    "1 while a problem is ongoing; `what` is its log event, `subject` the affected cluster, endpoint or key.",
    "what",
    "subject",
    absent="while the problem is not present",
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
    "Jobs": (
        JOBS,
        JOBS_PARKED,
        JOBS_QUARANTINED,
        JOBS_ON_HOLD,
        JOBS_POSTPONED,
        CUSTOMERS_HELD,
        CLUSTER_PAUSED,
        POOL_USERS,
        JOB_STATE_DURATION,
        SUBMISSION_LATENCY,
        REPORT_LATENCY,
    ),
    "Outbox and transactions": (
        OUTBOX_MESSAGES,
        OUTBOX_OLDEST,
        OUTBOX_PROGRESS,
        OUTBOX_STALLED,
        TRANSACTIONS,
        GAS,
        FEES,
        GAS_PRICE,
    ),
    "Money": (
        WALLET_BALANCE,
        WALLET_RUNWAY,
        ESTIMATED,
        ESCROWED,
        BILLED,
        UNSETTLED,
        UNPAID,
        CHAIN_SETTLEMENT,
        DISPUTES,
    ),
    "Chain": (CHAIN_HEIGHT, CHAIN_BLOCK_TIME, CHAIN_ENDPOINT, CHAIN_CALLS, CHAIN_ERRORS, CHAIN_SUCCESS),
    "SLURM": (
        SLURM_DURATION,
        SLURM_QUERIES,
        SLURM_FAILURES,
        SLURM_SUCCESS,
        SLURM_RPCS,
        SLURM_RATE_LIMITED,
        SLURM_SUBMISSIONS,
        SLURM_NOTHING_RAN,
        SLURM_NODES,
    ),
    "Nodes": (NODE_AGENTS, NODE_AGENT_SILENCE, NODES_HELD, GPUS_FAILED),
    "SSH": (
        SSH_CONNECTS,
        SSH_LOGIN_PROBLEM,
        SSH_CONNECTIONS,
        SSH_CHANNELS,
        SSH_CHANNELS_REFUSED,
        SSH_CHANNELS_OPEN,
    ),
    "Ledger and reconciliation": (LEDGER_SIZE, LEDGER_FREE, LEDGER_COMMIT, DIFFERENCES, RECONCILED),
}
CATALOG = tuple(family for section in SECTIONS.values() for family in section)
