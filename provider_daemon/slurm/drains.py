"""Which drained nodes are provd's: their reason in SLURM names provd and the cluster. Pure.

Two daemons may serve one SLURM cluster under two names, and neither ends the other's drains.
"""

import re

from provider_daemon.ports import Node

MAX_REASON = 120
_UNSAFE = re.compile(r"[^A-Za-z0-9 .,:;_%()/+-]+")


def drain_reason(cluster: str, why: str) -> str:
    """Returns the reason that SLURM shows. Characters that scontrol might interpret are replaced."""
    return _ours(cluster) + _UNSAFE.sub("_", why)[:MAX_REASON].strip()


def is_ours(node: Node, cluster: str) -> bool:
    """Whether provd drained the node. An administrator who changes the reason takes it over."""
    return node.draining and node.reason.startswith(_ours(cluster))


def _ours(cluster: str) -> str:
    return f"provd: {cluster}: "
