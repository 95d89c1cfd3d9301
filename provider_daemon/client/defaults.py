"""Completes a message from the chain's records, so that an omitted field keeps its value."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.message import Message

from provider_daemon.chain import audit_marker, evidence, gateway_marker, messages
from provider_daemon.chain.ask import request
from provider_daemon.chain.client import GrpcChain
from provider_daemon.chain.gateway_json import render
from provider_daemon.chain.keys import Signer
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2
from provider_daemon.chain.records import job_state
from provider_daemon.chain.spec_digest import digest
from provider_daemon.errors import ConfigError

# The chain sets both from every UpdateOffering; omitted means false.
KEPT = ("active", "supports_custom_workloads")


async def values(chain: GrpcChain, name: str, said: dict[str, Any]) -> dict[str, Any]:
    """Adds the recorded values of fields that the chain would otherwise set to false or zero.

    Raises Refused if there is no record.
    """
    if name == "MsgUpdateOffering" and said.get("offering_id"):
        return {**await _kept(chain, str(said["offering_id"])), **said}
    if name == "MsgUpdateCluster" and said.get("cluster_id"):
        return await _with_words(chain, said)
    if name == "MsgUpdateParams":
        current = render((await chain.ask("Params", request("Params", {}))).message)["params"]
        return {**said, "params": {**current, **_table(said.get("params"))}}
    return said


async def _with_words(chain: GrpcChain, said: dict[str, Any]) -> dict[str, Any]:
    """Writes the gateway's address and the site audit into the description, or keeps them there when the
    text around them changes.

    The chain keeps a description that is replaced by nothing. Raises ConfigError for an invalid value.
    """
    url, audit, text = said.get("gateway"), said.get("site_audit"), said.get("description")
    said = {field: value for field, value in said.items() if field not in ("gateway", "site_audit")}
    if url is None and audit is None and text is None:
        return said
    asked = request("Cluster", {"cluster_id": str(said["cluster_id"])})
    found: Any = (await chain.ask("Cluster", asked)).message
    current = found.cluster.description
    described = current if text is None else str(text)
    try:
        described = gateway_marker.put(described, _kept_word(url, gateway_marker.find, described, current))
        described = audit_marker.put(described, _kept_word(audit, audit_marker.find, described, current))
    except ValueError as error:
        raise ConfigError([str(error)]) from None
    if not described and current:
        raise ConfigError(
            [
                "the description would become empty, and the chain ignores an empty one: set --description "
                "to a text"
            ]
        )
    return {**said, "description": described}


def _kept_word(given: Any, find: Callable[[str], object], described: str, current: str) -> str:
    """Returns the given value, or that of the new text, or that of the current one."""
    return str(find(described) or find(current) or "") if given is None else str(given)


async def _kept(chain: GrpcChain, offering_id: str) -> dict[str, Any]:
    found: Any = (await chain.ask("Offering", request("Offering", {"offering_id": offering_id}))).message
    return {name: getattr(found.offering, name) for name in KEPT}


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


async def sign_evidence(chain: GrpcChain, message: Message, signer: Signer) -> None:
    """Signs a report's facts as the daemon does, unless the file has a signature.

    Raises Refused if the job does not exist.
    """
    if not isinstance(message, tx_pb2.MsgReportJobStatus) or message.signature:
        return
    found: Any = (await chain.ask("Job", request("Job", {"job_id": message.job_id}))).message
    message.signed_timestamp = message.signed_timestamp or int(time.time())
    facts = evidence.EvidenceFacts(
        chain_id=chain.chain_id,
        cluster_id=found.job.cluster_id,
        provider=message.provider_address,
        job_id=message.job_id,
        slurm_job_id=message.slurm_job_id,
        state=job_state(message.state, message.job_id),
        exit_code=message.exit_code,
        usage=messages.usage_of(message.usage_metrics),
        signed_at=message.signed_timestamp,
        spec_sha256=digest(found.job, chain.chain_id),
    )
    message.signature = evidence.sign(facts, signer)
