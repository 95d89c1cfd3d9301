"""No test, metric or alert depends on the wording of a park reason, an endpoint's message or a timeline's
text."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from provider_daemon.job.parking import ParkReason
from provider_daemon.ports import EndpointState
from tests.reworded import MODULES

ROOT = Path(__file__).parents[2]
WRITES = re.compile(r"add_event\(|Parked\(|\bpark\(|TimelineEntry\(|\b(?:endpoint|self)\.why\b[^=\n]* = ")
# and write no such text of their own
PASS_ON = {
    "daemon.audited_ledger",
    "job.job",
    "ledger.ledger",
    "ledger.rows",
    "metrics.ledger",
    "loops.sending_problems",
}
DEPENDENT = {
    "control": "beside_the_daemon",
    "job": "",
    "loops": "rejections disputes faults maintenance slots outbox job_records report_cost",
    "ledger": "repair check listing",
    "status": "",
    "metrics": "collector measured",
    "cli": "dispute jobs ledger status",
    "books": "evidence",
    "chain": "endpoints agreement heights",
}
"""room of tests/unit -> those of its tests that have to do with such texts; "": all"""


@pytest.mark.timeout(1800)
def test_everything_holds_in_other_words() -> None:
    """The tests of all that parks, explains, measures and shows pass with each such text in the source
    replaced."""
    tests = [
        f"tests/unit/{room}/{name and f'test_{name}.py'}"
        for room, names in DEPENDENT.items()
        for name in names.split() or [""]
    ]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--show-capture=no",
        "-p",
        "tests.reworded",
        "-p",
        "no:cacheprovider",
        *tests,
    ]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout[-3000:]


def test_the_words_are_really_others() -> None:
    """What the run above replaces is what a person would have read."""
    show = "from provider_daemon.job.hold import EXPLAINED, Hold; print(EXPLAINED[Hold.NOT_ON_CHAIN])"
    code = f"from tests import reworded; reworded.pytest_load_initial_conftests(); {show}"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout == "no dloh: eht boj si ton no niahc\n"


def test_no_such_text_is_left_out() -> None:
    """Each module that parks a job, writes a timeline or says what is wrong with an endpoint is among those
    that are reworded."""
    sources = {
        path: path.read_text()
        for path in (ROOT / "provider_daemon").rglob("*.py")
        if "proto" not in path.parts
    }
    names = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path, text in sources.items()
        if WRITES.search(text)
    }
    assert names - {f"provider_daemon.{name}" for name in PASS_ON} <= MODULES


@pytest.mark.parametrize(
    ("metric", "label", "words"),
    [("jobs_parked", "reason", ParkReason), ("chain_endpoint", "state", EndpointState)],
)
def test_alerts_name_values_of_the_enums(
    metric: str, label: str, words: type[ParkReason | EndpointState]
) -> None:
    """Of the reasons and states that alerts select, each exists."""
    alerts = (ROOT / "deploy/prometheus/alerts.yaml").read_text()
    selected = re.findall(rf'provd_{metric}\{{{label}[=!~]+"([^"]+)"', alerts)
    assert selected
    assert {word for words_ in selected for word in words_.split("|")} <= set(words)
