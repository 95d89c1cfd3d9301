"""Plans the replacement of the daemon's key.

The chain has no message that transfers a cluster: a job is reported by the address that it was booked from.
Therefore the new key serves a cluster of its own beside the old one until the last old job is reported.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from shlex import quote
from typing import Any

from provider_daemon.chain.client import GrpcChain
from provider_daemon.client.queries import address, question
from provider_daemon.client.transaction import FEE_DENOM
from provider_daemon.config.model import Config
from provider_daemon.errors import ConfigError

OPEN_STATES = ("pending", "queued", "running")
EVERY = 1_000_000  # records per answer: all of them


@dataclass(frozen=True, slots=True)
class OldCluster:
    cluster_id: str
    name: str
    region: str
    total_nodes: int
    offerings: tuple[str, ...]
    open_jobs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RotationFacts:
    """`new` is "" without a new key, `balance` is in the fee denom, `dispute_seconds` a chain parameter."""

    key_name: str
    old: str
    new: str
    sequence: int
    balance: int
    dispute_seconds: int
    clusters: tuple[OldCluster, ...]
    config_path: str
    now: float


async def facts(
    chain: GrpcChain, config: Config, key_name: str, new: str, config_path: str, now: float
) -> RotationFacts:
    """Raises ConfigError if no cluster in the configuration uses that key or `new` is not an address.

    Raises Refused if the chain knows none of the clusters.
    """
    served = [cluster.id for cluster in config.clusters if cluster.key == key_name]
    if not served:
        raise ConfigError([f"no cluster in {config_path} has key = {key_name!r}"])
    records: list[Any] = [
        (await _ask(chain, "Cluster", cluster_id=cluster_id)).cluster for cluster_id in served
    ]
    old = records[0].provider_address
    account = await chain.account(old)
    params: Any = await _ask(chain, "Params")
    return RotationFacts(
        key_name=key_name,
        old=old,
        new=address(new) if new else "",
        sequence=account.sequence,
        balance=await chain.balance(old, config.chain.fee_denom),
        dispute_seconds=params.params.dispute_resolution_period,
        clusters=tuple([await _cluster(chain, record) for record in records]),
        config_path=config_path,
        now=now,
    )


async def _ask(chain: GrpcChain, rpc: str, **values: object) -> Any:
    return (await chain.ask(rpc, question(rpc, values))).message


async def _cluster(chain: GrpcChain, record: Any) -> OldCluster:
    cluster_id = record.cluster_id
    every = {"pagination": {"limit": EVERY}}
    offerings = (await _ask(chain, "OfferingsByCluster", cluster_id=cluster_id, **every)).offerings
    jobs = [
        job
        for state in OPEN_STATES
        for job in (await _ask(chain, "Jobs", cluster_id=cluster_id, state=state, **every)).jobs
    ]
    return OldCluster(
        cluster_id=cluster_id,
        name=record.name,
        region=record.region,
        total_nodes=record.total_nodes,
        offerings=tuple(offering.offering_id for offering in offerings if offering.active),
        open_jobs=tuple(job.job_id for job in jobs),
    )


def plan(known: RotationFacts) -> list[str]:
    """Returns the steps in order, one action per line; numbered lines start a step. Pure."""
    steps = [
        _new_key(known),
        _beside(known),
        _no_new_jobs(known),
        _serve_both(known),
        _wait(known),
        _leave(known),
        _keep(known),
    ]
    lines = [
        (
            f"From {known.old} (sequence {known.sequence}, {known.balance}{FEE_DENOM}) to "
            f"{known.new or 'a new key'}."
        )
    ]
    for number, (title, *rest) in enumerate(steps, 1):
        lines += [f"{number}. {title}", *(f"   {line}" for line in rest)]
    return lines


def _new_key(known: RotationFacts) -> list[str]:
    made = [] if known.new else ["provd keys add next"]
    return [
        (
            f"{'Fund the new key' if known.new else 'Create the new key and fund it'} from a wallet "
            "other than the daemon's:"
        ),
        *made,
        f"send {known.new or 'its address'} some {FEE_DENOM}: the old key holds {known.balance}{FEE_DENOM}",
    ]


def _beside(known: RotationFacts) -> list[str]:
    lines = [
        (
            "Register each cluster again with the new key, and create the same offerings; node ids are "
            "global, so use a new cluster name:"
        )
    ]
    for cluster in known.clusters:
        described = (
            f"--name {quote(cluster.name)} --region {quote(cluster.region)} --total-nodes "
            f"{cluster.total_nodes}"
        )
        lines.append(f"provd tx hpc register-cluster {described} --from next")
        lines.append("provd tx hpc update-cluster NEW-ID --state active --from next")
        lines += [
            f"provd query hpc offering {offering} -o yaml   (the terms for create-offering --file)"
            for offering in cluster.offerings
        ]
    return lines


def _no_new_jobs(known: RotationFacts) -> list[str]:
    offerings = [offering for cluster in known.clusters for offering in cluster.offerings]
    lines = [
        f"provd tx hpc update-offering {offering} --inactive --from {known.old}" for offering in offerings
    ]
    return [
        (
            "Stop the daemon, and stop accepting jobs with the old key (its next sequence is "
            f"{known.sequence}):"
        ),
        *lines,
    ]


def _serve_both(known: RotationFacts) -> list[str]:
    return [
        (
            f"In {known.config_path} add [keys.next], and a [[clusters]] for each new id with another "
            'name and key = "next"; keep the old:'
        ),
        f"provd config validate -c {known.config_path}",
        "start the daemon: it serves both clusters",
    ]


def _wait(known: RotationFacts) -> list[str]:
    lines = [f"Wait until the last job of {known.old} is reported; jobs that are open now:"]
    for cluster in known.clusters:
        lines.append(f"{cluster.cluster_id}: {', '.join(cluster.open_jobs) or 'none'}")
        lines.append(f"provd query hpc jobs --cluster {cluster.cluster_id} --watch")
    return lines


def _leave(known: RotationFacts) -> list[str]:
    lines = [
        f"provd tx hpc deregister-cluster {cluster.cluster_id} --from {known.old}"
        for cluster in known.clusters
    ]
    return [
        (
            f"Remove the old [[clusters]] and [keys.{known.key_name}] from {known.config_path}, restart the "
            "daemon, then:"
        ),
        *lines,
    ]


def _keep(known: RotationFacts) -> list[str]:
    until = datetime.fromtimestamp(known.now + known.dispute_seconds, UTC)
    return [
        (
            "Keep the old key for disputes until the dispute period of its last job is over "
            f"({until:%Y-%m-%d} if it ends today):"
        ),
        f"transfer the balance of {known.old} to the new key, then: provd keys delete",
    ]
