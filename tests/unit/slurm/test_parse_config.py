"""What a site says of itself, as recorded from three versions of SLURM."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.errors import Transient, Unreadable
from provider_daemon.slurm.parse_config import (
    Association,
    Partition,
    WorkRoot,
    account,
    associations,
    node_hosts,
    number,
    partitions,
    qos,
    release,
    settings,
    work_root,
)
from tests.unit.slurm.recorded import ROOT, entry

# scontrol show partition -o, sacctmgr -n -P show assoc: SLURM 22.05.8.
PARTITIONS = (
    "PartitionName=standard AllowGroups=ALL AllowAccounts=ALL AllowQos=ALL AllocNodes=ALL "
    "Default=YES QoS=N/A DefaultTime=01:00:00"
    " DisableRootJobs=NO ExclusiveUser=NO GraceTime=0 Hidden=NO MaxNodes=UNLIMITED "
    "MaxTime=7-00:00:00 MinNodes=0 LLN=NO"
    " MaxCPUsPerNode=UNLIMITED Nodes=n[1-4] PriorityJobFactor=1 PriorityTier=1 RootOnly=NO "
    "ReqResv=NO OverSubscribe=NO OverTimeLimit=NONE"
    " PreemptMode=OFF State=UP TotalCPUs=64 TotalNodes=4 SelectTypeParameters=NONE "
    "JobDefaults=(null) DefMemPerNode=UNLIMITED"
    " MaxMemPerNode=UNLIMITED TRES=cpu=64,mem=256G,node=4,billing=64,gres/gpu=8,gres/gpu:a100=8\n"
    "PartitionName=short State=DRAIN MaxNodes=2 MaxTime=UNLIMITED TotalNodes=4\n"
)
HEADER = "Cluster|Account|Partition|QOS|MaxSubmit|GrpSubmit"
ASSOCIATIONS = f"provdlab\n{HEADER}\nlab|provd||normal||\nlab|other|gpu|high,normal|100|50\n"


@pytest.mark.parametrize("version", ["22.05.8", "24.11.5", "26.05.5"])
def test_settings(version: str) -> None:
    """Each setting by its name, (null) as nothing; of the part about cgroups too."""
    found = settings((ROOT / version / "config.txt").read_text())
    assert found["SLURM_VERSION"] == version
    assert found["AccountingStorageEnforce"] == "associations,limits,qos"
    assert found["AccountingStorageTRES"].startswith(
        "cpu,mem,energy,node,billing,fs/disk,vmem,pages,gres/gpu,gres/gpu:a100"
    )
    assert number(found["MinJobAge"]) == 300
    assert number(found["MaxJobCount"]) in (10000, 50000)
    assert (found["ProctrackType"], found["PrologFlags"], found["PrivateData"]) == (
        "proctrack/cgroup",
        "",
        "none",
    )
    assert found["SlurmctldHost[0]"] in ("vm(127.0.0.1)", "vm(127.0.1.1)")
    assert found["ConstrainRAMSpace"] == "yes"
    assert len(found) > 150


def test_not_settings() -> None:
    with pytest.raises(Unreadable, match="no SLURM_VERSION"):
        settings("Welcome!\n")
    with pytest.raises(Unreadable, match="invalid number"):
        number("soon")


def test_release() -> None:
    """Branch and maintenance release; SLURM's own suffixes change nothing."""
    assert release("22.05.8") == ("22.05", 8)
    assert release("24.05.0-rc1") == ("24.05", 0)
    assert release("21.08.8-2") == ("21.08", 8)
    with pytest.raises(Unreadable, match="invalid SLURM version"):
        release("22")


def test_partitions() -> None:
    """Limits in nodes and seconds; none is 0."""
    assert partitions(PARTITIONS).rows == (
        Partition("standard", "UP", 4, 0, 604800),
        Partition("short", "DRAIN", 4, 2, 0),
    )
    among = partitions(f"NOTICE\nPartitionName=x\n{PARTITIONS}Bye\n")
    assert ([each.name for each in among.rows], [each.name for each in among.unread]) == (
        ["standard", "short"],
        ["x"],
    )
    assert among.foreign == ("NOTICE", "Bye")
    with pytest.raises(Transient):
        partitions("NOTICE\n")


@pytest.mark.parametrize("version", ["22.05.8", "24.11.5", "26.05.5"])
def test_recorded_partitions(version: str) -> None:
    """The longer form, made one line a partition as -o does."""
    blocks = entry(version, "partition", "scontrol show partition").output.strip().split("\n\n")
    found = partitions("\n".join(" ".join(block.split()) for block in blocks)).rows
    assert [(each.name, each.state, each.nodes, each.max_seconds) for each in found] == [
        ("standard", "UP", 4, 604800),
        ("gpu", "UP", 4, 86400),
    ]


def test_associations() -> None:
    """Our user, and the tighter of the two limits of each."""
    found = (
        Association("lab", "provd", "", ("normal",), None),
        Association("lab", "other", "gpu", ("high", "normal"), 50),
    )
    user, reading = associations(ASSOCIATIONS)
    assert (user, reading.rows, reading.foreign) == ("provdlab", found, ())
    _, among = associations(
        ASSOCIATIONS.replace(HEADER, f"NOTICE\nquota: 1{HEADER}\na|b").replace("50\n", "50\nBye | now\n")
    )
    assert (among.rows, among.foreign) == (found, ("a|b", "Bye | now"))
    assert associations(f"nobody\n{HEADER}\n")[1].rows == ()
    with pytest.raises(Transient, match="no header"):
        associations("provdlab\nNOTICE\n")


def test_accounts_and_qos() -> None:
    """Among a wrapper's words; without a header there is no answer."""
    assert account("NOTICE\nAccount\nprovd\nBye\n", "provd")
    assert not account("provd\nAccount\n", "provd")
    assert qos("NOTICE\nName|Priority\nnormal|0\nhigh|100\nBye\n") == {"normal", "high"}
    for parse in (lambda text: account(text, "provd"), qos):
        with pytest.raises(Transient, match="no header"):
            parse("provd\n")


@pytest.mark.parametrize("version", ["22.05.8", "24.11.5", "26.05.5"])
def test_node_hosts(version: str) -> None:
    """Many slurmd may run on one machine: it is named once."""
    text = entry(version, "nodes", "scontrol show node").output
    assert node_hosts(" ".join(text.split())) == {"vm"}


def test_work_root() -> None:
    """What was wrong with it, its file system, its space, and the host."""
    space = "/dev/vda       264212084 13681920  81819344      15% /"
    assert work_root(f"\next2/ext3\n{space}\nvm\n") == WorkRoot("", "ext2/ext3", 81819344 * 1024, "vm")
    failed = (
        "mktemp: failed to create directory via template '/nope/.provd-doctor.XXXXXX': No such file or "
        "directory"
    )
    assert work_root(f"{failed}\n\n\nvm\n") == WorkRoot(failed, "", 0, "vm")
    with pytest.raises(Unreadable):
        work_root("vm\n")


@given(st.text())
def test_any_text(text: str) -> None:
    """Is read, or refused as Unreadable; nothing else."""
    for parse in (settings, partitions, associations, work_root, release, number):
        try:
            parse(text)
        except (Transient, Unreadable):
            continue
    node_hosts(text)
