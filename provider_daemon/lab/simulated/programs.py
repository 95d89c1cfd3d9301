"""The SLURM programs: arguments, stdin and environment in; stdout, stderr and exit code out."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from provider_daemon.lab.simulated import nodes, options, reservations, submission
from provider_daemon.lab.simulated.cluster import SimulatedCluster
from provider_daemon.lab.simulated.model import Failure, SimulatedJob
from provider_daemon.lab.simulated.queue import squeue
from provider_daemon.lab.simulated.records import sacct

UNREACHABLE = "Unable to contact slurm controller (connect failure)"
# Each program's error text and exit code if slurmctld does not answer.
_DOWN = {
    "sbatch": (f"sbatch: error: Batch job submission failed: {UNREACHABLE}\n", 1),
    "squeue": (f"slurm_load_jobs error: {UNREACHABLE}\n", 1),
    "scontrol": (f"slurm_load_node error: {UNREACHABLE}\n", 1),
    "scancel": (f"scancel: error: Kill job error on job id {{0}}: {UNREACHABLE}\n", 8),
    "sinfo": (f"slurm_load_partitions: {UNREACHABLE}\n", 1),
    "sdiag": (f"slurm_get_statistics: {UNREACHABLE}\n", 255),
}
LOST = "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation\n"
PROGRAMS = ("sbatch", "squeue", "sacct", "scontrol", "scancel", "sinfo", "sdiag", "sacctmgr")
_ASKED = ("squeue", "sacct", "scontrol", "sinfo", "sdiag", "sacctmgr")


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a program at the site."""

    program: str
    argv: tuple[str, ...]
    directory: str = "/"
    environment: dict[str, str] = field(default_factory=dict)
    stdin: bytes = b""


@dataclass(frozen=True, slots=True)
class Said:
    stdout: str = ""
    stderr: str = ""
    exit_code: int = 0


def answer(cluster: SimulatedCluster, call: Call, now: float) -> Said:
    if call.argv[:1] in (("--version",), ("-V",)):
        return Said(f"slurm-wlm {cluster.version}\n")
    try:
        if cluster.faults.slurmctld_down and call.program in _DOWN:
            text, code = _DOWN[call.program]
            raise Failure(text.format(next((word for word in call.argv if word.isdecimal()), "")), code)
        if call.program in cluster.faults.exit_0_failure:
            return Said("\n", f"{call.program}: error: Invalid user: {cluster.uid}\n")
        return _among_banners(cluster.faults.banner, call.program, _run(cluster, call, now))
    except Failure as failure:
        return Said(stderr=failure.text, exit_code=failure.code)


def _among_banners(banner: str, program: str, said: Said) -> Said:
    return (
        Said(banner + said.stdout + banner, said.stderr, said.exit_code)
        if banner and program in _ASKED
        else said
    )


def _run(cluster: SimulatedCluster, call: Call, now: float) -> Said:
    if call.program == "sbatch":
        return _sbatch(cluster, call, now)
    asked, words = options.read(call.program, call.argv)
    if call.program == "squeue":
        return Said(squeue(cluster, asked, call.environment, now))
    if call.program == "sacct":
        return Said(sacct(cluster, asked, call.environment, now))
    if call.program == "sacctmgr":
        return Said(nodes.database(cluster))
    if call.program == "scancel":
        return _scancel(cluster, words, asked, cluster.asker(call.environment), now)
    if call.program == "sdiag":
        return Said(nodes.sdiag(cluster))
    return (
        Said(nodes.sinfo(cluster, asked)) if call.program == "sinfo" else _scontrol(cluster, words, call, now)
    )


def _sbatch(cluster: SimulatedCluster, call: Call, now: float) -> Said:
    given, _ = submission.options(call.argv)
    asker = cluster.asker(call.environment)
    request = submission.request(call.argv, call.stdin, call.directory, call.environment)
    job = cluster.submit(replace(request, user="" if asker == cluster.user else asker), now)
    if cluster.faults.sbatch_lost > 0:
        cluster.faults.sbatch_lost -= 1
        return Said(stderr=LOST, exit_code=1)
    return Said(f"{job.id}\n" if "parsable" in given else f"Submitted batch job {job.id}\n")


