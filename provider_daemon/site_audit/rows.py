"""The rows of the audit: what is tried, which answers decide, and what to do about an open one. Pure.

A question is named `<subject>.<what>`. The attacking job answers those of ATTACK, and the job that runs after
its end, as the same user on the same node, those of AFTER.
"""

from dataclasses import dataclass

CONTAIN = "run customers' jobs with a containing launcher (clusters.images)"
CONTROL = "control.file"  # the program can read and write its own file; without it nothing counts
READY = "victim.ready"
PLANTED = "after.planted"  # what is left behind on purpose was made
CREDENTIALS = ("credential.socket", "credential.key")
SLURMCTLD = "net.slurmctld"


@dataclass(frozen=True, slots=True)
class Row:
    """`tried`: what the attacking job tries, as a sentence's end. `questions`: all must be answered to close.

    `through_slurm`: it needs a credential and a connection to slurmctld. `planted`: it is about what the
    attacking job left behind.
    """

    name: str
    tried: str
    questions: tuple[str, ...]
    todo: str
    through_slurm: bool = False
    planted: bool = False


ROWS = (
    Row(
        "other-files",
        "list, read and write the other's job directory",
        ("file.list", "file.read", "file.write"),
        f'set accounts = "pool", or {CONTAIN}',
    ),
    Row(
        "other-processes",
        "see the other's processes and their arguments",
        ("process.see",),
        f"{CONTAIN}, or mount /proc with hidepid=2 on the nodes",
    ),
    Row(
        "other-job-cancel",
        "cancel the other's SLURM job",
        ("job.cancel",),
        f'set accounts = "pool", and {CONTAIN}',
        through_slurm=True,
    ),
    Row(
        "other-job-rename",
        "change the name of the other's SLURM job",
        ("job.rename",),
        f'set accounts = "pool", and {CONTAIN}',
        through_slurm=True,
    ),
    Row(
        "other-job-update",
        "shorten the time limit of the other's SLURM job",
        ("job.update",),
        f'set accounts = "pool", and {CONTAIN}',
        through_slurm=True,
    ),
    Row(
        "own-time-limit",
        "extend its own time limit",
        ("job.limit",),
        "remove operator and administrator rights in SLURM from the users of customers' jobs",
        through_slurm=True,
    ),
    Row(
        "job-submission",
        "submit another SLURM job from the job",
        ("job.submit",),
        f"{CONTAIN} that shows neither munge's socket nor the network of slurmctld",
        through_slurm=True,
    ),
    Row(
        "munge",
        "connect to munge's or slurmd's credential socket, and read the key",
        CREDENTIALS,
        f"{CONTAIN} that does not show the socket; keep the key file readable by munge alone",
    ),
    Row(
        "slurmctld",
        "connect to slurmctld",
        (SLURMCTLD,),
        f"{CONTAIN} without network, or block slurmctld's port for the jobs' users on the nodes",
    ),
    Row(
        "login-files",
        "read and change files of the login: its .ssh, the job user's .ssh, password hashes",
        ("path.login",),
        f"{CONTAIN} that does not show home directories; do not mount the login's home on nodes",
    ),
    Row(
        "daemon-files",
        "read and change provd's configuration, keys, ledger and caches",
        ("path.daemon",),
        "keep provd's files on a host or file system that the nodes do not mount, or close their modes",
    ),
    Row(
        "loopback",
        "connect to a port of the other's job and of the node on loopback",
        ("net.loopback",),
        f"{CONTAIN} with a network of its own",
    ),
    Row(
        "management",
        "connect to the login node, slurmdbd and the addresses of --address",
        ("net.management",),
        "block the management network for the jobs' users on the nodes",
    ),
    Row(
        "metadata",
        "connect to the metadata address 169.254.169.254",
        ("net.metadata",),
        "block 169.254.169.254 for the jobs' users: in a cloud it gives away the node's credentials",
    ),
    Row(
        "internet",
        "connect to an address of the internet",
        ("net.internet",),
        "block outgoing connections for the jobs' users, unless the offering sells them",
    ),
    Row(
        "gpus",
        "open GPUs that are not allocated to the job",
        ("device.gpu",),
        "set ConstrainDevices=yes in cgroup.conf, or use a launcher that shows only allocated GPUs",
    ),
    Row(
        "memory",
        "use a quarter more memory than allocated",
        ("memory.beyond",),
        "set ConstrainRAMSpace=yes in cgroup.conf and TaskPlugin=task/cgroup",
    ),
    Row(
        "cores",
        "run on more cores than allocated",
        ("cpu.affinity",),
        "set ConstrainCores=yes in cgroup.conf and TaskPlugin=task/cgroup",
    ),
    Row(
        "leftover-processes",
        "leave a process running after the job's end",
        ("after.process",),
        "set ProctrackType=proctrack/cgroup and PrologFlags=Contain in slurm.conf",
        planted=True,
    ),
    Row(
        "leftover-files",
        "leave files in /tmp, /var/tmp, /dev/shm and System V memory after the job's end",
        ("after.files", "after.ipc"),
        f"{CONTAIN} with a private /tmp and IPC, or use SLURM's job_container/tmpfs",
        planted=True,
    ),
    Row(
        "setuid",
        "find setuid programs that would take effect",
        ("kernel.setuid",),
        f"{CONTAIN} that sets no_new_privs, or mount without setuid",
    ),
    Row(
        "proc",
        "open dangerous files of /proc",
        ("kernel.proc",),
        "do not run customers' jobs as root; set kernel.kptr_restrict=1 on the nodes",
    ),
    Row(
        "sys",
        "open dangerous files of /sys",
        ("kernel.sys",),
        "do not run customers' jobs as root; close /sys/kernel/debug and /sys/kernel/tracing",
    ),
    Row("dmesg", "read the kernel's log", ("kernel.dmesg",), "set kernel.dmesg_restrict=1 on the nodes"),
    Row(
        "bpf",
        "create a BPF map",
        ("kernel.bpf",),
        "set kernel.unprivileged_bpf_disabled=1 on the nodes",
    ),
    Row(
        "userns",
        "create a user namespace",
        ("kernel.userns",),
        "use a launcher that forbids it (bwrap --disable-userns), or set user.max_user_namespaces=0",
    ),
)
AFTER = ("after.process", "after.files", "after.ipc")
ATTACK = (
    CONTROL,
    PLANTED,
    *dict.fromkeys(question for row in ROWS for question in row.questions if question not in AFTER),
)
