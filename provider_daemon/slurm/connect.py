"""The transport to a cluster's login node, from its configuration."""

from provider_daemon.config.model import ClusterConfig
from provider_daemon.ports import Clock
from provider_daemon.slurm.local import LocalTransport
from provider_daemon.slurm.ssh import SshTransport


def transport(cluster: ClusterConfig, clock: Clock) -> LocalTransport | SshTransport:
    if cluster.transport == "local" or cluster.ssh is None:
        return LocalTransport(path=cluster.slurm_path)
    ssh = cluster.ssh
    return SshTransport(
        host=ssh.host,
        port=ssh.port,
        user=ssh.user,
        key_file=ssh.key_file,
        known_hosts=ssh.known_hosts,
        host_key_fingerprint=ssh.host_key_fingerprint,
        clock=clock,
        login_seconds=ssh.login_seconds,
        path=cluster.slurm_path,
    )
