"""Gathers a cluster's facts: SSH connection, then slurmctld and slurmdbd, then the rest in parallel."""

import asyncio
import statistics
import time
from dataclasses import dataclass, replace
from typing import Any

from provider_daemon.config.model import ClusterConfig
from provider_daemon.doctor import gather_host
from provider_daemon.doctor.deadline import Deadline, because
from provider_daemon.doctor.facts import Slurm, Ssh
from provider_daemon.doctor.finding import Unknown
from provider_daemon.doctor.ssh_checks import OTHERS
from provider_daemon.errors import ConfigError, ProvdError
from provider_daemon.ports import Clock, ConnectOutcome
from provider_daemon.slurm.commands import COMMANDS
from provider_daemon.slurm.connect import SiteTransport, logins
from provider_daemon.slurm.inspect import Inspection
from provider_daemon.slurm.launchers import needed
from provider_daemon.slurm.login import LoginError
from provider_daemon.slurm.logins import SiteLogins
from provider_daemon.slurm.script import Batch, render
from provider_daemon.slurm.ssh import CHANNELS, SshTransport

HOST_KEY_PROBLEMS = frozenset({ConnectOutcome.HOST_KEY_MISMATCH, ConnectOutcome.UNUSABLE_FILE})
TRIAL_SECONDS = 60  # run time of the job for sbatch --test-only


@dataclass(slots=True)
class Way:
    """The connection to a site; `missing` replaces all facts about an unreachable one."""

    ssh: Ssh | None
    inspection: Inspection | None
    logins: SiteLogins[SiteTransport] | None
    missing: Unknown | None

    async def close(self) -> None:
        if self.logins is not None:
            await self.logins.close()


# --- connection ---


async def way(cluster: ClusterConfig, looker: Deadline, clock: Clock) -> Way:
    if cluster.ssh is None:
        made = logins(cluster, clock)
        return Way(None, Inspection(made.main), made, None)
    mode = gather_host.mode(cluster.ssh.key_file)
    if isinstance(mode, Unknown) or mode & OTHERS:
        return _lost(mode, "the SSH key file cannot be used", "ssh-key-file")
    try:
        made = logins(cluster, clock)
    except ConfigError as error:
        return _lost(mode, str(error), "ssh-host-key", host_key=Unknown(str(error)))
    return await _reach(made, mode, looker)


def _lost(mode: int | Unknown, why: str, cause: str, **facts: Any) -> Way:
    """`facts` are the known facts of Ssh."""
    missing = Unknown(why, cause)
    unknown = dict.fromkeys(("host_key", "login", "round_trip", "sessions"), missing)
    return Way(Ssh(mode, wanted=CHANNELS, **{**unknown, **facts}), None, None, missing)


async def _reach(made: SiteLogins[SiteTransport], mode: int, looker: Deadline) -> Way:
    """Connects within clusters.ssh.login_seconds, as the daemon does, then restarts the time limit."""
    main = made.main
    assert isinstance(main, SshTransport)
    inspection = Inspection(main)
    try:
        await main.connect()
        looker.restart()
        await inspection.begin()
    except ProvdError as error:
        await made.close()
        outcome = error.outcome if isinstance(error, LoginError) else ConnectOutcome.FAILED
        if outcome in HOST_KEY_PROBLEMS:
            return _lost(
                mode,
                "the host key is not the pinned one",
                "ssh-host-key",
                host_key=Unknown(str(error)),
                outcome=outcome,
            )
        return _lost(
            mode, "the login node cannot be reached", "ssh-login", login=Unknown(str(error)), outcome=outcome
        )
    seconds = await looker(lambda: _round_trip(inspection))
    sessions = await looker(lambda: main.sessions(CHANNELS))
    return Way(
        Ssh(mode, "the host key is the pinned one", "logged in", seconds, sessions, CHANNELS),
        inspection,
        made,
        None,
    )


async def _round_trip(inspection: Inspection) -> float:
    taken = []
    for _ in range(3):
        start = time.monotonic()
        await inspection.begin()
        taken.append(time.monotonic() - start)
    return statistics.median(taken)


# --- SLURM ---


