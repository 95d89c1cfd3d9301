"""The batch scripts of the probe jobs: what a customer's job gets, with the probe as its program. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from provider_daemon.config.model import ClusterConfig
from provider_daemon.errors import ConfigError
from provider_daemon.job.admission import Inadmissible, QueueOption, Terms, admit
from provider_daemon.job.job import Job
from provider_daemon.job.spec import Resources, Spec, Workload
from provider_daemon.job.state import State
from provider_daemon.loops.cluster import ServedCluster
from provider_daemon.ports import Submission
from provider_daemon.site_audit import program
from provider_daemon.slurm.script import render

NAME = "provd-audit"  # of the jobs; the daemon's jobs have names of another form
MEMORY_GB = 1
VICTIM_SECONDS, ATTACK_SECONDS, AFTER_SECONDS = 900, 300, 120


@dataclass(frozen=True, slots=True)
class Probe:
    """A probe job. `number`: what its answers begin with. `user`: its Unix user, "" for the login's."""

    name: str
    directory: str
    number: str
    user: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """What the probe jobs are: image, queue on chain, and SLURM account."""

    image: str
    queue: str
    account: str = ""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the attacker tries to reach. Addresses are (address, port) pairs.

    `targets` has the lists slurmctld, management, metadata, internet and loopback.
    """

    targets: Mapping[str, list[tuple[str, int]]]
    sockets: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    login_paths: tuple[str, ...] = ()
    daemon_paths: tuple[str, ...] = ()
    writable_paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Victim:
    """The other customer's job, once it runs. `word`: a word of its command line."""

    probe: Probe
    slurm_id: str
    word: str
    port: int


def chosen_image(cluster: ClusterConfig, wanted: str) -> str:
    """Returns the image to audit with: `wanted`, or the first configured one whose name is complete.

    Raises ConfigError if there is none.
    """
    plain = [image.pattern for image in cluster.images if not set("*?[") & set(image.pattern)]
    if wanted or plain:
        return wanted or plain[0]
    if any(image.pattern == "*" for image in cluster.images):
        return NAME
    raise ConfigError(
        [f"cluster {cluster.name}: set --image to an image that customers may use, with python3 in it"]
    )


def launcher(served: ServedCluster, kind: Kind) -> str:
    """Returns the name of what starts the image's jobs; "" for native ones. Raises ConfigError."""
    found = _job(served, kind, ("true",), 60).program
    assert found is not None
    return found.contained.launcher.value if found.contained else next(iter(found.launcher), "")


def victim(served: ServedCluster, kind: Kind, probe: Probe, word: str) -> Submission:
    asked = {"role": "victim", "number": probe.number, "seconds": VICTIM_SECONDS}
    return _submission(served, kind, probe, program.argv(asked, word), VICTIM_SECONDS, "")


def attack(
    served: ServedCluster, kind: Kind, probe: Probe, node: str, other: Victim, around: Surroundings, mark: str
) -> Submission:
    asked = {
        "role": "attack",
        "number": probe.number,
        "name": probe.name,
        "other": {
            "directory": other.probe.directory,
            "slurm_id": other.slurm_id,
            "port": other.port,
            "sha256": hashlib.sha256(other.word.encode()).hexdigest(),
        },
        "targets": around.targets,
        "sockets": around.sockets,
        "keys": around.keys,
        "login_paths": around.login_paths,
        "daemon_paths": around.daemon_paths,
        "writable_paths": around.writable_paths,
        "submission": submission_name(mark),
        "account": kind.account,
        "partition": served.partition(kind.queue),
        "mark": mark,
        "key": key(mark),
        "memory_mib": MEMORY_GB * 1024,
    }
    return _submission(served, kind, probe, program.argv(asked), ATTACK_SECONDS, node)


def after(served: ServedCluster, kind: Kind, probe: Probe, node: str, mark: str) -> Submission:
    asked = {"role": "after", "number": probe.number, "mark": mark, "key": key(mark)}
    return _submission(served, kind, probe, program.argv(asked), AFTER_SECONDS, node)


def submission_name(mark: str) -> str:
    """Returns the name under which the attacker's job submits another one."""
    return f"{NAME}-{mark}-more"


def key(mark: str) -> int:
    """Returns the key of the System V memory that the attacker's job leaves behind; never 0."""
    return int(mark[:7], 16) | 1


def _submission(
    served: ServedCluster, kind: Kind, probe: Probe, argv: tuple[str, ...], seconds: int, node: str
) -> Submission:
    most = served.site.limits.max_runtime_seconds or seconds
    job = replace(_job(served, kind, argv, min(seconds, most)), user=probe.user)
    batch = served.batch(job, probe.directory, _cached(job, kind))
    script = render(replace(batch, name=probe.name, node=node))
    return Submission(probe.name, script, probe.directory, user=probe.user)


def _cached(job: Job, kind: Kind) -> str:
    """Returns the digest of the image in the site's cache; "" if the job needs none. Raises ConfigError."""
    assert job.program is not None
    if job.program.contained is None or not job.program.contained.needs_image:
        return ""
    _, found, digest = kind.image.rpartition("@sha256:")
    if not found:
        raise ConfigError(["set --image to an image with its digest (name@sha256:...) that the cache has"])
    return f"sha256:{digest}"


def _job(served: ServedCluster, kind: Kind, argv: tuple[str, ...], seconds: int) -> Job:
    """Returns the job of a customer who asked for this program on one core. Raises ConfigError."""
    spec = Spec(
        chain_id="site-audit",
        job_id="JOB-0",
        offering_id="OFF-0",
        cluster_id=served.cluster_id,
        provider=served.signer.address,
        customer=served.signer.address,
        queue=kind.queue,
        workload=Workload(image=kind.image, command=argv[0], arguments=argv[1:]),
        resources=Resources(nodes=1, cpus_per_node=1, memory_gb_per_node=MEMORY_GB),
        max_runtime_seconds=seconds,
        created_ns=0,
    )
    try:
        found = admit(spec, Terms((QueueOption(kind.queue),)), served.site)
    except Inadmissible as error:
        raise ConfigError([f"the probe job cannot run: {error}"]) from None
    waiting = State.PENDING
    return Job(spec, found, seconds, 0.0, state=waiting, reported=waiting, promised=waiting)