def _scancel(
    cluster: SimulatedCluster, words: list[str], asked: options.Options, asker: str, now: float
) -> Said:
    for word in words:
        if not word.isdecimal():
            raise Failure(f"scancel: error: Invalid job id {word}\n")
    name = asked.get("name")
    for job in cluster.found(words) if words else cluster.jobs.values():
        if name in (None, job.request.name) and cluster.visible(job, asker):
            cluster.cancel(job, now)
    return Said()


def _scontrol(cluster: SimulatedCluster, words: list[str], call: Call, now: float) -> Said:
    verb, *rest = words or [""]
    if verb == "ping":
        return Said("Slurmctld(primary) at localhost is UP\n")
    if verb == "show" and rest[:1] == ["node"]:
        return _show_nodes(cluster, rest[1:])
    if verb == "show" and rest[:1] == ["reservation"]:
        return Said("".join(map(reservations.show, cluster.reservations)) or f"{reservations.NONE}\n")
    if verb == "update":
        return _update(
            cluster, {name.lower(): value for name, value in (word.split("=", 1) for word in rest)}, now
        )
    if (verb, rest[:1]) == ("write", ["batch_script"]):
        return _write_script(cluster, rest[1:2], cluster.asker(call.environment))
    actions: dict[str, Callable[[SimulatedJob], None]] = {
        "requeue": lambda job: cluster.requeue(job, now),
        "suspend": lambda job: cluster.suspend(job, now),
        "resume": lambda job: cluster.resume(job, now),
        "hold": lambda job: cluster.hold(job, now, held=True),
        "release": lambda job: cluster.hold(job, now, held=False),
    }
    if verb not in actions:
        raise Failure(f"invalid keyword: {verb}\n")
    jobs = cluster.found(rest)
    if not jobs:
        raise Failure("Invalid job id specified\n")
    for job in jobs:
        actions[verb](job)
    return Said()


def _show_nodes(cluster: SimulatedCluster, names: list[str]) -> Said:
    if names and names[0] not in cluster.nodes:
        raise Failure(f"Node {names[0]} not found\n")
    return Said(
        "".join(
            nodes.show(cluster, node) for node in cluster.nodes.values() if not names or node.name == names[0]
        )
    )


def _write_script(cluster: SimulatedCluster, ids: list[str], asker: str) -> Said:
    """Prints the batch script to standard output: `-` is the only file that callers name.

    Only the owner gets it, not the coordinator of the account.
    """
    for job in cluster.found(ids):
        if cluster.owner(job) != asker:
            return Said(stderr="job script retrieval failed: Invalid user id\n")
        return Said(job.request.script.decode())
    raise Failure("job script retrieval failed: Invalid job id specified\n")


def _update(cluster: SimulatedCluster, asked: dict[str, str], now: float) -> Said:
    if "jobid" not in asked:
        return _update_node(cluster, asked)
    jobs = cluster.found([asked["jobid"]])
    if not jobs:
        raise Failure("Invalid job id specified\n")
    for job in jobs:
        cluster.rename(job, asked["jobname"], now)
    return Said()


def _update_node(cluster: SimulatedCluster, asked: dict[str, str]) -> Said:
    node = cluster.nodes.get(asked["nodename"])
    if node is None:
        raise Failure("slurm_update error: Invalid node name specified\n")
    state = asked.get("state", "").upper()
    if state == "DOWN":
        cluster.fail_node(node.name, asked.get("reason", ""))
    elif state in ("DRAIN", "RESUME", "UNDRAIN"):
        node.state, node.reason = ("DRAIN", asked.get("reason", "")) if state == "DRAIN" else ("", "")
    return Said()
