"""The site's configuration files, as text (docs/slurm.md, 'A site without containers')."""

from provider_daemon.lab.site.layout import Layout

# A GPU's File= must be a character device, or jobs get no CUDA_VISIBLE_DEVICES. These devices exist
# everywhere and need no root to create.
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty")
PARTITIONS = ("standard", "gpu")
CGROUP_DISABLED_SINCE = (23, 11)  # a site can declare that it has no cgroups since this version


def slurm_conf(layout: Layout) -> str:
    plan, root, run = layout.plan, layout.root, layout.run
    settings = {
        "ClusterName": plan.cluster,
        "SlurmctldHost": f"{plan.host}({plan.address})",
        "SlurmctldPort": str(plan.ctld_port),
        "SlurmUser": plan.owner,
        "SlurmdUser": plan.owner,
        "AuthType": "auth/munge",
        "AuthInfo": f"socket={layout.munge_socket}",
        "CredType": "cred/munge",
        "CommunicationParameters": _listening(plan.address),
        "StateSaveLocation": f"{root}/state",
        "SlurmdSpoolDir": f"{run}/spool/%n",
        "SlurmctldPidFile": f"{run}/slurmctld.pid",
        "SlurmdPidFile": f"{run}/slurmd-%n.pid",
        "SlurmctldLogFile": str(layout.log("slurmctld")),
        "SlurmdLogFile": f"{root}/log/slurmd-%n.log",
        "ProctrackType": "proctrack/linuxproc",
        "TaskPlugin": "task/none",
        "JobAcctGatherType": "jobacct_gather/linux",
        "MpiDefault": "none",
        "SelectType": "select/cons_tres",
        "SelectTypeParameters": "CR_Core_Memory",
        "DefMemPerCPU": "1024",
        "SchedulerType": "sched/backfill",
        "SchedulerParameters": (
            "batch_sched_delay=0,sched_min_interval=0,sched_interval=2,"  # a private site need not wait
            "bf_interval=1,bf_continue"
        ),
        "AccountingStorageType": "accounting_storage/slurmdbd",
        "AccountingStorageHost": "127.0.0.1",
        "AccountingStoragePort": str(plan.dbd_port),
        "AccountingStoragePass": str(layout.munge_socket),
        "AccountingStorageTRES": f"gres/gpu,gres/gpu:{plan.gpu_type}",
        "AccountingStorageEnforce": "associations,limits,qos",
        "AccountingStoreFlags": "job_comment",
        "GresTypes": "gpu",
        "SlurmdParameters": "config_overrides",  # nodes claim more cores and GPUs than this machine has
        "ReturnToService": "2",
        "KillWait": "2",
        "SlurmdTimeout": "20",
        **plan.settings,
    }
    lines = [f"{name}={value}" for name, value in settings.items() if value]
    return "\n".join([*lines, *_nodes(layout), *_partitions(layout), ""])


def _listening(address: str) -> str:
    """Returns the options for listening only on the address of this host's name, if callbacks arrive there.

    slurmstepd calls srun back at the address that the call came from. Calls to an address of 127/8 come from
    127.0.0.1, so that a listener on 127.0.1.1, Debian's line in /etc/hosts, is never found. slurmctld calls
    slurmdbd at 127.0.0.1, and is called back there when a user is added.
    """
    if address == "127.0.0.1":
        return "NoInAddrAny,NoCtldInAddrAny"
    return "" if address.startswith("127.") else "NoInAddrAny"


def _nodes(layout: Layout) -> list[str]:
    plan = layout.plan
    gres = f" Gres=gpu:{plan.gpu_type}:{plan.gpus}" if plan.gpus else ""
    return [
        (
            f"NodeName={node} NodeHostName={plan.host} NodeAddr={plan.address} Port={port} "
            f"CPUs={plan.cpus} RealMemory={plan.memory}{gres}"
        )
        for node, port in zip(plan.nodes, plan.node_ports, strict=True)
    ]


def _partitions(layout: Layout) -> list[str]:
    nodes = ",".join(layout.plan.nodes)
    return [
        f"PartitionName=standard Nodes={nodes} Default=YES MaxTime=7-0 DefaultTime=60 State=UP",
        f"PartitionName=gpu Nodes={nodes} MaxTime=1-0 DefaultTime=60 State=UP",
    ]


def gres_conf(layout: Layout) -> str:
    plan = layout.plan
    nodes = ",".join(plan.nodes)
    devices = [
        f"NodeName={nodes} Name=gpu Type={plan.gpu_type} File={device}" for device in DEVICES[: plan.gpus]
    ]
    return "\n".join(["AutoDetect=off", *devices, ""])


def cgroup_conf(version: tuple[int, ...]) -> str:
    return (
        "CgroupPlugin=disabled\n"
        if version >= CGROUP_DISABLED_SINCE
        else "CgroupAutomount=no\nCgroupPlugin=cgroup/v1\n"
    )


def slurmdbd_conf(layout: Layout) -> str:
    plan = layout.plan
    settings = {
        "AuthType": "auth/munge",
        "AuthInfo": f"socket={layout.munge_socket}",
        "DbdHost": plan.host,  # must be the host's own name, or slurmdbd does not start
        "DbdAddr": "127.0.0.1",
        "DbdPort": str(plan.dbd_port),
        "SlurmUser": plan.owner,
        "StorageType": "accounting_storage/mysql",
        "StorageHost": "localhost",
        "StorageUser": plan.owner,
        "StorageLoc": "slurm_acct_db",
        "LogFile": str(layout.log("slurmdbd")),
        "PidFile": str(layout.pid_file("slurmdbd")),
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def sshd_config(layout: Layout) -> str:
    ssh, plan = layout.root / "ssh", layout.plan
    settings = {
        "Port": str(plan.ssh_port),
        "ListenAddress": "127.0.0.1",
        "HostKey": f"{ssh}/host_ed25519",
        "PidFile": str(layout.pid_file("sshd")),
        "AuthorizedKeysFile": f"{ssh}/authorized_keys",
        "TrustedUserCAKeys": f"{ssh}/ca.pub",
        "AuthorizedPrincipalsFile": f"{ssh}/principals",
        "AllowUsers": " ".join((plan.user, *plan.pool)),
        "StrictModes": "no",
        "UsePAM": "no",
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
        "PrintMotd": "no",
        "SetEnv": f"SLURM_CONF={layout.slurm_conf}",
    }
    return "".join(f"{name} {value}\n" for name, value in settings.items())
