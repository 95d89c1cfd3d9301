"""What the boards add to an expression."""

import json

import pytest

from tools.grafana_boards import BOARDS, UNITS, rendered
from tools.grafana_series import described, in_coins, of_clusters

CHOSEN = 'cluster=~"$cluster"'


@pytest.mark.parametrize(
    ("expression", "limited"),
    [
        ("sum(provd_jobs_parked)", f"sum(provd_jobs_parked{{{CHOSEN}}})"),
        ('provd_slurm_nodes{state="usable"}', f'provd_slurm_nodes{{state="usable", {CHOSEN}}}'),
        (
            "rate(provd_report_latency_seconds_bucket[1h])",
            f"rate(provd_report_latency_seconds_bucket{{{CHOSEN}}}[1h])",
        ),
        ("sum(cluster:provd_jobs:sum)", f"sum(cluster:provd_jobs:sum{{{CHOSEN}}})"),
        ("provd:chain_height:max", "provd:chain_height:max"),
        ("provd_wallet_balance", "provd_wallet_balance"),
        ('process_resident_memory_bytes{job="provd"}', 'process_resident_memory_bytes{job="provd"}'),
    ],
)
def test_only_series_of_a_cluster_are_limited(expression: str, limited: str) -> None:
    assert of_clusters(expression) == limited


def test_descriptions_are_the_help_texts() -> None:
    """Of every metric once, also behind a recording rule, and of the process."""
    assert described(["provd_gas_price", "rate(provd_gas_price[1m])"]) == described(["provd_gas_price"])
    assert described(["provd:fee_per_job:ratio_rate1d"]).startswith("Fees paid")
    assert described(['process_cpu_seconds_total{job="provd"}']).startswith("Total user and system CPU time")


def test_boards() -> None:
    """Each panel is described; amounts are in whole coins; boards with clusters let one choose them."""
    for board in map(json.loads, map(rendered, BOARDS)):
        panels = [panel for panel in board["panels"] if panel["type"] != "row"]
        assert all(panel["description"] for panel in panels)
        assert [each["name"] for each in board["templating"]["list"]] == ["datasource", "cluster"]
        for panel in panels:
            for target in panel["targets"]:
                assert "{{denom}}" not in target["legendFormat"] or panel["title"] == "Gas price"
                if "{{coin}}" in target["legendFormat"]:
                    assert target["expr"].startswith("label_replace((")
                    assert UNITS not in panel["description"]


def test_whole_coins() -> None:
    assert in_coins("a") == 'label_replace((a) / 1000000, "coin", "$1", "denom", "u(.+)")'
