"""What the boards add to an expression: the chosen cluster, whole coins, and a description."""

import re
from collections.abc import Iterable

import yaml

from provider_daemon.collector import measures as collector
from provider_daemon.gateway import measures as gateway
from provider_daemon.metrics import catalog
from provider_daemon.metrics.catalog import Family
from provider_daemon.mover import metrics as mover
from tools import ROOT
from tools.metrics_reference import PROCESS

FAMILIES: dict[str, Family] = {
    each.name: each
    for module in (catalog, gateway, mover, collector)
    for each in vars(module).values()
    if isinstance(each, Family)
}
RULES: dict[str, str] = {
    rule["record"]: rule["expr"]
    for group in yaml.safe_load((ROOT / "deploy/prometheus/rules.yaml").read_text())["groups"]
    for rule in group["rules"]
}
CHOSEN = 'cluster=~"$cluster"'
COIN = 1_000_000  # of the chain's units in one coin: 1 VIRT is 1000000 uvirt
_SERIES = re.compile(r"\b((?:\w+:)?provd\w*(?::\w+)*)(\{[^}]*\})?")
_PARTS = ("_bucket", "_count", "_sum")


def of_clusters(expression: str) -> str:
    """Limits every series that has the label `cluster` to the cluster that is chosen on the board."""

    def limited(match: re.Match[str]) -> str:
        name, labels = match.group(1), (match.group(2) or "{}")[1:-1]
        if not _has_cluster(name):
            return match.group(0)
        return f"{name}{{{', '.join(filter(None, (labels, CHOSEN)))}}}"

    return _SERIES.sub(limited, expression)


def in_coins(expression: str) -> str:
    """Returns an amount in whole coins, with the label `coin`: the denom without its u."""
    return f'label_replace(({expression}) / {COIN}, "coin", "$1", "denom", "u(.+)")'


def described(expressions: Iterable[str]) -> str:
    """Returns the help texts of the metrics that the expressions read, once each."""
    found = [help_text for text in expressions for help_text in _helps(text)]
    return " ".join(dict.fromkeys(found))


def _helps(expression: str) -> list[str]:
    own = [FAMILIES[name].help for name in _families(expression)]
    return own + [PROCESS[name] for name in re.findall(r"\bprocess_\w+", expression)]


def _families(expression: str) -> list[str]:
    found: list[str] = []
    for match in _SERIES.finditer(expression):
        name = match.group(1)
        found += _families(RULES[name]) if name in RULES else filter(None, [_family(name)])
    return found


def _family(series: str) -> str:
    """Returns the family of a series; "" for one that is not provd's own."""
    names = (series, *(series.removesuffix(part) for part in _PARTS))
    return next((name for name in names if name in FAMILIES), "")


def _has_cluster(series: str) -> bool:
    if series in RULES:
        return series.startswith("cluster")
    return "cluster" in FAMILIES[name].labels if (name := _family(series)) else False
