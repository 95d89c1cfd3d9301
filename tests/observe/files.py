"""Reads the monitoring files in deploy/ and docs/: expressions with their places, and their series."""

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from tests.unit.docs import DOCS, ROOT, log_events

PROMETHEUS, GRAFANA = ROOT / "deploy/prometheus", ROOT / "deploy/grafana"
PAGES = [*sorted(DOCS.rglob("*.md")), ROOT / "README.md", *sorted((ROOT / "deploy").rglob("*.md"))]
RUNBOOK = ("What it means", "How to see it", "What to do")

_KEYWORDS = {
    "by",
    "without",
    "on",
    "ignoring",
    "and",
    "or",
    "unless",
    "bool",
    "offset",
    "group_left",
    "group_right",
    "inf",
    "nan",
}
_OURS = re.compile(r"\bprovd_[a-z_]*[a-z]\b")


def alerts() -> list[dict[str, Any]]:
    return _rules("alerts.yaml")


def rules() -> list[dict[str, Any]]:
    return _rules("rules.yaml")


def _rules(name: str) -> list[dict[str, Any]]:
    groups = yaml.safe_load((PROMETHEUS / name).read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def boards() -> dict[str, dict[str, Any]]:
    """Returns file name -> board."""
    return {path.name: json.loads(path.read_text()) for path in sorted(GRAFANA.glob("*.json"))}


def expressions() -> Iterator[tuple[str, str]]:
    """Yields (location, expression), with Grafana's own variables replaced."""
    for rule in alerts():
        yield rule["alert"], rule["expr"]
    for rule in rules():
        yield rule["record"], rule["expr"]
    for name, board in boards().items():
        for panel in board["panels"]:
            for target in panel.get("targets", ()):
                yield f"{name}: {panel['title']}", replaced(target["expr"])


def replaced(expression: str) -> str:
    """Returns the expression as Grafana sends it while all clusters are chosen."""
    return expression.replace("$__rate_interval", "1m").replace("$cluster", ".*")


def selectors(expression: str) -> list[str]:
    """Returns each series that an expression reads, with its label matchers."""
    found = []
    bare = re.sub(r"\b(by|without|on|ignoring)\s*\([^)]*\)|\[[^\]]*\]", " ", expression)
    for match in re.finditer(r"(?<![\w.])([a-zA-Z_:][\w:]*)\s*(\{[^}]*\})?(\s*\()?", bare):
        name, labels, call = match.groups()
        if not call and name.lower() not in _KEYWORDS and not _inside_labels(bare, match.start()):
            found.append(f"{name}{labels or ''}")
    return found


def _inside_labels(text: str, position: int) -> bool:
    return text[:position].count("{") > text[:position].count("}") or text[:position].count('"') % 2 == 1


def family(series: str) -> str:
    """Maps a histogram's series to the histogram; any other name is returned unchanged."""
    return re.sub(r"_(bucket|count|sum)$", "", series.partition("{")[0])


def named_in_docs() -> dict[str, set[str]]:
    """Returns page -> the series of provd that it names.

    Log events have similar names and do not count. An argument of `grep` may be a prefix.
    """
    events = set(log_events())
    return {
        str(path.relative_to(ROOT)): set(_OURS.findall(_without_greps(path.read_text()))) - events
        for path in PAGES
    }


def grepped_in_docs() -> set[str]:
    return {
        name
        for path in PAGES
        for line in path.read_text().splitlines()
        if "grep " in line
        for name in _OURS.findall(line)
    }


def _without_greps(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if "grep " not in line)
