"""The Grafana boards of provd: `make generate` writes the four JSON files of deploy/grafana."""

import json
from typing import Any

from tools import ROOT
from tools.grafana_data_board import DATA
from tools.grafana_panels import COINS, Board, Panel, graph, quantiles, stat
from tools.grafana_series import COIN, described, in_coins, of_clusters

WIDTH, HEIGHT, COLUMNS = 8, 7, 3  # of a panel, in Grafana's grid of 24 columns
UNITS = "in units of the denom"  # in the help texts of amounts
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


JOBS = Board(
    "jobs",
    "provd / Jobs",
    {
        "Now": (
            stat("Open jobs", "short", "sum(cluster:provd_jobs:sum)"),
            stat("Parked jobs (wait for an operator)", "short", "sum(provd_jobs_parked)"),
            stat("Quarantined jobs (unreadable on chain)", "short", "sum(provd_jobs_quarantined)"),
            stat("Jobs on hold (not reported)", "short", "sum(provd_jobs_on_hold)"),
            stat("Jobs left on chain by limits", "short", "sum(provd_jobs_postponed)"),
            stat("Customers held by limits", "short", "sum(provd_customers_held)"),
            stat("Paused clusters", "short", "sum(provd_cluster_paused)"),
        ),
        "Flow": (
            graph("Open jobs by state", "short", ("sum by (state) (provd_jobs)", "{{state}}")),
            graph(
                "Parked jobs by reason", "short", ("sum by (reason) (provd_jobs_parked) > 0", "{{reason}}")
            ),
            graph(
                "Submissions by result of sbatch",
                "short",
                ("sum by (result) (increase(provd_slurm_submissions_total[$__rate_interval]))", "{{result}}"),
            ),
        ),
        "Time": (
            quantiles(
                "Time from block to SLURM job id", "provd_submission_latency_seconds_bucket", "{{cluster}}"
            ),
            quantiles(
                "Time from stored report to block", "provd_report_latency_seconds_bucket", "{{cluster}}"
            ),
            graph(
                "Time in each state, 95th percentile",
                "s",
                ("cluster_state:provd_job_state_duration_seconds:p95_1d", "{{cluster}} {{state}}"),
            ),
            graph(
                "Submission and report latency, 95th percentile of the last hour",
                "s",
                ("cluster:provd_submission_latency_seconds:p95_1h", "submission {{cluster}}"),
                ("cluster:provd_report_latency_seconds:p95_1h", "report {{cluster}}"),
            ),
        ),
        "The daemon": (
            graph(
                "Failing loops",
                "short",
                ("provd_loop_failing > 0", "{{loop}}"),
                ("1 - provd_loop_alive > 0", "dead: {{loop}}"),
                ("provd_outbox_stalled > 0", "no progress: outbox:{{signer}}"),
            ),
            graph(
                "Time since the last successful tick",
                "s",
                ("time() - provd_loop_last_success_timestamp_seconds > 0", "{{loop}}"),
            ),
            graph("Ticks", "ops", ("rate(provd_loop_ticks_total[$__rate_interval])", "{{loop}}")),
            graph("Ongoing problems", "short", ("provd_trouble", "{{what}} {{subject}}")),
            graph(
                "Connections on metrics.listen",
                "short",
                ("provd_http_connections", "open"),
                ("increase(provd_http_connections_closed_total[$__rate_interval])", "closed: {{reason}}"),
            ),
            graph("Version", "short", ("provd_build_info", "{{version}}")),
            graph(
                "Configuration file is in effect",
                "bool",
                ("provd_config_last_reload_successful", "{{instance}}"),
            ),
            graph(
                "Time since a configuration file took effect",
                "s",
                ("time() - provd_config_last_reload_success_timestamp_seconds", "{{instance}}"),
            ),
        ),
    },
)
CHAIN = Board(
    "chain-and-money",
    "provd / Chain and money",
    {
        "Now": (
            stat("Wallet runway", "s", "min(provd_wallet_runway_seconds)"),
            stat("Age of the newest block", "s", "min(provd:chain_block_age_seconds:min)"),
            stat("Age of the oldest report", "s", "max(provd:outbox_oldest_report_age_seconds:max)"),
        ),
        "Money": (
            graph("Wallet balance", COINS, ("provd_wallet_balance", "{{signer}} {{coin}}")),
            graph(
                "Value of unreported finished jobs",
                COINS,
                ("sum by (denom) (provd_unsettled)", "unsettled {{coin}}"),
            ),
            graph(
                "Billed and not paid",
                COINS,
                (
                    "sum by (cluster, denom, disputed) (provd_unpaid)",
                    "{{cluster}} {{coin}} disputed {{disputed}}",
                ),
            ),
            graph(
                "Open disputes",
                "short",
                ("sum by (cluster, answered) (provd_disputes_open)", "{{cluster}} answered {{answered}}"),
            ),
            graph(
                "Billed per day",
                COINS,
                ("sum by (cluster, denom) (increase(provd_billed_total[1d]))", "{{cluster}} {{coin}}"),
            ),
            graph(
                "Accepted per day",
                COINS,
                ("sum by (denom) (increase(provd_estimated_total[1d]))", "at most {{coin}}"),
                ("sum by (denom) (increase(provd_escrowed_total[1d]))", "in escrow {{coin}}"),
            ),
            graph("Chain settlement", "short", ("provd_chain_settlement", "{{settlement}}")),
            graph(
                "Fees per day",
                COINS,
                ("sum by (signer, denom) (increase(provd_fees_total[1d]))", "{{signer}} {{coin}}"),
            ),
            graph(
                "Fees per job",
                "short",
                (f"provd:fee_per_job:ratio_rate1d / {COIN}", "{{instance}}"),
                about="In whole coins.",
            ),
            graph("Gas price", "short", ("provd_gas_price", "{{denom}}")),
        ),
        "Transactions": (
            graph(
                "Transactions by outcome",
                "short",
                (
                    "sum by (outcome, cause) (increase(provd_transactions_total[$__rate_interval]))",
                    "{{outcome}} {{cause}}",
                ),
            ),
            graph(
                "Share of unsuccessful transactions",
                "percentunit",
                ("provd:transactions_unsuccessful:ratio_rate15m", "{{instance}}"),
            ),
            graph("Gas used", "short", ("rate(provd_gas_used_total[$__rate_interval])", "{{signer}}")),
            graph("Messages in the outbox", "short", ("provd_outbox_messages", "{{signer}} {{kind}}")),
            graph(
                "Age of the oldest message",
                "s",
                ("time() - provd_outbox_oldest_timestamp_seconds", "{{signer}} {{kind}}"),
            ),
            graph(
                "Time since the last included transaction",
                "s",
                ("time() - provd_outbox_last_progress_timestamp_seconds", "{{signer}}"),
            ),
        ),
        "Chain": (
            graph(
                "Height",
                "short",
                ("provd_chain_height", "{{endpoint}}"),
                ("provd:chain_height:max", "newest"),
            ),
            graph("Endpoint states", "short", ("provd_chain_endpoint > 0", "{{endpoint}} {{state}}")),
            quantiles("Duration of chain calls", "provd_chain_call_duration_seconds_bucket", "", "5m"),
            graph(
                "Failed chain calls",
                "ops",
                ("rate(provd_chain_call_errors_total[$__rate_interval])", "{{error}}"),
            ),
            graph(
                "Time since the last successful chain call",
                "s",
                ("time() - provd_chain_last_success_timestamp_seconds", "{{instance}}"),
            ),
            graph(
                "Differences between SLURM, ledger and chain",
                "short",
                ("provd_reconciliation_differences", "{{severity}}"),
                about="Found by the last hourly reconciliation.",
            ),
            graph(
                "Time since the last reconciliation",
                "s",
                ("time() - provd_reconciliation_last_timestamp_seconds", "{{instance}}"),
            ),
        ),
    },
)
SLURM = Board(
    "slurm-and-ssh",
    "provd / SLURM and SSH",
    {
        "Now": (
            stat(
                "Usable nodes", "short", 'sum by (cluster) (provd_slurm_nodes{state="usable"})', "{{cluster}}"
            ),
            stat(
                "Time since SLURM last answered",
                "s",
                "time() - max by (cluster) (provd_slurm_last_success_timestamp_seconds)",
                "{{cluster}}",
            ),
            stat(
                "SLURM commands per second",
                "ops",
                "sum by (cluster) (cluster:provd_slurm_rpcs:rate5m)",
                "{{cluster}}",
            ),
        ),
        "SLURM": (
            graph(
                "Query duration, 95th percentile",
                "s",
                ("cluster:provd_slurm_query_duration_seconds:p95_15m", "{{cluster}}"),
            ),
            graph(
                "Queries and failures",
                "ops",
                (
                    "sum by (cluster, query) (rate(provd_slurm_queries_total[$__rate_interval]))",
                    "{{cluster}} {{query}}",
                ),
                (
                    "sum by (cluster, outcome) (rate(provd_slurm_query_failures_total[$__rate_interval]))",
                    "{{cluster}} {{outcome}}",
                ),
            ),
            graph(
                "Share of failed queries",
                "percentunit",
                ("cluster:provd_slurm_query_failures:ratio_rate15m", "{{cluster}}"),
            ),
            graph("SLURM commands", "ops", ("rate(provd_slurm_rpcs_total[$__rate_interval])", "{{cluster}}")),
            graph(
                "Queries rejected by the rate limit",
                "short",
                ("increase(provd_slurm_rate_limited_total[$__rate_interval])", "{{cluster}}"),
            ),
            graph("Nodes", "short", ("provd_slurm_nodes", "{{cluster}} {{state}}")),
        ),
        "Compute nodes with agents": (
            graph("Agents", "short", ("provd_node_agents", "{{cluster}} {{state}}")),
            graph("Longest silence of an agent", "s", ("provd_node_agent_silence_seconds", "{{cluster}}")),
            graph("Nodes that are not sold", "short", ("provd_nodes_held", "{{cluster}} {{source}}")),
            graph("Failed GPUs", "short", ("provd_gpus_failed", "{{cluster}}")),
        ),
        "SSH": (
            graph(
                "Login attempts",
                "short",
                (
                    "sum by (cluster, outcome) (increase(provd_ssh_connects_total[$__rate_interval]))",
                    "{{cluster}} {{outcome}}",
                ),
            ),
            graph(
                "Channels opened",
                "ops",
                ("rate(provd_ssh_channels_total[$__rate_interval])", "{{cluster}}"),
                ("rate(provd_ssh_channels_refused_total[$__rate_interval])", "refused {{cluster}}"),
            ),
            graph("Open channels", "short", ("provd_ssh_channels_open", "{{cluster}}")),
            graph("Open connections", "short", ("provd_ssh_connections", "{{cluster}}")),
            graph(
                "Unix users of the pool that are not free",
                "short",
                ("provd_pool_users", "{{cluster}} {{state}}"),
            ),
            graph("Cause of the failed login", "short", ("provd_ssh_login_problem", "{{cluster}} {{cause}}")),
        ),
        "Ledger and process": (
            graph(
                "Ledger write duration, 99th percentile",
                "s",
                ("provd:ledger_commit_duration_seconds:p99_10m", "{{instance}}"),
            ),
            graph(
                "Ledger size and free disk space",
                "bytes",
                ("provd_ledger_size_bytes", "ledger"),
                ("provd_ledger_disk_free_bytes", "free"),
            ),
            graph("Memory", "bytes", ('process_resident_memory_bytes{job="provd"}', "{{instance}}")),
            graph(
                "CPU",
                "percentunit",
                ('rate(process_cpu_seconds_total{job="provd"}[$__rate_interval])', "{{instance}}"),
            ),
        ),
    },
)
BOARDS = (JOBS, CHAIN, SLURM, DATA)


