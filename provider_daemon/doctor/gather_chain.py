"""Gathers the facts about the chain's endpoints, and each cluster's record and offerings."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from provider_daemon.chain import ask
from provider_daemon.chain.client import GrpcChain
from provider_daemon.chain.grpc_errors import NoIndex, NotFound, Unimplemented
from provider_daemon.chain.market import records_of
from provider_daemon.chain.probe import EndpointReport, probe
from provider_daemon.chain.proto.virtengine.hpc.v1 import query_pb2
from provider_daemon.chain.records import offering
from provider_daemon.config.model import ChainConfig
from provider_daemon.doctor.chain_checks import cause
from provider_daemon.doctor.deadline import Deadline
from provider_daemon.doctor.facts import ChainFacts, Offered, Parameters
from provider_daemon.doctor.finding import Unknown
from provider_daemon.errors import Refused
from provider_daemon.job.payment import ChainSettlement, newest_settlement
from provider_daemon.loops.chain_settlement import newest_jobs
from provider_daemon.ports import Clock


@dataclass(slots=True)
class ChainAnswers:
    """The chain through its usable endpoints; `missing` replaces every fact if no endpoint is usable."""

    facts: ChainFacts
    client: GrpcChain
    missing: Unknown | None


async def gather(config: ChainConfig, looker: Deadline, clock: Clock) -> ChainAnswers:
    endpoints = await asyncio.gather(*(probe(url) for url in config.endpoints))
    now = clock.now()
    nobody = cause(config.id, tuple(endpoints))
    missing = Unknown("no endpoint is usable", nobody) if nobody else None
    client = GrpcChain(config.id, _good(endpoints, config.id), clock)
    wired, indexed, counter, price, settlement = await asyncio.gather(
        looker(lambda: _wired(client), missing),
        looker(lambda: _indexed(client), missing),
        looker(client.job_counter, missing),
        looker(lambda: client.gas_price(config.fee_denom), missing),
        looker(lambda: _settlement(client), missing),
    )
    facts = ChainFacts(
        chain_id=config.id,
        fee_denom=config.fee_denom,
        now=now,
        endpoints=tuple(endpoints),
        wired=wired,
        rpcs=len(ask.METHODS),
        store=missing or not isinstance(counter, Unknown),
        gas_price=price if isinstance(price, Unknown) else float(price),
        indexed=indexed,
        settlement=settlement,
        quorum=config.quorum or len(config.endpoints) // 2 + 1,
    )
    return ChainAnswers(facts, client, missing)


def _good(endpoints: Sequence[EndpointReport], chain_id: str) -> list[str]:
    return [
        each.url for each in endpoints if not each.problem and not each.syncing and each.chain_id == chain_id
    ]


async def _settlement(client: GrpcChain) -> ChainSettlement:
    """Reads the newest job records; one that cannot be read shows nothing."""
    return newest_settlement(await newest_jobs(client, await client.job_counter()))


async def _wired(client: GrpcChain) -> frozenset[str]:
    """Returns the served Query RPCs: those that answer an empty request with anything but UNIMPLEMENTED."""
    names = list(ask.METHODS)
    served = await asyncio.gather(*(_is_wired(client, name) for name in names))
    return frozenset(name for name, there in zip(names, served, strict=True) if there)


async def _indexed(client: GrpcChain) -> bool:
    """Queries a transaction that cannot exist."""
    try:
        await client.txs.get("0" * 64)
    except NoIndex:
        return False
    except Refused:
        return True
    return True


async def _is_wired(client: GrpcChain, name: str) -> bool:
    try:
        await client.query.rpc(name, ask.request(name, {}))
    except Unimplemented:
        return False
    except Refused:
        return True
    return True


async def offered(client: GrpcChain, cluster_id: str) -> tuple[Offered, ...]:
    """Returns active and inactive offerings."""
    return tuple(
        Offered(offering(record), record.max_runtime_seconds)
        for record in await records_of(client, cluster_id)
    )


async def parameters(client: GrpcChain) -> Parameters:
    """Returns the current parameters, which governance may change at any time."""
    try:
        answer = (await client.ask("Params", query_pb2.QueryParamsRequest())).message
    except NotFound:
        return Parameters(0, 0)
    assert isinstance(answer, query_pb2.QueryParamsResponse)
    return Parameters(answer.params.node_heartbeat_timeout, answer.params.max_job_duration_seconds)
