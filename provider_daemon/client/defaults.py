"""Completes a message from the chain's records, so that an omitted field keeps its value."""

import time
from collections.abc import Mapping
from typing import Any

from google.protobuf.message import Message

from provider_daemon.chain import evidence, messages
from provider_daemon.chain.ask import request
from provider_daemon.chain.client import GrpcChain
from provider_daemon.chain.gateway_json import render
from provider_daemon.chain.keys import Signer
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2
from provider_daemon.chain.records import job_state
from provider_daemon.chain.spec_digest import digest

# The chain sets both from every UpdateOffering; omitted means false.
KEPT = ("active", "supports_custom_workloads")


async def values(chain: GrpcChain, name: str, said: dict[str, Any]) -> dict[str, Any]:
    """Adds the recorded values of fields that the chain would otherwise set to false or zero.

    Raises Refused if there is no record.
    """
    if name == "MsgUpdateOffering" and said.get("offering_id"):
        return {**await _kept(chain, str(said["offering_id"])), **said}
    if name == "MsgUpdateParams":
        current = render((await chain.ask("Params", request("Params", {}))).message)["params"]
        return {**said, "params": {**current, **_table(said.get("params"))}}
    return said


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
