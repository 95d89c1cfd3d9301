"""What a site does to logins: a second sshd in front of the same SLURM, with one configuration per case."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from provider_daemon.clock import SystemClock
from provider_daemon.ports import ConnectOutcome
from provider_daemon.slurm.login import LoginError
from provider_daemon.slurm.logins import SiteLogins
from provider_daemon.slurm.scheduler import SlurmScheduler
from provider_daemon.slurm.ssh import SshTransport
from tests.cases import Case
from tests.expect import Wrong, same
from tests.real.sshd import TYPES, Sshd, sshd
from tests.site_quirks.query_cases import SEEN
from tests.site_quirks.stage import Stage

CERTIFICATE = "HostCertificate {directory}/host_ed25519-cert.pub"
WORKING = {
    "files that print on both streams": (
        'ForceCommand echo Welcome; echo "Quota: 80%" >&2; eval "$SSH_ORIGINAL_COMMAND"'
    ),
    "a banner in Latin-1": "Banner {directory}/banner",
    "a login that takes 3 s": (
        "ForceCommand [ -e {directory}/seen ] || sleep 3; touch {directory}/seen; eval "
        '"$SSH_ORIGINAL_COMMAND"'
    ),
}
REFUSING = {
    "a closed account": (["ForceCommand /usr/sbin/nologin"], ConnectOutcome.COMMAND_REFUSED),
    "a second factor": (
        ["AuthenticationMethods publickey,keyboard-interactive", "KbdInteractiveAuthentication yes"],
        ConnectOutcome.SECOND_FACTOR,
    ),
    "files that read stdin": (
        ['ForceCommand printf "Project? "; read -r project; eval "$SSH_ORIGINAL_COMMAND"'],
        ConnectOutcome.STDIN_CONSUMED,
    ),
    "a key that is not accepted": (["AuthorizedKeysFile none"], ConnectOutcome.LOGIN_REFUSED),
}


def _transport(stage: Stage, host: Sshd, **pin: str) -> SshTransport:
    wanted = pin or {"host_key_fingerprint": host.keys.fingerprint("ed25519")}
    return host.transport(user=stage.site.layout.plan.user, clock=SystemClock(), **wanted)


async def _seen(stage: Stage, transport: SshTransport) -> str:
    own, stage.scheduler = stage.scheduler, SlurmScheduler(SiteLogins(transport), SystemClock())
    try:
        return await stage.truth()
    finally:
        await stage.scheduler.close()
        stage.scheduler = own


def _environment(stage: Stage, path: str = "") -> str:
    return f"SetEnv {f'PATH={path} ' if path else ''}SLURM_CONF={stage.site.layout.slurm_conf}"


@contextmanager
def _directory(stage: Stage) -> Iterator[str]:
    """Creates a directory for the user's keys, which sshd reads as that user."""
    with tempfile.TemporaryDirectory(dir=stage.bin.parent) as name:
        Path(name).chmod(0o777)
        yield name


async def working(line: str, stage: Stage) -> str:
    with _directory(stage) as name:
        (Path(name) / "banner").write_bytes("Université - accès réservé\n".encode("latin-1"))
        async with sshd(Path(name), [_environment(stage), line]) as host:
            return await _seen(stage, _transport(stage, host))


async def pinned(kind: str, stage: Stage) -> str:
    """Pins the fingerprint of one of the host's three keys; the others are offered first."""
    with _directory(stage) as name:
        async with sshd(Path(name), [_environment(stage)]) as host:
            return await _seen(
                stage, _transport(stage, host, host_key_fingerprint=host.keys.fingerprint(kind))
            )


async def certified(stage: Stage) -> str:
    """Accepts the authority that signed the host's key, beside a damaged line."""
    with _directory(stage) as name:
        async with sshd(Path(name), [_environment(stage), CERTIFICATE], principal="127.0.0.1") as host:
            file = Path(name) / "known_hosts"
            file.write_text(
                f"{host.place} ssh-ed25519 AAAAC3\n@cert-authority {host.place} "
                f"{host.keys.public('authority')}\n"
            )
            return await _seen(stage, _transport(stage, host, known_hosts=str(file)))


async def no_path(stage: Stage) -> str:
    with _directory(stage) as name:
        async with sshd(Path(name), [_environment(stage, "/usr/local/nothing-of-slurm")]) as host:
            return await _seen(stage, _transport(stage, host))


async def refused(lines: list[str], outcome: ConnectOutcome, stage: Stage) -> str:
    """The login fails with its own outcome, in one line, and no command runs."""
    with _directory(stage) as name:
        async with sshd(Path(name), [*lines, _environment(stage)]) as host:
            transport = _transport(stage, host)
            try:
                await SlurmScheduler(SiteLogins(transport), SystemClock()).nodes()
            except LoginError as error:
                same("outcome", error.outcome, outcome)
                return str(error)
            finally:
                await transport.close()
    raise Wrong("the nodes were read")


CASES = [
    *(Case(f"login: {what}", SEEN, partial(working, line)) for what, line in WORKING.items()),
    *(Case(f"login: the fingerprint of its {kind} key", SEEN, partial(pinned, kind)) for kind in TYPES),
    Case("login: a host certificate", SEEN, certified),
    Case("login: a PATH that leads nowhere", SEEN, no_path),
    *(
        Case(f"login: {what}", f"refused: {outcome}", partial(refused, lines, outcome))
        for what, (lines, outcome) in REFUSING.items()
    ),
]
