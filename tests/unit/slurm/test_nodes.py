"""scontrol show node -o -> nodes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.errors import Transient
from provider_daemon.slurm.nodes import hosts, known, nodes
from provider_daemon.slurm.records import has_free_text

LINE = (
    "NodeName=n4 Arch=x86_64 CoresPerSocket=1 CPUAlloc=2 CPUEfctv=16 CPUTot=16 CPULoad=4.78 "
    "Gres=gpu:a100:2(S:0-1) NodeAddr=127.0.0.1 OS=Linux 6.18 #1 SMP State=FAKE RealMemory=65536 "
    "AllocMem=2048 State=MIXED+DRAIN Partitions=standard,gpu CfgTRES=cpu=16,mem=64G "
    "AllocTRES=cpu=2,mem=2G,gres/gpu=1 Reason=bad State=IDLE disk [root@2026-11-24T06:42:04]"
)

OTHER = (
    "NodeName=n5 CPUAlloc=0 CPUTot=16 CPULoad=0.1 Gres=gpu:a100:2 NodeHostName=c1 OS=Linux 6.1 #1 SMP  "
    "RealMemory=65536 AllocMem=0 State=IDLE Partitions=standard CfgTRES=cpu=16 AllocTRES="
)


def test_node() -> None:
    """GPUs come from the node's gres, so they are seen where accounting does not track them."""
    (node,) = nodes(LINE + "\n").rows
    assert (node.host, node.slurm_state, node.usable, node.draining) == ("n4", "MIXED+DRAIN", False, True)
    assert (node.cpus, node.cpus_allocated, node.memory_mib, node.memory_allocated_mib) == (
        16,
        2,
        65536,
        2048,
    )
    assert (node.gpus, node.gpus_allocated, node.gpu_type) == (2, 1, "a100")
    assert (node.partitions, node.load, node.reason) == (("standard", "gpu"), "4.78", "bad State=IDLE disk")


def test_no_record_at_all() -> None:
    """A cluster without nodes is a query that failed."""
    with pytest.raises(Transient, match="scontrol show node"):
        nodes("No nodes in the system")


@pytest.mark.parametrize(
    "damaged",
    [
        "NodeName=n5 CPUAlloc=0",
        OTHER.replace("CPUTot=16", "CPUTot=x"),
        OTHER.replace("AllocTRES=", "AllocTRES=cpu"),
        OTHER.replace("n5", "n5;rm"),
        OTHER.replace("State=IDLE", "State=notice"),
    ],
)
def test_one_damaged_record_is_left_out(damaged: str) -> None:
    """It is named; the others are read."""
    found = nodes(f"{LINE}\n{damaged}\n{OTHER.replace('n5', 'n6')}\n")
    assert ([node.host for node in found.rows], len(found.unread)) == (["n4", "n6"], 1)
    assert found.unread[0].name.startswith("n5")


@pytest.mark.parametrize(
    "comment", ["spare\npart", "a\nState=DOWN CPUTot=1", "x\n NodeName=n9 State=IDLE", "\n\n", "Gres=gpu:99"]
)
def test_a_comment_with_line_breaks(comment: str) -> None:
    """No text of an administrator's becomes a field, or hides a node that comes after it."""
    text = f"{OTHER} Comment={comment} Extra=a\nb\n{LINE}\n"
    assert ([node.host for node in nodes(text).rows], nodes(text).unread, nodes(text).foreign) == (
        ["n5", "n4"],
        (),
        (),
    )
    assert nodes(text).rows[0] == nodes(OTHER).rows[0]


def test_a_comment_that_reads_as_a_record() -> None:
    """Of a node that exists it makes both unreadable; one that sinfo does not know is left out."""
    forged = OTHER.replace("n5", "n9")
    text = f"{LINE} Comment=x\n{forged} Extra=y\n{OTHER}\n"
    assert has_free_text(text)
    found = known(nodes(text), hosts("NODELIST|m|\nn4|m|\nn4|m|\nn5|m|\n", "|m|"))
    assert ([node.host for node in found.rows], [record.name for record in found.unread]) == (
        ["n4", "n5"],
        ["n9"],
    )
    twice = nodes(text.replace("n9", "n5"))
    assert ([node.host for node in twice.rows], {record.name for record in twice.unread}) == (["n4"], {"n5"})


@pytest.mark.parametrize("notice", ["NOTICE: maintenance\n", "[audit] recorded\n\n", "quota: 77 of 100"])
def test_a_wrappers_words(notice: str) -> None:
    """Before, between and after the records they are left out; without a line break of their own before the
    first one too."""
    for text in (f"{notice}{LINE}\n{OTHER}\n", f"{LINE}\n{OTHER}\n{notice}"):
        assert [node.host for node in nodes(text).rows] == ["n4", "n5"]
    between = nodes(f"{LINE.partition(' Reason')[0]}\n{notice}{OTHER}\n")
    assert [node.host for node in between.rows] == ["n4", "n5"]
    assert between.foreign


def test_a_node_in_no_partition_takes_no_jobs() -> None:
    """Whatever its state."""
    for without in ("Partitions=(null)", ""):
        (node,) = nodes(OTHER.replace("Partitions=standard", without)).rows
        assert not node.usable
    assert nodes(OTHER).rows[0].usable


@pytest.mark.parametrize(
    ("gres", "allocated", "gpus", "used", "kind"),
    [
        ("gpu:a100_1g.5gb:7", "gres/gpu=3,gres/gpu:a100_1g.5gb=3", 0, 0, ""),
        ("gpu:1g.5gb:7,gpu:a100:1", "gres/gpu=4,gres/gpu:1g.5gb=3,gres/gpu:a100=1", 1, 1, "a100"),
        ("gpu:h100_1g.10gb+me:1,gpu:h100:3(S:0-1)", "gres/gpu=2", 3, 2, "h100"),
        ("gpu:nvidia_a100_3g.20gb:2", "gres/gpu=2", 0, 0, ""),
        ("gpu:gtx1080:4", "gres/gpu=4", 4, 4, "gtx1080"),
    ],
)
def test_slices_are_no_cards(gres: str, allocated: str, gpus: int, used: int, kind: str) -> None:
    """A part of a card (MIG) is not counted as one, neither as there nor as allocated."""
    (node,) = nodes(
        OTHER.replace("Gres=gpu:a100:2", f"Gres={gres}").replace("AllocTRES=", f"AllocTRES=cpu=1,{allocated}")
    ).rows
    assert (node.gpus, node.gpus_allocated, node.gpu_type) == (gpus, used, kind)


@given(st.text(), st.text())
def test_any_text_around_a_record(before: str, after: str) -> None:
    """Is read around, or names what cannot be read; nothing else happens."""
    try:
        found = nodes(f"{before}\n{LINE}\n{after}")
    except Transient:
        return
    assert any(node.host == "n4" for node in found.rows) or found.unread
