"""The three lists of series, emitted, used and documented, and their differences, which must be empty."""

import re
import urllib.error
from dataclasses import dataclass, fields
from typing import Any

from provider_daemon.collector import measures as collector
from provider_daemon.gateway import measures as gateway
from provider_daemon.metrics.catalog import CATALOG, POOL_USERS, SSH_LOGIN_PROBLEM
from provider_daemon.mover import metrics as mover
from tests.observe.files import expressions, family, grepped_in_docs, named_in_docs, rules, selectors
from tests.observe.prometheus import Prometheus
from tests.unit.docs import log_events, page, table

# Prometheus's own, about each scrape and each alert.
SCRAPE = (
    "up",
    "scrape_duration_seconds",
    "scrape_samples_post_metric_relabeling",
    "scrape_samples_scraped",
    "scrape_series_added",
)
ALERTS = ("ALERTS", "ALERTS_FOR_STATE")
# Has no series while every login works; tests/unit/metrics/test_collector.py has one that fails.
FAULTS_ONLY = {SSH_LOGIN_PROBLEM.name}
# Has no series at a site without a pool of Unix users, as here; tests/unit/metrics/test_collector.py has one.
POOL_ONLY = {POOL_USERS.name}
# Emitted by other processes, which do not run here; unit tests compare their pages with these.
OTHERS = {each.name for each in (*gateway.FAMILIES, *mover.FAMILIES, *collector.FAMILIES)} - {
    each.name for each in CATALOG
}
ELSEWHERE = FAULTS_ONLY | POOL_ONLY | OTHERS
_TROUBLE = re.compile(r'provd_trouble\{what=~?"([a-z_|]+)"\}')


@dataclass(frozen=True, slots=True)
class Differences:
    """The differences. Each list is empty if all is well."""

    used_and_not_emitted: list[str]
    documented_and_not_emitted: list[str]
    emitted_and_not_documented: list[str]
    emitted_and_not_in_the_catalog: list[str]
    selectors_that_match_nothing: list[str]
    expressions_that_do_not_evaluate: list[str]
    rules_in_trouble: list[str]

    @property
    def count(self) -> int:
        return sum(len(getattr(self, each.name)) for each in fields(self))


async def differences(prometheus: Prometheus) -> Differences:
    emitted = {name for name in await prometheus.names() if name not in (*SCRAPE, *ALERTS)}
    recorded = {rule["record"] for rule in rules()}
    scraped = {family(name) if family(name) in _histograms() else name for name in emitted - recorded}
    used = {selector for _, text in expressions() for selector in selectors(text)}
    documented = documented_families()
    without_faults = {
        name for name in used if family(name) in ELSEWHERE or _names_events(name) or 'job="provd-' in name
    }
    return Differences(
        used_and_not_emitted=sorted(
            {name.partition("{")[0] for name in used if family(name) not in ELSEWHERE} - emitted - {"up"}
        ),
        documented_and_not_emitted=sorted(
            (documented | set().union(*named_in_docs().values())) - scraped - _parts(emitted) - ELSEWHERE
        ),
        emitted_and_not_documented=sorted(scraped - documented),
        emitted_and_not_in_the_catalog=sorted(
            name for name in scraped - {each.name for each in CATALOG} if name.startswith("provd")
        ),
        selectors_that_match_nothing=sorted(
            [name for name in used - without_faults if not await prometheus.seen(name)]
        )
        + sorted(name for name in grepped_in_docs() if not any(each.startswith(name) for each in emitted)),
        expressions_that_do_not_evaluate=[
            where for where, text in expressions() if not await _evaluates(prometheus, text)
        ],
        rules_in_trouble=_unhealthy(await prometheus.api("rules")),
    )


def _names_events(selector: str) -> bool:
    """Accepts selectors of ongoing problems by log event.

    A problem that does not exist now has no series; each value of the selector must then at least be a log
    event.
    """
    found = _TROUBLE.fullmatch(selector)
    return found is not None and set(found[1].split("|")) <= set(log_events())


def documented_families() -> set[str]:
    """Returns the first column of each table of docs/metrics.md with the heading `metric`."""
    parts = page("metrics.md").split("\n## ")
    return {row[0] for part in parts if "\n| metric |" in part for row in table(part, "metric")}


def _histograms() -> set[str]:
    return {each.name for each in CATALOG if each.buckets}


def _parts(emitted: set[str]) -> set[str]:
    """Returns the series of a histogram, which may be named separately."""
    return {name for name in emitted if family(name) in _histograms()}


async def _evaluates(prometheus: Prometheus, expression: str) -> bool:
    try:
        await prometheus.api("query", query=expression)
    except urllib.error.HTTPError:
        return False
    return True


def _unhealthy(answer: Any) -> list[str]:
    return [rule["name"] for group in answer["groups"] for rule in group["rules"] if rule["health"] != "ok"]