def rendered(board: Board) -> str:
    return json.dumps(_board(board), indent=2) + "\n"


def _board(board: Board) -> dict[str, Any]:
    return {
        "uid": f"provd-{board.name}",
        "title": board.title,
        "tags": ["provd"],
        "schemaVersion": 36,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [
                {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"},
                *_clusters(board),
            ]
        },
        "links": [{"type": "dashboards", "tags": ["provd"], "title": "provd", "asDropdown": False}],
        "panels": _panels(board),
    }


def _clusters(board: Board) -> list[dict[str, Any]]:
    """Returns the variable for the clusters; none for a board on which nothing has that label."""
    shown = [text for panels in board.rows.values() for panel in panels for text, _ in panel.queries]
    if all(of_clusters(text) == text for text in shown):
        return []
    return [
        {
            "name": "cluster",
            "label": "Cluster",
            "type": "query",
            "datasource": SOURCE,
            "query": "label_values(provd_slurm_queries_total, cluster)",
            "refresh": 2,
            "sort": 1,
            "multi": True,
            "includeAll": True,
            "allValue": ".*",
            "current": {"text": "All", "value": "$__all"},
        }
    ]


def _panels(board: Board) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    y = 0
    for title, panels in board.rows.items():
        made.append(
            {
                "id": len(made) + 1,
                "type": "row",
                "title": title,
                "collapsed": False,
                "gridPos": {"x": 0, "y": y, "w": 24, "h": 1},
                "panels": [],
            }
        )
        for number, panel in enumerate(panels):
            place = {
                "x": number % COLUMNS * WIDTH,
                "y": y + 1 + number // COLUMNS * HEIGHT,
                "w": WIDTH,
                "h": HEIGHT,
            }
            made.append(_panel(panel, len(made) + 1, place))
        y += 1 + -(-len(panels) // COLUMNS) * HEIGHT
    return made


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    money = panel.unit == COINS
    expressions = [in_coins(of_clusters(text)) if money else of_clusters(text) for text, _ in panel.queries]
    told = described(text for text, _ in panel.queries)
    if money:
        told = told.replace(UNITS, "in whole coins")
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": " ".join(
            filter(None, (panel.about, told.replace(UNITS, "in whole coins") if money else told))
        ),
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": "short" if money else panel.unit, "min": 0}, "overrides": []},
        "options": {"reduceOptions": {"calcs": ["lastNotNull"]}}
        if panel.kind == "stat"
        else {"legend": {"displayMode": "list"}},
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": SOURCE, "expr": expression, "legendFormat": legend}
            for index, (expression, (_, legend)) in enumerate(zip(expressions, panel.queries, strict=True))
        ],
    }


if __name__ == "__main__":
    for board in BOARDS:
        (ROOT / f"deploy/grafana/{board.name}.json").write_text(rendered(board))
