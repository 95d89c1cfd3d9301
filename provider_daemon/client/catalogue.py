"""Reads a provider's catalogue from its gateway, and checks a job against it before anything is signed."""

import asyncio
import base64
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from provider_daemon.catalogue import acceptance
from provider_daemon.catalogue.document import (
    Availability,
    Catalogue,
    fields,
    read_availability,
    read_catalogue,
)
from provider_daemon.chain import catalogue_marker, gateway_marker, records
from provider_daemon.chain.client import GrpcChain
from provider_daemon.chain.proto.virtengine.hpc.v1.tx_pb2 import MsgSubmitJob
from provider_daemon.chain.proto.virtengine.hpc.v1.types_pb2 import JOB_STATE_PENDING, HPCCluster, HPCJob
from provider_daemon.chain.signed_documents import canonical, verify_document
from provider_daemon.client import market
from provider_daemon.client.gateway import Gateway
from provider_daemon.client.gateway_facts import GatewayRefused
from provider_daemon.errors import ConfigError, ProvdError, Transient, Unreadable
from provider_daemon.job.admission import Inadmissible
from provider_daemon.job.spec import ChainJob

NOT_FOUND = 404
PATIENCE = 10.0  # seconds for the gateway's answer


@dataclass(frozen=True, slots=True)
class Published:
    """Both documents, signed by the provider. `on_chain`: the chain names the hash of this catalogue."""

    catalogue: Catalogue
    availability: Availability
    on_chain: bool


async def published(cluster: HPCCluster, url: str = "") -> Published | None:
    """Returns the cluster's catalogue; None if the cluster names no gateway, or the gateway has none.

    `url` replaces the gateway's address on chain. Raises Transient, GatewayRefused, ConfigError for the
    address, and Unreadable for an answer that the provider has not signed.
    """
    address = url or gateway_marker.find(cluster.description)
    if not address:
        return None
    try:
        async with asyncio.timeout(PATIENCE), Gateway(address) as gateway:
            found = await gateway.catalogue(cluster.cluster_id)
    except GatewayRefused as error:
        if error.status == NOT_FOUND:
            return None
        raise
    except TimeoutError:
        raise Transient(f"the gateway {address} does not answer within {PATIENCE:.0f} s") from None
    return _verified(found, cluster)


def _verified(found: Any, cluster: HPCCluster) -> Published:
    """Raises Unreadable unless the cluster's provider has signed both documents."""
    try:
        key = base64.b64decode(found["public_key"], validate=True)
        documents = [
            (found["catalogue"], found["signature"]),
            (found["availability"], found["availability_signature"]),
        ]
        data = [canonical(document) for document, _ in documents]
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable(f"the catalogue cannot be read: {error!r}") from None
    for signed, (_, signature) in zip(data, documents, strict=True):
        if not verify_document(signed, str(signature), cluster.provider_address, key):
            raise Unreadable("the catalogue is not signed by the cluster's provider")
    catalogue, free = read_catalogue(found["catalogue"]), read_availability(found["availability"])
    if {catalogue.cluster_id, free.cluster_id} != {cluster.cluster_id}:
        raise Unreadable(f"the catalogue is for another cluster: {catalogue.cluster_id}")
    named = catalogue_marker.find(cluster.description)
    return Published(catalogue, free, hashlib.sha256(data[0]).hexdigest() == named)


async def of_offering(chain: GrpcChain, offering_id: str, cluster_id: str) -> dict[str, Any]:
    """Returns what the provider's catalogue adds to an offering's record; {} without a gateway.

    Raises what `published` raises.
    """
    found = await published(await market.cluster(chain, cluster_id))
    if found is None:
        return {}
    own = found.catalogue.offering(offering_id)
    shown = replace(found.catalogue, offerings=(own,) if own else ())
    return {
        "catalogue": fields(shown),
        "availability": fields(found.availability),
        "catalogue_hash_on_chain": found.on_chain,
    }


async def of_cluster(cluster: HPCCluster) -> dict[str, Any]:
    """Returns maintenance and what is free; without a gateway the maintenance that the chain names.

    Raises what `published` raises.
    """
    found = await published(cluster)
    if found is not None:
        windows = fields(found.catalogue)["maintenance"]
        free = {"availability": fields(found.availability)}
        return {"maintenance": windows, **free} if windows else free
    times = catalogue_marker.find_maintenance(cluster.description)
    return {"maintenance": [{"starts_at": times[0], "ends_at": times[1]}]} if times else {}


async def check(chain: GrpcChain, message: Message, say: Callable[[str], None], url: str = "") -> None:
    """Raises ConfigError with the provider's reason for a job that it would refuse.

    Messages about anything but a new job pass. `say` reports that only the chain's records could be checked.
    """
    if not isinstance(message, MsgSubmitJob):
        return
    offering = await chain.offering(message.offering_id)
    if offering is None:
        raise ConfigError([f"offering {message.offering_id} does not exist on chain"])
    record = await market.cluster(chain, offering.cluster_id)
    catalogue = await _catalogue(record, say, url)
    job = _as_job(message, chain.chain_id)
    try:
        named = catalogue_marker.find_maintenance(record.description)
        acceptance.check(job, offering, records.cluster(record), catalogue, time.time(), named)
    except Inadmissible as reason:
        raise ConfigError([f"the provider would refuse this job: {reason}"]) from None


async def _catalogue(record: HPCCluster, say: Callable[[str], None], url: str) -> Catalogue | None:
    try:
        found = await published(record, url)
    except ProvdError as error:
        say(f"the provider's catalogue is not used: {error}; only the chain's records were checked")
        return None
    return found.catalogue if found else None


def _as_job(message: MsgSubmitJob, chain_id: str) -> ChainJob:
    """Returns the job as the chain would store it."""
    now = Timestamp(seconds=max(1, int(time.time())))
    record = HPCJob(
        job_id="JOB-0",
        offering_id=message.offering_id,
        customer_address=message.customer_address,
        queue_name=message.queue_name,
        workload_spec=message.workload_spec,
        resources=message.resources,
        data_references=message.data_references,
        max_runtime_seconds=message.max_runtime_seconds,
        agreed_price=message.max_price,
        created_at=now,
        state=JOB_STATE_PENDING,
    )
    return records.chain_job(record, chain_id)