async def slurm(cluster: ClusterConfig, reached: Way, looker: Deadline, clock: Clock) -> Slurm:
    """Gathers everything except the trials, which need the offerings."""
    gone, site = reached.missing, reached.inspection
    if site is None:
        assert gone is not None
        return Slurm(**dict.fromkeys(Slurm.__dataclass_fields__, gone))
    commands = await looker(lambda: site.found(COMMANDS))
    if isinstance(commands, Unknown) or commands != COMMANDS:
        missing = Unknown("SLURM's commands were not found", "slurm-commands")
        return replace(Slurm(**dict.fromkeys(Slurm.__dataclass_fields__, missing)), commands=commands)
    programs = sorted({needed(image.launcher, image.run) for image in cluster.images} - {""})
    (settings, associations, account, qos), (version, mended, skew, work_root, found) = await asyncio.gather(
        asyncio.gather(
            looker(site.settings),
            looker(site.associations),
            looker(lambda: site.account(cluster.account)),
            looker(site.qos),
        ),
        asyncio.gather(
            looker(site.version),
            looker(site.mended),
            looker(lambda: _skew(site, clock)),
            looker(lambda: site.work_root(cluster.work_root)),
            looker(lambda: site.found(programs)),
        ),
    )
    down = because(settings, "slurmctld does not answer", "slurm-controller")
    no_database = because(associations, "slurmdbd does not answer", "slurm-database")
    backlog, partitions, nodes, queue, query_range = await asyncio.gather(
        looker(site.backlog, down),
        looker(site.partitions, down),
        looker(site.nodes, down),
        looker(site.queue, down),
        looker(site.query_range, no_database),
    )
    user, allowed = ("", ()) if isinstance(associations, Unknown) else associations
    return Slurm(
        controller=settings
        if isinstance(settings, Unknown)
        else f"slurmctld of {settings.get('ClusterName', '?')}",
        database=associations if isinstance(associations, Unknown) else "slurmdbd",
        settings=down or settings,
        version=version,
        mended=mended,
        backlog=backlog,
        partitions=partitions,
        nodes=nodes if isinstance(nodes, Unknown) else nodes[0],
        node_hosts=nodes if isinstance(nodes, Unknown) else nodes[1],
        user=no_database or user,
        associations=no_database or allowed,
        account_exists=no_database or account,
        qos=no_database or qos,
        skew=skew,
        trials=down or {},
        work_root=work_root,
        programs=found,
        query_range=query_range,
        odd=queue if isinstance(queue, Unknown) else site.odd(),
        commands=commands,
    )


async def _skew(site: Inspection, clock: Clock) -> float:
    before = clock.now()
    said = await site.clock()
    return apart(before, said, clock.now())


def apart(before: float, said: int, after: float) -> float:
    """Returns the least number of seconds that a clock in whole seconds is ahead (negative: behind).

    `said` was read between `before` and `after`; 0 means that the clock may be right.
    """
    if said > after:
        return said - after
    return said + 1 - before if said + 1 < before else 0.0


# --- sbatch --test-only ---


async def trials(
    cluster: ClusterConfig, reached: Way, wanted: dict[str, str], looker: Deadline
) -> dict[str, tuple[bool, str]] | Unknown:
    """`wanted` maps queues to partitions."""
    site = reached.inspection
    assert site is not None

    async def ask_all() -> dict[str, tuple[bool, str]]:
        answers = await asyncio.gather(
            *(site.trial(script(cluster, partition)) for partition in wanted.values())
        )
        return dict(zip(wanted, answers, strict=True))

    return await looker(ask_all)


def script(cluster: ClusterConfig, partition: str) -> str:
    """Returns a minimal job script with the header of every job."""
    directory = f"{cluster.work_root}/provd-doctor"
    return render(
        Batch(
            name="provd-doctor",
            partition=partition,
            account=cluster.account,
            qos=cluster.qos,
            nodes=1,
            cpus_per_node=1,
            memory_gb_per_node=1,
            gpus_per_node=0,
            gpu_type="",
            wall_seconds=TRIAL_SECONDS,
            directory=directory,
            working_directory="",
            environment=(),
            argv=("true",),
            prologue=tuple(cluster.prologue),
        )
    )
