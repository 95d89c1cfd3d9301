"""scontrol show node -o -> nodes."""

import pytest

from provider_daemon.errors import Unreadable
from provider_daemon.slurm.nodes import nodes

LINE = (
    "NodeName=n4 Arch=x86_64 CoresPerSocket=1 CPUAlloc=2 CPUEfctv=16 CPUTot=16 CPULoad=4.78 Gres=gpu:a100:2(S:0-1) NodeAddr=127.0.0.1"
    " OS=Linux 6.18 #1 SMP State=FAKE RealMemory=65536 AllocMem=2048 State=MIXED+DRAIN Partitions=standard,gpu CfgTRES=cpu=16,mem=64G"
    " AllocTRES=cpu=2,mem=2G,gres/gpu=1 Reason=bad State=IDLE disk [root@2026-11-24T06:42:04]"
)


def test_node() -> None:
    """GPUs come from the node's gres, so they are seen where accounting does not track them."""
    (node,) = nodes(LINE.replace(" State=FAKE", "") + "\n")
    assert (node.host, node.slurm_state, node.usable, node.draining) == ("n4", "MIXED+DRAIN", False, True)
    assert (node.cpus, node.cpus_allocated, node.memory_mib, node.memory_allocated_mib) == (16, 2, 65536, 2048)
    assert (node.gpus, node.gpus_allocated, node.gpu_type) == (2, 1, "a100")
    assert (node.partitions, node.load, node.reason) == (("standard", "gpu"), "4.78", "bad State=IDLE disk")


@pytest.mark.parametrize("line", ["No nodes in the system", "NodeName=n1 CPUAlloc=0", LINE.replace("CPUTot=16", "CPUTot=x")])
def test_damaged_line(line: str) -> None:
    """A line that is no node raises; the others are not taken for the whole cluster."""
    with pytest.raises(Unreadable, match="scontrol show node"):
        nodes(line)
