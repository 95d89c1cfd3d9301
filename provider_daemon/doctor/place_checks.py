"""Checks of partitions, submission, work_root and launchers. Pure; first lines are in docs/doctor.md."""

from provider_daemon.doctor.facts import SiteFacts
from provider_daemon.doctor.finding import Finding, Unknown, fail, judge, known, ok, skipped, warn
from provider_daemon.slurm.launchers import needed

# stat's names of file systems that hosts can share.
SHARED = frozenset(
    {
        "nfs",
        "nfs4",
        "lustre",
        "gpfs",
        "beegfs",
        "fhgfs",
        "ceph",
        "afs",
        "cifs",
        "smb2",
        "ocfs2",
        "gfs/gfs2",
        "panfs",
        "v9fs",
        "fuseblk",
        "fuse",
        "wekafs",
    }
)
FREE_BYTES = 10 * 1024**3


def targets(site: SiteFacts) -> dict[str, str]:
    """Maps every queue sold or configured to its partition, or to several separated by commas."""
    queues = {
        queue.partition
        for each in known(site.offered)
        if each.offering.active
        for queue in each.offering.queues
    }
    return {
        queue: site.config.partitions.get(queue, queue)
        for queue in sorted(queues | set(site.config.partitions))
    }


def partitions(site: SiteFacts) -> Finding:
    """The partition of every offered queue exists."""
    there = {each.name for each in known(site.slurm.partitions)}
    wanted = targets(site)
    missing = [
        f"{queue} -> {one}"
        for queue, listed in wanted.items()
        for one in listed.split(",")
        if one not in there
    ]
    seen = f"{len(wanted)} queues; SLURM has partitions {', '.join(sorted(there))}"
    return judge(
        not missing,
        f"{seen}; missing: {', '.join(missing)}" if missing else seen,
        "correct clusters.partitions or the offering",
    )


def partitions_up(site: SiteFacts) -> Finding:
    """The partition of every offered queue is up."""
    wanted = {one for listed in targets(site).values() for one in listed.split(",")}
    down = [
        f"partition {each.name} is {each.state}"
        for each in known(site.slurm.partitions)
        if each.name in wanted and each.state != "UP"
    ]
    return judge(
        not down,
        ", ".join(down) or f"{len(wanted)} partitions are up",
        "run `scontrol update partition=NAME state=up`, or remove the queue from the offering",
    )


def submission(site: SiteFacts) -> Finding:
    """`sbatch --test-only` accepts a minimal job in every offered queue."""
    trials = known(site.slurm.trials)
    if not trials:
        return skipped("no offered queue has a partition that exists and is up")
    refused = [f"{queue}: {said}" for queue, (taken, said) in trials.items() if not taken]
    return judge(
        not refused,
        "; ".join(refused) or f"SLURM accepts a test job in each of {len(trials)} queues",
        "check account, partition, QOS and limits of provd's user against SLURM's message above",
    )


def work_root(site: SiteFacts) -> Finding:
    """provd can create a directory in work_root on the login node."""
    found = known(site.slurm.work_root)
    path = site.config.work_root
    return judge(
        not found.problem,
        found.problem or f"{path} is writable",
        f"create {path} and make provd's SLURM user its owner",
    )


def work_root_shared(site: SiteFacts) -> Finding:
    """work_root is on a file system that the compute nodes share."""
    found = known(site.slurm.work_root)
    hosts = known(site.slurm.node_hosts)
    seen = f"{found.file_system or 'unknown'} file system"
    if found.file_system in SHARED:
        return ok(seen)
    if hosts <= {found.host, found.host.partition(".")[0]}:
        return ok(f"{seen}, and every node is the login node itself")
    return warn(
        seen,
        "check that login and compute nodes share this file system; if not, move work_root to one that they "
        "share",
    )


def work_root_space(site: SiteFacts) -> Finding:
    """Free space on work_root's file system."""
    free = known(site.slurm.work_root).free_bytes
    seen = f"{free / 1024**3:.1f} GiB free"
    return (
        ok(seen)
        if free >= FREE_BYTES
        else warn(seen, "free space: provd writes job scripts there, and jobs their output")
    )


def launchers(site: SiteFacts) -> Finding:
    """The launcher program of every [[clusters.images]] is found on the login node."""
    wanted = sorted({needed(image.launcher, image.run) for image in site.config.images} - {""})
    missing = [name for name in wanted if name not in known(site.slurm.programs)]
    if not missing:
        return ok(
            f"{len(wanted)} launchers found" if wanted else "no launcher configured: images run natively"
        )
    seen = f"not found: {', '.join(missing)}"
    if site.config.prologue:
        return warn(seen, "check that clusters.prologue adds them to the job's PATH")
    return fail(
        seen, "install them, configure their absolute path, or load their module in clusters.prologue"
    )


def templates(site: SiteFacts) -> Finding:
    """Every allowed workload template exists, is approved and has a trusted signature."""
    if isinstance(site.templates, Unknown):
        return fail(
            site.templates.why,
            "correct clusters.templates, or sign the template again with `provd template sign`",
        )
    return ok(f"{len(site.templates)} templates are allowed, all verified")
