"""The output of scontrol and sinfo about nodes, and of sdiag about the controller."""

from provider_daemon.lab.simulated.amounts import memory
from provider_daemon.lab.simulated.cluster import SimulatedCluster
from provider_daemon.lab.simulated.model import SimulatedNode
from provider_daemon.lab.simulated.options import Options, split


def state(cluster: SimulatedCluster, node: SimulatedNode) -> str:
    cpus = cluster.allocated(node)[0]
    if node.state == "DOWN":
        return "DOWN"
    word = "IDLE" if not any(cluster.on_node(node)) else "ALLOCATED" if cpus >= node.cpus else "MIXED"
    return f"{word}+DRAIN" if node.state == "DRAIN" else word


def show(cluster: SimulatedCluster, node: SimulatedNode) -> str:
    """Prints `scontrol show node -o`."""
    cpus, used, gpus = cluster.allocated(node)
    partitions = ",".join(
        name for name, partition in cluster.partitions.items() if node.name in partition.nodes
    )
    cards = f",gres/gpu={node.gpus},gres/gpu:{node.gpu_type}={node.gpus}" if node.gpus else ""
    taken = f",gres/gpu={gpus},gres/gpu:{node.gpu_type}={gpus}" if gpus else ""
    reason = f" Reason={node.reason} [{cluster.user}@2026-01-01T00:00:00]" if node.reason else ""
    return (
        f"NodeName={node.name} Arch=x86_64 CoresPerSocket=1  CPUAlloc={cpus} CPUEfctv={node.cpus} "
        f"CPUTot={node.cpus} "
        "CPULoad=0.02 AvailableFeatures=(null) ActiveFeatures=(null) "
        f"Gres={f'gpu:{node.gpu_type}:{node.gpus}' if node.gpus else '(null)'} "
        f"NodeAddr=127.0.0.1 NodeHostName=localhost Port=0 Version={cluster.version} OS=Linux 6.1.0 "
        f"#1 SMP  RealMemory={node.memory} "
        f"AllocMem={used} FreeMem={node.memory - used} Sockets={node.cpus} Boards=1 "
        f"State={state(cluster, node)} ThreadsPerCore=1 "
        f"TmpDisk=0 Weight=1 Owner=N/A MCS_label=N/A Partitions={partitions}  BootTime=2026-01-01T00:00:00 "
        f"SlurmdStartTime=2026-01-01T00:00:00 LastBusyTime=2026-01-01T00:00:00 "
        f"CfgTRES=cpu={node.cpus},mem={memory(node.memory)},billing={node.cpus}{cards} "
        f"AllocTRES={f'cpu={cpus},mem={memory(used)}{taken}' if cpus else ''} CapWatts=n/a "
        "CurrentWatts=0 AveWatts=0 "
        f"ExtSensorsJoules=n/s ExtSensorsWatts=0 ExtSensorsTemp=n/s{reason} \n"
    )


def sinfo(cluster: SimulatedCluster, asked: Options) -> str:
    """Prints sinfo: one line per node and partition; %N %T %P %E %G."""
    form = asked.get("format", "%N %P %T")
    names = split(asked.get("partition", "")) or list(cluster.partitions)
    lines = (
        []
        if "noheader" in asked
        else [_fill(form, {"N": "NODELIST", "P": "PARTITION", "T": "STATE", "E": "REASON", "G": "GRES"})]
    )
    for name in names:
        for node in (cluster.nodes[each] for each in cluster.partitions[name].nodes):
            gres = f"gpu:{node.gpu_type}:{node.gpus}"
            lines.append(
                _fill(
                    form,
                    {
                        "N": node.name,
                        "P": name,
                        "T": state(cluster, node).lower(),
                        "E": node.reason or "none",
                        "G": gres,
                    },
                )
            )
    return "".join(f"{line}\n" for line in lines)


def _fill(form: str, values: dict[str, str]) -> str:
    for letter, value in values.items():
        form = form.replace(f"%{letter}", value)
    return form


def sdiag(cluster: SimulatedCluster) -> str:
    counts = {
        name: sum(job.state == name for job in cluster.jobs.values())
        for name in ("PENDING", "RUNNING", "COMPLETED", "CANCELLED", "FAILED")
    }
    return (
        "*******************************************************\n"
        "sdiag output\n"
        "*******************************************************\n"
        "Server thread count:  3\nAgent queue size:     0\nAgent count:          0\nAgent thread count:   0\n"
        f"DBD Agent queue size: {len(cluster.database.queue)}\n\n"
        f"Jobs submitted: {cluster.next_id - 1}\nJobs completed: {counts['COMPLETED']}\nJobs "
        f"canceled:  {counts['CANCELLED']}\n"
        f"Jobs failed:    {counts['FAILED']}\n\nJobs pending:   {counts['PENDING']}\nJobs running:  "
        f" {counts['RUNNING']}\n"
    )


def database(cluster: SimulatedCluster) -> str:
    """Prints `sacctmgr show config`."""
    seconds = cluster.faults.query_range
    limit = (
        f"{seconds // 86400}-{seconds % 86400 // 3600:02}:{seconds % 3600 // 60:02}:{seconds % 60:02}"
        if seconds
        else "UNLIMITED"
    )
    return (
        f"Configuration data as of 2026-01-01T00:00:00\nSLURM_VERSION          = {cluster.version}\n\n"
        f"SlurmDBD configuration:\nMaxQueryTimeRange      = {limit}\nSLURMDBD_VERSION       = "
        f"{cluster.version}\n"
    )
