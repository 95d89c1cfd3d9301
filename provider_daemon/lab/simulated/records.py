"""The program sacct."""

from collections.abc import Iterator, Mapping

from provider_daemon.lab.simulated.accounting import Search
from provider_daemon.lab.simulated.amounts import long_elapsed, moment, node_list, tres
from provider_daemon.lab.simulated.cluster import SimulatedCluster
from provider_daemon.lab.simulated.model import Failure, SimulatedJob
from provider_daemon.lab.simulated.options import Options, split

_DEFAULT = "JobID,JobName,Partition,Account,AllocCPUS,State,ExitCode"
_DAY = 86400


def sacct(cluster: SimulatedCluster, asked: Options, environment: Mapping[str, str], now: float) -> str:
    if cluster.faults.slurmdbd_down:
        raise Failure("sacct: error: Problem talking to the database: Connection refused\n")
    if cluster.faults.query_range and "jobs" not in asked:
        searched = _search(asked, now)
        if searched.end - searched.start >= cluster.faults.query_range:
            raise Failure("sacct: error: Too wide of a date range in query\n", 95)
    fields, mark = split(asked.get("format", _DEFAULT)), asked.get("delimiter", "|")
    lines = [] if "noheader" in asked else [fields]
    for record in _visible(cluster, asked, cluster.asker(environment), now):
        allocation = _values(cluster, record, environment, now, convert="noconvert" not in asked)
        lines.append(_line(fields, allocation))
        if "allocations" not in asked and record.nodes:
            lines.append(_line(fields, {**allocation, **_batch_step(record)}))
    end = mark if "parsable" in asked else ""
    return "".join(f"{mark.join(line)}{end}\n" for line in lines)


def _visible(cluster: SimulatedCluster, asked: Options, asker: str, now: float) -> Iterator[SimulatedJob]:
    own = not {"allusers", "jobs"} & asked.keys()
    accounts = split(asked.get("accounts", cluster.account))
    for record in cluster.database.search(_search(asked, now)):
        mine = cluster.owner(record) == asker if own else cluster.visible(record, asker)
        if mine and (record.request.account or cluster.account) in accounts:
            yield record


def _search(asked: Options, now: float) -> Search:
    return Search(
        ids=frozenset(int(text) for text in split(asked["jobs"]) if text.isdecimal())
        if "jobs" in asked
        else None,
        names=frozenset(split(asked["name"])) if "name" in asked else None,
        states=frozenset(split(asked["state"])) if "state" in asked else None,
        start=_time(asked.get("starttime", ""), now, now - now % _DAY),
        end=_time(asked.get("endtime", ""), now, now),
        duplicates="duplicates" in asked,
    )


def _time(text: str, now: float, default: float) -> float:
    """Parses `uts1700000000`, `now`, `now+1day`, `now-3600`."""
    if not text:
        return default
    if text.startswith("uts") and text[3:].isdecimal():
        return float(text[3:])
    if text.startswith("now"):
        shift = text[3:].replace("days", "day").replace("day", f"*{_DAY}")
        amount, _, unit = shift.partition("*")
        return now + int(amount or 0) * int(unit or 1)
    raise Failure(f"sacct: error: Invalid time specification (pos=0): {text}\n")


def _line(fields: list[str], values: Mapping[str, str]) -> list[str]:
    known = {name.lower(): value for name, value in values.items()}
    for field in fields:
        if field.lower() not in known:
            raise Failure(f'sacct: error: Invalid field requested: "{field}"\n')
    return [known[field.lower()] for field in fields]


def _values(
    cluster: SimulatedCluster, job: SimulatedJob, environment: Mapping[str, str], now: float, *, convert: bool
) -> dict[str, str]:
    request, elapsed = job.request, job.elapsed(now)
    cpus = request.cpus * request.nodes
    gpu_type = request.gpu_type or next(iter(cluster.nodes.values())).gpu_type
    held = tres(job, gpu_type, convert=convert)
    code = f"{job.exit_code}:{job.signal}"
    values = {
        "JobIDRaw": str(job.id),
        "JobID": str(job.id),
        "JobName": request.name,
        "User": cluster.owner(job),
        "Account": request.account or cluster.account,
        "QOS": request.qos,
        "Partition": cluster.partition_of(job).name,
        "State": f"CANCELLED by {job.cancelled_by}" if job.state == "CANCELLED" else job.state,
        "ExitCode": code,
        "DerivedExitCode": "0:0",
        "Submit": moment(job.submitted_at, environment, "Unknown"),
        "Eligible": moment(job.eligible_at, environment, "Unknown"),
        "Start": moment(job.started_at, environment, "Unknown"),
        "End": moment(job.ended_at, environment, "Unknown"),
        "ElapsedRaw": str(elapsed),
        "Elapsed": long_elapsed(elapsed),
        "TimelimitRaw": str(cluster.minutes(job)),
        "CPUTimeRAW": str(elapsed * cpus),
        "TotalCPU": "00:00:00",
        "AllocCPUS": str(cpus),
        "AllocNodes": str(request.nodes if job.nodes else 0),
        "NNodes": str(request.nodes),
        "NodeList": node_list(job.nodes) or "None assigned",
        "ReqTRES": held,
        "AllocTRES": held if job.nodes else "",
        "MaxRSS": "",
        "AveRSS": "",
        "TRESUsageInTot": "",
        "ConsumedEnergyRaw": "",
        "Comment": request.comment if job.final else "",  # it reaches slurmdbd only when the job ends
        "Reason": job.never or "None",
        "WorkDir": request.directory,
    }
    return values if cluster.version.startswith("22.") else {**values, "Restarts": str(job.restarts)}


def _batch_step(job: SimulatedJob) -> dict[str, str]:
    empty = dict.fromkeys(
        (
            "User",
            "QOS",
            "Partition",
            "DerivedExitCode",
            "TimelimitRaw",
            "ReqTRES",
            "Comment",
            "Reason",
            "WorkDir",
        ),
        "",
    )
    return {
        "JobIDRaw": f"{job.id}.batch",
        "JobID": f"{job.id}.batch",
        "JobName": "batch",
        "MaxRSS": "216K",
        "AveRSS": "216K",
        **empty,
    }
