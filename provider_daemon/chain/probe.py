"""What one endpoint reports about itself, healthy or not."""

from dataclasses import dataclass

from provider_daemon.chain.endpoint import Endpoint, ask_one, node_status
from provider_daemon.chain.grpc_errors import connect
from provider_daemon.errors import ProvdError


@dataclass(frozen=True, slots=True)
class EndpointReport:
    """An endpoint's report about itself.

    If `problem`, the reason for no answer, is set, nothing else is known. `time` of its newest block is in
    seconds since the epoch.
    """

    url: str
    problem: str = ""
    chain_id: str = ""
    syncing: bool = False
    height: int = 0
    time: float = 0.0


async def probe(url: str) -> EndpointReport:
    endpoint = Endpoint(url, connect(url))
    try:
        syncing, block, _ = await ask_one(endpoint, node_status)
    except ProvdError as error:
        return EndpointReport(url, problem=str(error))
    finally:
        await endpoint.channel.close()
    header = block.sdk_block.header
    return EndpointReport(
        url,
        "",
        header.chain_id,
        syncing.syncing,
        header.height,
        header.time.seconds + header.time.nanos / 1e9,
    )
