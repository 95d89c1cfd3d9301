"""Checks of the cluster on chain and its offerings. Pure; first lines are in docs/doctor.md."""

from fnmatch import fnmatchcase

from provider_daemon.chain import bech32
from provider_daemon.doctor.facts import Offered, SiteFacts
from provider_daemon.doctor.finding import Finding, Unknown, fail, judge, known, ok, skipped, warn
from provider_daemon.doctor.place_checks import targets
from provider_daemon.ports import Cluster
from provider_daemon.slurm.parse_config import Partition

LANDS_SECONDS = 10  # from a heartbeat to the block that contains it


class NoClusterError(Exception):
    """The cluster is not on chain: market-cluster fails, the other checks are skipped."""


def _record(site: SiteFacts) -> Cluster:
    record = known(site.record)
    if record is None:
        raise NoClusterError
    return record


def _sold(site: SiteFacts) -> list[Offered]:
    _record(site)
    return [each for each in known(site.offered) if each.offering.active]


def cluster(site: SiteFacts) -> Finding:
    """The cluster is registered on chain."""
    found = known(site.record)
    todo = "register it with `provd tx hpc register-cluster`, or correct clusters.id"
    return judge(found is not None, f"cluster {site.config.id} is {'' if found else 'not '}on chain", todo)


def owner(site: SiteFacts) -> Finding:
    """The configured key owns the cluster on chain."""
    record, address = _record(site), known(site.address)
    seen = f"the owner is {record.provider}" + (
        "" if record.provider == address else f", the configured key is {address}"
    )
    return judge(
        record.provider == address,
        seen,
        "set clusters.key to the owner's key: the chain rejects reports signed by another",
    )


def active(site: SiteFacts) -> Finding:
    """The cluster is active and accepts jobs."""
    state = _record(site).state
    todo = (
        "set it to active with `provd tx hpc update-cluster`; the daemon reactivates only clusters that "
        "are offline"
    )
    return judge(state == "active", f"the cluster is {state}", todo)


def total_nodes(site: SiteFacts) -> Finding:
    """The cluster's total_nodes on chain equals the number of SLURM nodes."""
    said, there = _record(site).total_nodes, len(known(site.slurm.nodes))
    seen = f"{said} nodes on chain, {there} in SLURM"
    return (
        ok(seen)
        if said == there
        else warn(seen, f"set total_nodes to {there} with `provd tx hpc update-cluster`")
    )


def offerings(site: SiteFacts) -> Finding:
    """The cluster has an active offering."""
    sold = _sold(site)
    seen = f"{len(sold)} of {len(known(site.offered))} offerings are active"
    return (
        ok(seen)
        if sold
        else warn(
            seen, "create one with `provd tx hpc create-offering`: customers cannot order jobs without one"
        )
    )


def offering_limits(site: SiteFacts) -> Finding:
    """The nodes and run times of the offerings fit the partitions and [clusters.limits]."""
    places = {each.name: each for each in known(site.slurm.partitions)}
    names = targets(site)
    broken = [text for each in _sold(site) for text in _promises(site, each, names, places)]
    seen = "; ".join(broken) or f"{len(_sold(site))} offerings are within the limits"
    return (
        ok(seen)
        if not broken
        else warn(
            seen,
            (
                "lower the offering's limits, or raise those of the partition or of clusters.limits; jobs "
                "between the two are refused"
            ),
        )
    )


def _promises(
    site: SiteFacts, offered: Offered, names: dict[str, str], places: dict[str, Partition]
) -> list[str]:
    limits, broken = site.config.limits, list[str]()
    for queue in offered.offering.queues:
        place = places.get(names[queue.partition])
        if place is None:
            continue
        seconds = queue.max_runtime or offered.max_runtime
        where = f"{offered.offering.offering_id} {queue.partition}"
        for what, said, ceiling in (
            ("nodes", queue.max_nodes, _least(place.nodes, place.max_nodes, limits.max_nodes)),
            ("seconds", seconds, _least(place.max_seconds, limits.max_runtime_seconds)),
        ):
            if ceiling and said > ceiling:
                broken.append(f"{where}: offers {said} {what}, but the limit is {ceiling}")
    return broken


def _least(*ceilings: int) -> int:
    """Returns the lowest limit; 0 means no limit."""
    return min(filter(None, ceilings), default=0)


def offering_workloads(site: SiteFacts) -> Finding:
    """An allowed template or a launcher exists for every preconfigured workload of the offerings."""
    if isinstance(site.templates, Unknown):
        return skipped("the templates could not be verified", "slurm-templates")
    workloads = [item for each in _sold(site) for item in each.offering.preconfigured]
    patterns = [image.pattern for image in site.config.images]
    lost = sorted(
        item.workload_id
        for item in workloads
        if item.workload_id not in site.templates
        and not any(fnmatchcase(item.image, pattern) for pattern in patterns)
    )
    seen = (
        f"no template or launcher for: {', '.join(lost)}"
        if lost
        else f"{len(workloads)} preconfigured workloads can run"
    )
    return judge(
        not lost,
        seen,
        ("add the template to clusters.templates.allowed, or a pattern for its image to [[clusters.images]]"),
    )


def parameters(site: SiteFacts) -> Finding:
    """clusters.heartbeat_seconds and the offerings' run times fit the chain's parameters."""
    sold, said = _sold(site), known(site.parameters)
    longest, timeout, period = (
        said.max_job_duration,
        said.node_heartbeat_timeout,
        site.config.heartbeat_seconds,
    )
    broken = [
        (
            f"{each.offering.offering_id}: offers {each.max_runtime} s, but the chain ends every job "
            f"after {longest} s"
        )
        for each in sold
        if 0 < longest < each.max_runtime
    ]
    if 0 < timeout < period + LANDS_SECONDS:
        broken.append(f"heartbeats are sent every {period:g} s, but nodes go stale after {timeout} s")
    seen = "; ".join(broken) or f"nodes go stale after {timeout} s, jobs end after {longest} s"
    return (
        ok(seen)
        if not broken
        else warn(seen, "lower the offering's max_runtime_seconds or clusters.heartbeat_seconds")
    )


def customers(site: SiteFacts) -> Finding:
    """The addresses in [customers] are valid, and the provider's own is not blocked."""
    lists, own = site.customers, known(site.address)
    if own in lists.blocked:
        return warn(f"{own} is blocked and is the provider's own", "remove it from customers.blocked")
    if without := [address for address in lists.exceptions if address in lists.blocked]:
        return warn(
            f"{without[0]} is blocked and has limits of its own", "remove it from one of the two tables"
        )
    for address in (*lists.blocked, *lists.allowed, *lists.exceptions):
        try:
            bech32.decode(address)
        except ValueError as error:
            return fail(str(error), "correct the address in [customers]: no account can have it")
    counts = (
        f"{len(lists.blocked)} blocked, {len(lists.allowed)} allowed, {len(lists.exceptions)} with own limits"
    )
    return ok(counts)
