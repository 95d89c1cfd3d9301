"""Alerts, rules, boards, mixin and runbooks, each checked with the tool that a site uses."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from provider_daemon.collector import measures as collector
from provider_daemon.gateway import measures as gateway
from provider_daemon.metrics.catalog import CATALOG
from provider_daemon.mover import metrics as mover
from tests.observe import files
from tests.observe.faults import FAULTS
from tests.observe.files import GRAFANA, PROMETHEUS, RUNBOOK, alerts, boards, rules, selectors
from tests.unit.docs import DOCS, ROOT, table
from tools.grafana_boards import BOARDS, rendered

ALERTS = {rule["alert"]: rule for rule in alerts()}
TESTS = yaml.safe_load((PROMETHEUS / "alerts_test.yaml").read_text())["tests"]


def run(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_takes_the_rules() -> None:
    run("promtool", "check", "rules", str(PROMETHEUS / "rules.yaml"), str(PROMETHEUS / "alerts.yaml"))


def test_promtool_runs_the_tests_of_the_alerts() -> None:
    run("promtool", "test", "rules", str(PROMETHEUS / "alerts_test.yaml"))


@pytest.mark.parametrize("expression", ["vector(0) > 1", "vector(1)"])
def test_each_test_of_an_alert_tests_it(tmp_path: Path, expression: str) -> None:
    """The tests of the alerts fail when alerts never fire, and when they always fire.

    Half of the tests fail in the first case and the other half in the second, without exception. These
    expressions are constant, so an evaluation every ten minutes, which divides each `eval_time`, is enough.
    """
    rule = {"groups": [{"name": "x", "rules": [{**rule, "expr": expression} for rule in alerts()]}]}
    (tmp_path / "alerts.yaml").write_text(yaml.safe_dump(rule))
    (tmp_path / "rules.yaml").write_text((PROMETHEUS / "rules.yaml").read_text())
    tests = {**yaml.safe_load((PROMETHEUS / "alerts_test.yaml").read_text()), "evaluation_interval": "10m"}
    (tmp_path / "alerts_test.yaml").write_text(yaml.safe_dump(tests))
    done = subprocess.run(
        ["promtool", "test", "rules", str(tmp_path / "alerts_test.yaml")],
        capture_output=True,
        text=True,
        check=False,
    )
    failed = re.findall(r'expr: "count by \(alertname, severity\) \(ALERTS\{alertname=\\"(\w+)', done.stderr)
    assert list(dict.fromkeys(failed)) == list(ALERTS)
    assert len(failed) == sum((" fires" in test["name"]) is (expression != "vector(1)") for test in TESTS)


@pytest.mark.parametrize("name", ALERTS)
def test_each_alert_has_both_tests(name: str) -> None:
    """Each alert has a test that fires it and one that does not, and more where there are several ways."""
    mine = [test for test in TESTS if test["name"].startswith(f"{name} ")]
    assert {f"{name} fires", f"{name} does not fire"} <= {test["name"] for test in mine}
    for test in mine:
        (expected,) = test["promql_expr_test"]
        assert f'alertname="{name}"' in expected["expr"]
        assert bool(expected["exp_samples"]) is test["name"].startswith(f"{name} fires")
        assert test["input_series"]


@pytest.mark.parametrize("name", ALERTS)
def test_each_alert_has_its_runbook(name: str) -> None:
    """Each alert links to a runbook with its expression, severity and time, and the three sections."""
    rule = ALERTS[name]
    text = (DOCS / rule["annotations"]["runbook_url"]).read_text()
    after = f"after {rule['for']}" if "for" in rule else "at once"
    assert text.startswith(f"# {name}\n\n{rule['labels']['severity']}, {after}: `{rule['expr']}`\n")
    assert tuple(re.findall(r"^## (.+)$", text, re.MULTILINE)) == RUNBOOK
    assert rule["annotations"]["summary"]
    assert rule["labels"]["severity"] in ("warning", "critical")


def test_the_list_of_alerts() -> None:
    """docs/alerts has a page for each alert and no other; README.md lists them unchanged."""
    listed = re.findall(
        r"^\| \[(\w+)\]\(\1\.md\) \| (\w+) \| ([\w ]+) \|$",
        (DOCS / "alerts/README.md").read_text(),
        re.MULTILINE,
    )
    assert listed == [
        (name, rule["labels"]["severity"], rule.get("for", "at once")) for name, rule in ALERTS.items()
    ]
    assert {path.stem for path in (DOCS / "alerts").glob("*.md")} == {*ALERTS, "README"}
    assert len(ALERTS) >= 15


def test_rules_are_named_by_level_metric_and_operation() -> None:
    """Recording rules are named level:metric:operation, as Prometheus advises."""
    for rule in rules():
        assert re.fullmatch(r"[a-z_]+:[a-z_]+:[a-z0-9_]+", rule["record"])


def test_boards_are_what_the_code_prints() -> None:
    """The boards are up to date with the code; otherwise run `make generate`."""
    wanted = {f"{board.name}.json": rendered(board) for board in BOARDS}
    assert {path.name: path.read_text() for path in GRAFANA.glob("*.json")} == wanted
    assert len(wanted) == 4


def test_boards_show_every_metric() -> None:
    """Each metric family is on a board or in an alert: an unused metric need not be exported."""
    read = {files.family(selector) for _, text in files.expressions() for selector in selectors(text)}
    exported = (*CATALOG, *mover.FAMILIES, *gateway.FAMILIES, *collector.FAMILIES)
    unseen = [each.name for each in exported if each.name not in read]
    assert unseen == []


def panels() -> list[dict[str, Any]]:
    return [panel for board in boards().values() for panel in board["panels"]]


def test_panels_do_not_overlap() -> None:
    """No two panels of a board share a cell of the grid."""
    for board in boards().values():
        cells = [
            (column, line)
            for place in (panel["gridPos"] for panel in board["panels"])
            for column in range(place["x"], place["x"] + place["w"])
            for line in range(place["y"], place["y"] + place["h"])
        ]
        assert len(cells) == len(set(cells))
        assert max(column for column, _ in cells) < 24
    assert all(panel["targets"] for panel in panels() if panel["type"] != "row")


def test_mixin_is_the_plain_files() -> None:
    """The mixin, evaluated by jsonnet, gives the same alerts, rules and boards.

    The scrape's job and the location of the docs are as configured.
    """
    program = """
      local mixin = (import 'deploy/mixin.libsonnet') + { _config+:: { docsUrl: 'https://docs/', provdSelector: 'job="hpc"',
        gatewaySelector: 'job="api"', moverSelector: 'job="data"', collectorSelector: 'job="nodes"' } };
      { alerts: mixin.prometheusAlerts, rules: mixin.prometheusRules, boards: mixin.grafanaDashboards }
    """  # noqa: E501
    made = json.loads(run("jsonnet", "-e", program))
    wanted = [
        {
            **rule,
            "expr": rule["expr"]
            .replace('job="provd"', 'job="hpc"')
            .replace('job="provd-gateway"', 'job="api"')
            .replace('job="provd-mover"', 'job="data"')
            .replace('job="provd-collector"', 'job="nodes"'),
            "annotations": {**rule["annotations"], "runbook_url": url},
        }
        for rule, url in ((rule, f"https://docs/{rule['annotations']['runbook_url']}") for rule in alerts())
    ]
    assert made["alerts"]["groups"][0]["rules"] == wanted
    assert made["rules"]["groups"][0]["rules"] == rules()
    shown = json.dumps(boards(), sort_keys=True)
    jobs = {"provd": "hpc", "provd-gateway": "api", "provd-mover": "data", "provd-collector": "nodes"}
    for plain, configured in jobs.items():
        shown = shown.replace(f'job=\\"{plain}\\"', f'job=\\"{configured}\\"')
    assert json.dumps(made["boards"], sort_keys=True) == shown


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('sum by (a, b) (rate(x_total{c=~"d|e"}[5m])) > 3', ['x_total{c=~"d|e"}']),
        ("time() - max without (endpoint) (a:b:c) > 0 and on (job) y == 1", ["a:b:c", "y"]),
        ('absent(up{job="provd"} == 1)', ['up{job="provd"}']),
        ("z < 72 * 3600 or w > 100e6", ["z", "w"]),
    ],
)
def test_selectors(text: str, found: list[str]) -> None:
    """The selectors of an expression are found, and nothing else."""
    assert selectors(text) == found


def test_the_list_of_faults() -> None:
    """docs/alerts/README.md lists for each fault of `make observe` which alerts it fires."""
    listed = {row[0]: row[1].split(", ") for row in table((DOCS / "alerts/README.md").read_text(), "fault")}
    assert listed == {fault.name: list(fault.fires) for fault in FAULTS}
    assert {name for fault in FAULTS for name in fault.fires} <= set(ALERTS)
    assert {fault.side for fault in FAULTS} == {"SLURM", "SSH", "chain", "money", "jobs", "nodes", "disputes"}
