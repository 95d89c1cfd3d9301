"""The key of a cluster, for documents that an operation signs."""

from provider_daemon.chain import keys
from provider_daemon.chain.keys import Signer
from provider_daemon.control.operation import Context
from provider_daemon.errors import Refused


def cluster_key(cluster_id: str, context: Context) -> Signer:
    """Returns the cluster's key: the running daemon's, or that of the configuration."""
    cluster = next((each for each in context.config.clusters if each.id == cluster_id), None)
    if cluster is None:
        raise Refused(f"cluster {cluster_id} is not in the configuration: its key is not known")
    if cluster.key in context.keys:
        return context.keys[cluster.key]
    key = context.config.keys[cluster.key]
    return keys.load(key.kind, key.name, key.path, key.passphrase_file)
