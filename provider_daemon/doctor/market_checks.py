"""The cluster on chain and what it offers, against SLURM and provd.toml. Pure: each check takes a Site; see docs/doctor.md."""

from fnmatch import fnmatchcase

from provider_daemon.doctor.facts import Offered, Site
from provider_daemon.doctor.finding import Finding, Unknown, judge, known, ok, skipped, warn
from provider_daemon.doctor.place_checks import targets
from provider_daemon.ports import Cluster
from provider_daemon.slurm.settings import Partition

LANDS_SECONDS = 10  # from a heartbeat to the block that holds it


class NoClusterError(Exception):
    """The chain has no such cluster: one check says so, the others wait."""


def _record(site: Site) -> Cluster:
    record = known(site.record)
    if record is None:
        raise NoClusterError
    return record


def _sold(site: Site) -> list[Offered]:
    _record(site)
    return [each for each in known(site.offered) if each.offering.active]


def cluster(site: Site) -> Finding:
    """Whether the chain has the cluster."""
    found = known(site.record)
    todo = "register it (provd tx hpc register-cluster), or correct clusters.id"
    return judge(found is not None, f"cluster {site.config.id}" + ("" if found else " is not on chain"), todo)


def owner(site: Site) -> Finding:
    """Whether the cluster belongs to the configured key's address."""
    record, address = _record(site), known(site.address)
    seen = f"owned by {record.provider}" + ("" if record.provider == address else f", our key is {address}")
    return judge(record.provider == address, seen, "name the owner's key in clusters.key: the chain takes no report from another")


def active(site: Site) -> Finding:
    """Whether the cluster takes jobs."""
    state = _record(site).state
    todo = "provd tx hpc update-cluster with state active; the daemon itself only brings back one that is offline"
    return judge(state == "active", f"it is {state}", todo)


def total_nodes(site: Site) -> Finding:
    """The cluster's total_nodes against the nodes that SLURM has."""
    said, there = _record(site).total_nodes, len(known(site.slurm.nodes))
    seen = f"{said} on chain, {there} in SLURM"
    return ok(seen) if said == there else warn(seen, f"provd tx hpc update-cluster with total_nodes {there}")


def offerings(site: Site) -> Finding:
    """How many active offerings the cluster has."""
    sold = _sold(site)
    seen = f"{len(sold)} of {len(known(site.offered))} active"
    return ok(seen) if sold else warn(seen, "make one (provd tx hpc create-offering): nobody can order a job")


def offering_limits(site: Site) -> Finding:
    """Nodes and run time that offerings promise, against partitions and [clusters.limits]."""
    places = {each.name: each for each in known(site.slurm.partitions)}
    names = targets(site)
    broken = [text for each in _sold(site) for text in _promises(site, each, names, places)]
    seen = "; ".join(broken) or f"{len(_sold(site))} offerings promise what can be had"
    return (
        ok(seen) if not broken else warn(seen, "lower the offering's limits, or raise the partition's or clusters.limits: such jobs fail")
    )


def _promises(site: Site, offered: Offered, names: dict[str, str], places: dict[str, Partition]) -> list[str]:
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
                broken.append(f"{where}: {said} {what} promised, {ceiling} to be had")
    return broken


def _least(*ceilings: int) -> int:
    """0 means none."""
    return min(filter(None, ceilings), default=0)


def offering_workloads(site: Site) -> Finding:
    """Whether each preconfigured workload of an offering can be run: by an allowed template or by an image's launcher."""
    if isinstance(site.templates, Unknown):
        return skipped("the templates do not verify", "slurm-templates")
    workloads = [item for each in _sold(site) for item in each.offering.preconfigured]
    patterns = [image.pattern for image in site.config.images]
    lost = sorted(
        item.workload_id
        for item in workloads
        if item.workload_id not in site.templates and not any(fnmatchcase(item.image, pattern) for pattern in patterns)
    )
    seen = f"cannot be run: {', '.join(lost)}" if lost else f"{len(workloads)} preconfigured workloads"
    return judge(not lost, seen, "allow the template (clusters.templates.allowed), or give its image a pattern in [[clusters.images]]")


def parameters(site: Site) -> Finding:
    """The chain's live parameters, against clusters.heartbeat_seconds and the run times that offerings promise."""
    sold, said = _sold(site), known(site.parameters)
    longest, timeout, period = said.max_job_duration, said.node_heartbeat_timeout, site.config.heartbeat_seconds
    broken = [
        f"{each.offering.offering_id}: {each.max_runtime} s promised, the chain ends every job after {longest} s"
        for each in sold
        if 0 < longest < each.max_runtime
    ]
    if 0 < timeout < period + LANDS_SECONDS:
        broken.append(f"a heartbeat every {period:g} s, nodes go stale after {timeout} s")
    seen = "; ".join(broken) or f"nodes go stale after {timeout} s, jobs end after {longest} s"
    return ok(seen) if not broken else warn(seen, "lower the offering's max_runtime_seconds, or clusters.heartbeat_seconds")
