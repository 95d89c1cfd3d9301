"""The customers' policy of a cluster now: that of the configuration, and what operators decided since."""

from collections.abc import Iterable
from dataclasses import replace

from provider_daemon.job.customer_limits import CustomerPolicy
from provider_daemon.ledger import meta
from provider_daemon.ledger.customer_rules import Access, CustomerRule, all_rules
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.loops.cluster import ServedCluster


def current(ledger: Ledger, served: ServedCluster) -> CustomerPolicy:
    pause = ledger.get(meta.pause(served.cluster_id))
    decided = with_rules(served.customers, all_rules(ledger))
    return replace(decided, paused=pause is not None and not pause.over)


def with_rules(policy: CustomerPolicy, rules: Iterable[CustomerRule]) -> CustomerPolicy:
    """Returns the policy with the operators' rules.

    Who is blocked in either is refused. Where the configuration accepts listed customers only, those whom
    operators allowed are accepted too.
    """
    known = list(rules)
    blocked = {rule.customer: rule.reason for rule in known if rule.access is Access.BLOCKED}
    allowed = {rule.customer: rule.reason for rule in known if rule.access is Access.ALLOWED}
    limited = {
        rule.customer: replace(policy.of(rule.customer), **rule.limits)  # type: ignore[arg-type]
        for rule in known
        if rule.limits
    }
    return replace(
        policy,
        blocked={**blocked, **policy.blocked},
        allowed={**allowed, **policy.allowed} if policy.allowed else {},
        exceptions={**policy.exceptions, **limited},
    )
