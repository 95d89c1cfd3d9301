"""The fingerprint of a node's hardware: whether it is the machine that was registered. Pure."""

import hashlib
from collections.abc import Sequence

from provider_daemon.nodes.report import Capacity, Hardware


def fingerprint(hardware: Hardware, capacity: Capacity, addresses: Sequence[str]) -> str:
    """Returns the hex SHA-256 of what stays over reboots and repairs of GPUs and disks.

    `addresses`: of the network cards, which tell nodes of one model apart.
    """
    parts = (
        "provd-hardware-1",
        hardware.cpu_arch,
        hardware.cpu_vendor,
        hardware.cpu_model,
        str(hardware.sockets),
        str(hardware.cores_per_socket),
        str(capacity.memory_gb_total),
        *sorted(addresses),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def published(hardware: Hardware, capacity: Capacity) -> str:
    """Returns the fingerprint as the published agent computes it; nodes of one model have the same."""
    sizes = (
        capacity.cpu_cores_total,
        capacity.memory_gb_total,
        capacity.gpus_total,
        capacity.storage_gb_total,
    )
    parts = (
        hardware.cpu_model,
        hardware.cpu_vendor,
        hardware.cpu_arch,
        hardware.gpu_model,
        hardware.storage_type,
    )
    return hashlib.sha256(("".join(parts) + "/".join(map(str, sizes))).encode()).hexdigest()
