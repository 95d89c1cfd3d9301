"""The id of a compute node and its host. Pure.

`<cluster>.<host>` is a node's first id, by which its agent, the collector and the ledger know it for ever.
Its id on chain may be a successor, `<cluster>.<host>~2` and so on (loops/node_ids.py).
"""


def first_id(cluster_name: str, host: str) -> str:
    """Returns the id by which the node's agent and the collector know it, whatever the chain gave up."""
    return f"{cluster_name}.{host}"


def host_of(node_id: str, cluster_name: str) -> str:
    """Returns the host of a first id or of a successor."""
    return node_id.removeprefix(f"{cluster_name}.").partition("~")[0]
