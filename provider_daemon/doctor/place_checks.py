"""Where jobs run: partitions, submission, the shared directory, launchers. Pure: each check takes a Site; see docs/doctor.md."""

from provider_daemon.doctor.facts import Site
from provider_daemon.doctor.finding import Finding, Unknown, fail, judge, known, ok, skipped, warn

# stat's words for file systems that other hosts see too.
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


def targets(site: Site) -> dict[str, str]:
    """Chain queue -> partition, or several separated by commas, of every queue that is sold or configured."""
    queues = {queue.partition for each in known(site.offered) if each.offering.active for queue in each.offering.queues}
    return {queue: site.config.partitions.get(queue, queue) for queue in sorted(queues | set(site.config.partitions))}


def partitions(site: Site) -> Finding:
    """Whether the partition behind each queue that is sold exists."""
    there = {each.name for each in known(site.slurm.partitions)}
    wanted = targets(site)
    missing = [f"{queue} -> {one}" for queue, listed in wanted.items() for one in listed.split(",") if one not in there]
    seen = f"{len(wanted)} queues, SLURM has {', '.join(sorted(there))}"
    return judge(not missing, f"{seen}; missing: {', '.join(missing)}" if missing else seen, "correct clusters.partitions, or the offering")


def partitions_up(site: Site) -> Finding:
    """The state of those partitions."""
    wanted = {one for listed in targets(site).values() for one in listed.split(",")}
    down = [f"{each.name} {each.state}" for each in known(site.slurm.partitions) if each.name in wanted and each.state != "UP"]
    return judge(not down, ", ".join(down) or f"{len(wanted)} up", "scontrol update partition=NAME state=up, or stop selling the queue")


def submission(site: Site) -> Finding:
    """sbatch --test-only with the header of a smallest job of each queue that is sold."""
    trials = known(site.slurm.trials)
    if not trials:
        return skipped("no queue is sold whose partition is there and up")
    refused = [f"{queue}: {said}" for queue, (taken, said) in trials.items() if not taken]
    return judge(
        not refused,
        "; ".join(refused) or f"SLURM would take a job in each of {len(trials)} queues",
        "read SLURM's words: account, partition, QOS or limits of our user",
    )


def work_root(site: Site) -> Finding:
    """Whether a directory can be made in work_root on the login node."""
    found = known(site.slurm.work_root)
    path = site.config.work_root
    return judge(not found.problem, found.problem or f"{path} can be written", f"make {path} and give it to our user")


def work_root_shared(site: Site) -> Finding:
    """Whether the compute nodes see work_root too, by its type of file system or because they are this very host."""
    found = known(site.slurm.work_root)
    hosts = known(site.slurm.node_hosts)
    seen = f"{found.file_system or 'unknown'} file system"
    if found.file_system in SHARED:
        return ok(seen)
    if hosts <= {found.host, found.host.partition(".")[0]}:
        return ok(f"{seen}, and every node is on this host")
    return warn(seen, "put work_root on a file system that login and compute nodes share, unless it is one that stat does not name")


def work_root_space(site: Site) -> Finding:
    """Free space of work_root's file system."""
    free = known(site.slurm.work_root).free_bytes
    seen = f"{free / 1024**3:.1f} GiB free"
    return ok(seen) if free >= FREE_BYTES else warn(seen, "make room: jobs write there, and scripts are put there before submission")


def launchers(site: Site) -> Finding:
    """Whether the first program of each [[clusters.images]] is found on the login node."""
    wanted = sorted({image.run[0] for image in site.config.images if image.run})
    missing = [name for name in wanted if name not in known(site.slurm.programs)]
    if not missing:
        return ok(f"{len(wanted)} found" if wanted else "images run natively")
    seen = f"not found: {', '.join(missing)}"
    if site.config.prologue:
        return warn(seen, "see that the prologue brings them into the job's PATH")
    return fail(seen, "install them, give their whole path, or load their module in clusters.prologue")


def templates(site: Site) -> Finding:
    """Whether each allowed workload template is there, approved and signed by somebody trusted."""
    if isinstance(site.templates, Unknown):
        return fail(site.templates.why, "correct clusters.templates, or sign it again: provd template sign")
    return ok(f"{len(site.templates)} allowed, all verified")
