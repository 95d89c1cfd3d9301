"""The first block's state: funded accounts, the module's parameters and counters."""

from collections.abc import Mapping

from provider_daemon.chain import codec, keyspace
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.devnet import bank
from provider_daemon.devnet.context import Context

# MODULE.md, 'Parameters'
PARAMS = types_pb2.Params(
    platform_fee_rate="50000",
    provider_reward_rate="800000",
    node_reward_rate="150000",
    min_job_duration_seconds=60,
    max_job_duration_seconds=604800,
    default_identity_threshold=50,
    cluster_heartbeat_timeout=300,
    node_heartbeat_timeout=120,
    latency_weight_factor="600000",
    capacity_weight_factor="400000",
    max_latency_ms=50,
    dispute_resolution_period=604800,
    reward_formula_version="v1.0.0",
    enable_proximity_clustering=True,
)
COUNTERS = (keyspace.NEXT_CLUSTER, keyspace.NEXT_OFFERING, keyspace.NEXT_JOB, keyspace.NEXT_DECISION, keyspace.NEXT_DISPUTE)


def write(ctx: Context, funds: Mapping[str, Mapping[str, int]]) -> None:
    for address, coins in funds.items():
        for denom, amount in coins.items():
            bank.credit(ctx.state, address, denom, amount)
    ctx.store(keyspace.PARAMS, "", PARAMS)
    for counter in COUNTERS:
        ctx.state.put(keyspace.HPC_STORE, counter, (1).to_bytes(8, "big"))
    price = {"current_min_gas_prices": [{"denom": ctx.rules.fee_denom, "amount": ctx.rules.min_gas_price}]}
    ctx.state.put(keyspace.GAS_PRICING_STORE, keyspace.GAS_PRICE, codec.dumps(price))
