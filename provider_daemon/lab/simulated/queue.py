"""The program squeue."""

import re
from collections.abc import Callable, Mapping

from provider_daemon.lab.simulated.amounts import memory, moment, node_list, short_elapsed, tres
from provider_daemon.lab.simulated.cluster import SimulatedCluster
from provider_daemon.lab.simulated.model import SHORT_STATES, Failure, SimulatedJob
from provider_daemon.lab.simulated.options import Options, split

_DEFAULT = "%.18i %.9P %.8j %.8u %.2t %.10M %.6D %R"
_FIELD = re.compile(r"%(\.?)(\d*)([A-Za-z+])")
_TITLES = {
    "i": "JOBID", "A": "JOBID", "P": "PARTITION", "j": "NAME", "u": "USER", "t": "ST", "T": "STATE",
    "M": "TIME", "D": "NODES",
    "R": "NODELIST(REASON)", "r": "REASON", "V": "SUBMIT_TIME", "S": "START_TIME", "e": "END_TIME",
    "N": "NODELIST", "a": "ACCOUNT",
    "q": "QOS", "k": "COMMENT", "l": "TIME_LIMIT", "C": "CPUS", "m": "MIN_MEMORY", "U": "UID",
    "Z": "WORK_DIR", "Q": "PRIORITY",
    "+": "TRES_ALLOC",
}  # fmt: skip
# Names of --Format -> the letter of --format; `+` has none there.
_LONG = {
    "jobid": "A", "state": "T", "submittime": "V", "starttime": "S", "endtime": "e", "timeused": "M",
    "tres-alloc": "+", "reason": "r",
    "name": "j", "username": "u",
}  # fmt: skip
_LIVE = frozenset({"PD", "R", "S", "CG", "CF"})


def squeue(cluster: SimulatedCluster, asked: Options, environment: Mapping[str, str], now: float) -> str:
    form = _short(asked["Format"]) if "Format" in asked else asked.get("format", _DEFAULT)
    header = "" if "noheader" in asked else _line(form, lambda letter: _TITLES.get(letter, "")) + "\n"
    jobs = _chosen(cluster, asked, cluster.asker(environment))
    return header + "".join(
        _line(form, lambda letter, job=job: _value(cluster, job, letter, environment, now)) + "\n"  # type: ignore[misc]
        for job in jobs
    )


def _short(form: str) -> str:
    """Converts `JobID:|,Name:|` to `%A|%j|`. Without a size SLURM prints each field at its full length."""
    fields = [field.partition(":") for field in form.split(",")]
    unknown = next((name for name, _, _ in fields if name.lower() not in _LONG), None)
    if unknown is not None:
        raise Failure(f"squeue: error: Invalid job format specification: {unknown}\n")
    return "".join(f"%{_LONG[name.lower()]}{suffix}" for name, _, suffix in fields)


def _chosen(cluster: SimulatedCluster, asked: Options, asker: str) -> list[SimulatedJob]:
    jobs = [job for job in cluster.jobs.values() if cluster.visible(job, asker)]
    if "me" in asked:
        jobs = [job for job in jobs if cluster.owner(job) == asker]
    if "account" in asked:
        accounts = split(asked["account"])
        jobs = [job for job in jobs if (job.request.account or cluster.account) in accounts]
    if "jobs" in asked:
        ids = split(asked["jobs"])
        jobs = cluster.found(ids)
        if not jobs and len(ids) == 1:
            raise Failure("slurm_load_jobs error: Invalid job id specified\n")
    if "name" in asked:
        names = split(asked["name"])
        jobs = [job for job in jobs if job.request.name in names]
    if "user" in asked:
        jobs = [job for job in jobs if cluster.owner(job) in split(asked["user"])]
    states = split(asked.get("states", ""))
    if states == ["all"]:
        return jobs
    wanted = {SHORT_STATES.get(state.upper(), state.upper()) for state in states} or _LIVE
    return [job for job in jobs if SHORT_STATES[job.state] in wanted]


def _line(form: str, value: Callable[[str], str]) -> str:
    def field(found: re.Match[str]) -> str:
        right, width, letter = found.groups()
        text = value(letter)
        return (
            text
            if not width
            else text[: int(width)].rjust(int(width))
            if right
            else text[: int(width)].ljust(int(width))
        )

    return _FIELD.sub(field, form)


def _value(
    cluster: SimulatedCluster, job: SimulatedJob, letter: str, environment: Mapping[str, str], now: float
) -> str:
    request, place = job.request, node_list(job.nodes)
    limit = 60 * cluster.minutes(job)
    expected = None if job.started_at is None else job.ended_at or job.started_at + limit
    return {
        "i": str(job.id),
        "A": str(job.id),
        "P": cluster.partition_of(job).name,
        "j": request.name,
        "u": cluster.owner(job),
        "U": str(cluster.uid),
        "t": SHORT_STATES[job.state],
        "T": job.state,
        "M": short_elapsed(job.elapsed(now)),
        "D": str(request.nodes),
        "R": place or f"({job.reason})",
        "r": job.reason,
        "V": moment(job.submitted_at, environment, "N/A"),
        "S": moment(job.started_at, environment, "N/A"),
        "e": moment(expected, environment, "N/A"),
        "N": place,
        "a": request.account or cluster.account,
        "q": request.qos,
        "k": request.comment or "(null)",
        "l": short_elapsed(limit),
        "C": str(request.cpus * request.nodes),
        "m": memory(request.mebibytes),
        "Z": request.directory,
        "Q": "1",
        "+": tres(job, request.gpu_type or next(iter(cluster.nodes.values())).gpu_type, convert=True),
    }.get(letter, "N/A")
