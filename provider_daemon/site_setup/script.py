"""The shell script with which a site's administrator prepares a cluster with `accounts = "pool"`. Pure.

Each part may run on another host, and running a part again changes only what differs. All names in it match
the patterns of names.py, so that none needs quoting; public keys stand in quoted here-documents.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from provider_daemon.names import PRINCIPAL

LEASES, HOME = ".provd-leases", ".provd-home"  # below the work root
LOGIN_GROUP = "provd-login"  # sshd trusts provd's certificates for the members of this group only
AUTHORITIES, PRINCIPALS = "/etc/ssh/provd_user_ca.pub", "/etc/ssh/provd_principals"
AUTHORIZED_KEYS = "/etc/ssh/provd_authorized_keys"
SSHD_FILE, SUDO_FILE = "/etc/ssh/sshd_config.d/50-provd.conf", "/etc/sudoers.d/provd"
SERVICES = ("provd", "provd-mover", "provd-gateway")  # Unix users of provd's processes on their host


class Part(StrEnum):
    """A part of the script: where it runs is in its heading."""

    USERS = "users"
    FILES = "files"
    SLURM = "slurm"
    SSH = "ssh"
    SUDO = "sudo"


class Login(StrEnum):
    CERTIFICATE = "certificate"
    KEY = "key"
    LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Pool:
    """What is prepared. `main`: the Unix user of provd's queries, "" if provd runs on the login node itself.

    `public_keys`: OpenSSH lines of certificate authorities or, with Login.KEY, of keys. `first_uid`: the uid
    of the first pool user, the others follow; 0 lets each host choose.
    """

    cluster: str
    account: str
    work_root: str
    main: str
    users: tuple[str, ...]
    login: Login
    public_keys: tuple[str, ...] = ()
    first_uid: int = 0


def script(pool: Pool, parts: Sequence[Part]) -> str:
    """Returns the parts in the order of Part, as POSIX sh."""
    made = {
        Part.USERS: users,
        Part.FILES: files,
        Part.SLURM: slurm,
        Part.SSH: ssh,
        Part.SUDO: sudo,
    }
    head = (
        "#!/bin/sh",
        f"# Prepares cluster {pool.cluster} for provd: one Unix user for each customer. Run it as root.",
        "set -eu",
        "umask 022",
    )
    return (
        "\n".join([*head, *(line for part in Part if part in parts for line in ("", *made[part](pool)))])
        + "\n"
    )


def all_parts(login: Login) -> tuple[Part, ...]:
    last = Part.SUDO if login is Login.LOCAL else Part.SSH
    return (Part.USERS, Part.FILES, Part.SLURM, last)


def users(pool: Pool) -> list[str]:
    """Their home is an empty directory that only root can write to: sshd and shells run no file of theirs."""
    uid = f"uid={pool.first_uid}"
    return [
        "# --- users: on the login node and on every compute node, or in the site's directory service ---",
        f"getent group {LOGIN_GROUP} >/dev/null || groupadd --system {LOGIN_GROUP}",
        *([uid] if pool.first_uid else []),
        f"for user in {' '.join(pool.users)}; do",
        "  if ! getent passwd $user >/dev/null; then",
        f"    useradd --no-create-home --home-dir {pool.work_root}/{HOME} --shell /bin/sh"
        + (" --uid $uid --user-group $user" if pool.first_uid else " --user-group $user"),
        "    usermod --password '*' $user  # no password, but sshd does not regard the account as locked",
        "  fi",
        f"  usermod --append --groups {LOGIN_GROUP} $user",
        *(["  uid=$((uid + 1))"] if pool.first_uid else []),
        "done",
        *(
            [f"usermod --append --groups {LOGIN_GROUP} {pool.main}"]
            if pool.login is Login.CERTIFICATE
            else []
        ),
    ]


def files(pool: Pool) -> list[str]:
    """The work root can be entered and not listed by customers, and each sees the own directory only."""
    root, owner = pool.work_root, pool.main or SERVICES[0]
    return [
        "# --- files: on one host where root may change owners on the shared file system ---",
        f"install -d -o {owner} -m 0711 {root}",
        f"install -d -o root -g root -m 0555 {root}/{HOME}",
        f"install -d -o {owner} -m 0700 {root}/{LEASES}",
        f"for user in {' '.join(pool.users)}; do",
        f'  install -d -o $user -g "$(id -gn $user)" -m 0700 {root}/$user',
        "done",
    ]


def slurm(pool: Pool) -> list[str]:
    """The main login sees and cancels all jobs of the account as its coordinator."""
    account, main = pool.account, pool.main or SERVICES[0]
    return [
        "# --- slurm: on a host with sacctmgr, as an administrator of SLURM ---",
        "cluster=$(scontrol show config | sed -n 's/^ClusterName *= *//p')",
        'test -n "$cluster"',
        "has() {  # has VALUE COMMAND...: whether the table has the value",
        "  value=$1",
        "  shift",
        '  sacctmgr --noheader --parsable2 "$@" | tr , "\\n" | grep -Fxq -e "$value"',
        "}",
        f"has {account} show account where name={account} format=account ||",
        f'  sacctmgr -i add account {account} Cluster="$cluster" Description=provd Organization=provd',
        f"for user in {' '.join((main, *pool.users))}; do",
        f'  has $user show assoc where cluster="$cluster" account={account} user=$user format=user ||',
        f'    sacctmgr -i add user $user Account={account} Cluster="$cluster"',
        "done",
        f"has {main} show account where name={account} withcoord format=coordinators ||",
        f"  sacctmgr -i add coordinator account={account} names={main}",
    ]


def ssh(pool: Pool) -> list[str]:
    """Forwarding, terminals and users' own key files and login files are off for the whole group."""
    certificate = pool.login is Login.CERTIFICATE
    trusted = (
        [
            f"    TrustedUserCAKeys {AUTHORITIES}",
            f"    AuthorizedPrincipalsFile {PRINCIPALS}",
            "    AuthorizedKeysFile none",
        ]
        if certificate
        else [f"    AuthorizedKeysFile {AUTHORIZED_KEYS}"]
    )
    return [
        "# --- ssh: on the login node ---",
        *_file(AUTHORITIES if certificate else AUTHORIZED_KEYS, pool.public_keys),
        *(_file(PRINCIPALS, [PRINCIPAL]) if certificate else []),
        *_file(SSHD_FILE, sshd_lines(trusted)),
        "sshd=$(command -v sshd || echo /usr/sbin/sshd)",
        "$sshd -t",
        f"seen_by=user={pool.users[0]},host=localhost,addr=127.0.0.1",
        "if ! $sshd -T -C $seen_by | grep -q /etc/ssh/provd_; then",
        f"  echo 'sshd does not read {SSHD_FILE}: add an Include line to /etc/ssh/sshd_config' >&2",
        "  exit 1",
        "fi",
        "systemctl try-reload-or-restart ssh.service 2>/dev/null ||",  # Debian's name, then EL's
        "  systemctl try-reload-or-restart sshd.service",
    ]


def sshd_lines(trusted: Sequence[str]) -> list[str]:
    return [
        f"Match Group {LOGIN_GROUP}",
        *trusted,
        "    AuthenticationMethods publickey",
        "    DisableForwarding yes",
        "    PermitTTY no",
        "    PermitUserRC no",
        "Match all",
    ]


def sudo(pool: Pool) -> list[str]:
    return [
        "# --- sudo: on the login node, where provd runs ---",
        *_file(SUDO_FILE, [f"{', '.join(SERVICES)} ALL=(%{LOGIN_GROUP}) NOPASSWD: /bin/sh"]),
        f"chmod 0440 {SUDO_FILE}",
        f"visudo -c -f {SUDO_FILE}",
    ]


def _file(path: str, lines: Sequence[str]) -> list[str]:
    return [f"cat >{path} <<'END'", *lines, "END"]
