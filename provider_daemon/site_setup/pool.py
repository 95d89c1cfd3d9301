"""What `provd site prepare` needs to know, from the configuration and the key files."""

import os
import subprocess
from pathlib import Path

import asyncssh

from provider_daemon.config.model import ClusterConfig, Config
from provider_daemon.config.pool_users import pool_users
from provider_daemon.errors import Refused
from provider_daemon.site_setup.script import Login, Part, Pool, script


def pool_of(config: Config, cluster: ClusterConfig, parts: tuple[Part, ...], first_uid: int = 0) -> Pool:
    """Public keys are read only for the part that needs them.

    Raises Refused if the cluster has no pool, or if a public key cannot be read.
    """
    if cluster.pool is None:
        raise Refused(f'cluster {cluster.id} has accounts = "shared": there is nothing to prepare')
    login = Login.LOCAL if cluster.ssh is None else Login(cluster.pool.login)
    return Pool(
        cluster=cluster.id,
        account=cluster.account,
        work_root=cluster.work_root.rstrip("/"),
        main=cluster.ssh.user if cluster.ssh else "",
        users=pool_users(cluster.pool.users),
        login=login,
        public_keys=tuple(map(public_key, key_files(config, cluster))) if Part.SSH in parts else (),
        first_uid=first_uid,
    )


def key_files(config: Config, cluster: ClusterConfig) -> list[str]:
    """Returns the SSH key files of the processes that log in: daemon, gateway and mover. Each once."""
    daemons = cluster.ssh.key_file if cluster.ssh else ""
    others = (
        config.gateway.ssh_key_file if config.gateway else "",
        config.data.ssh_key_file if config.data else "",
    )
    return list(dict.fromkeys(path for path in (daemons, *others) if path))


def public_key(path: str) -> str:
    """Returns the OpenSSH line of a key: of the file `<path>.pub`, or derived from the private key."""
    try:
        beside = Path(f"{path}.pub")
        key = asyncssh.read_public_key(beside) if beside.exists() else asyncssh.read_private_key(path)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not an SSH key"
        raise Refused(
            f"cannot read the public key of {path}: {why}; run as root, or write {path}.pub with "
            f"`ssh-keygen -y -f {path}`"
        ) from None
    kind, data, *_ = key.export_public_key().decode().split()
    return f"{kind} {data}"


def apply(pool: Pool, parts: tuple[Part, ...]) -> int:
    """Runs the script on this host, with its output to the terminal. Returns its exit code.

    Raises Refused for another user than root.
    """
    if os.geteuid():
        raise Refused("--apply changes users and files of this host: run it as root")
    return subprocess.run(["/bin/sh"], input=script(pool, parts), text=True, check=False).returncode
