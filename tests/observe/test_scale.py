"""The shortened alerts differ from the real ones in their times only."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.observe.files import alerts, rules, selectors
from tests.observe.scale import AGES, FACTOR, MARK, UNSCALED, scaled

COPY = {rule["alert"]: rule for rule in scaled(FACTOR)["groups"][0]["rules"]}


def test_prometheus_takes_them(tmp_path: Path) -> None:
    (tmp_path / "scaled.yaml").write_text(json.dumps(scaled(FACTOR)))
    done = subprocess.run(
        ["promtool", "check", "rules", str(tmp_path / "scaled.yaml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_there_once_with_its_severity() -> None:
    assert [(rule["alert"], {**rule["labels"], MARK: str(FACTOR)}) for rule in alerts()] == [
        (name, rule["labels"]) for name, rule in COPY.items()
    ]


@pytest.mark.parametrize(
    "rule", [rule for rule in alerts() if rule["alert"] not in UNSCALED], ids=lambda rule: str(rule["alert"])
)
def test_no_time_is_left_as_it_was(rule: dict[str, str]) -> None:
    """No range and no `for` keeps its time.

    Scaled times are a twentieth, and the same series are read with the same labels.
    """
    copy = COPY[rule["alert"]]
    assert not re.search(r"\[\d+[smhd]\]", copy["expr"])
    assert copy.get("for", "0ms").endswith("ms")
    recorded = {each["record"]: each["expr"] for each in rules()}
    wanted = [
        name for selector in selectors(rule["expr"]) for name in selectors(recorded.get(selector, selector))
    ]
    assert selectors(copy["expr"]) == wanted


def test_times() -> None:
    assert COPY["ProvdLoopFailing"]["for"] == "15000ms"
    assert (
        COPY["ProvdSshRefused"]["expr"]
        == 'increase(provd_ssh_connects_total{outcome=~"login_refused|host_key_mismatch"}[30000ms]) > 0'
    )
    assert (
        COPY["ProvdReportWaiting"]["expr"]
        == '(time() - min without (kind) (provd_outbox_oldest_timestamp_seconds{kind="report"})) > 15'
    )
    assert COPY["ProvdReconciliationStale"] == {
        **alerts()[list(COPY).index("ProvdReconciliationStale")],
        "labels": {"severity": "warning", MARK: "20"},
    }


def test_every_age_is_scaled() -> None:
    """An alert that compares with `time()`, directly or in a recorded series, is in AGES or UNSCALED.

    AGES has its threshold, which the copy scales; UNSCALED has the reason why not.
    """
    aging = {rule["record"] for rule in rules() if "time()" in rule["expr"]}
    found = {
        rule["alert"] for rule in alerts() if "time()" in rule["expr"] or aging & set(selectors(rule["expr"]))
    }
    assert found == {*AGES, *UNSCALED}
    for name, seconds in AGES.items():
        assert f"> {seconds}" not in COPY[name]["expr"]
        assert COPY[name]["expr"].count(f"> {seconds / FACTOR:g}") == alerts()[list(COPY).index(name)][
            "expr"
        ].count(f"> {seconds}")
