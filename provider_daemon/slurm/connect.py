"""The transport to a cluster's login node, from its configuration."""

from provider_daemon.config.model import ClusterConfig
from provider_daemon.ports import Clock
from provider_daemon.slurm.local import LocalTransport
from provider_daemon.slurm.ssh import SshTransport


def transport(cluster: ClusterConfig, clock: Clock, key_file: str = "") -> LocalTransport | SshTransport:
    """`key_file` replaces the daemon's SSH key: gateway and mover run as users who cannot read that one."""
    if cluster.transport == "local" or cluster.ssh is None:
        return LocalTransport(path=cluster.slurm_path)
    ssh = cluster.ssh
    return SshTransport(
        host=ssh.host,
        port=ssh.port,
        user=ssh.user,
        key_file=key_file or ssh.key_file,
        known_hosts=ssh.known_hosts,
        host_key_fingerprint=ssh.host_key_fingerprint,
        clock=clock,
        login_seconds=ssh.login_seconds,
        path=cluster.slurm_path,
    )
