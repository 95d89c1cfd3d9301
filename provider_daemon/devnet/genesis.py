"""The state of the first block: funded accounts, and the module's parameters and counters."""

import re
from collections.abc import Mapping, Sequence

from provider_daemon.chain import bech32, codec, keyspace
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.devnet import bank
from provider_daemon.devnet.context import ChainRules, Context
from provider_daemon.devnet.kv import Layer
from provider_daemon.errors import ConfigError

# docs/protocol.md, 'Parameters'
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
META_STORE, CHAIN_ID = "meta", b"chain_id"
COUNTERS = (
    keyspace.NEXT_CLUSTER,
    keyspace.NEXT_OFFERING,
    keyspace.NEXT_JOB,
    keyspace.NEXT_DECISION,
    keyspace.NEXT_DISPUTE,
)


def chain_id(state: Layer) -> str:
    """Returns the chain id; empty before the first block."""
    return state.get(META_STORE, CHAIN_ID).decode()


def same_chain(state: Layer, rules: ChainRules) -> None:
    found = chain_id(state)
    if found != rules.chain_id:
        next_step = f"start it with --chain-id {found}, or name another --home"
        raise ConfigError([f"the devnet's file holds chain {found!r}, not {rules.chain_id!r}: {next_step}"])


def write(ctx: Context, funds: Mapping[str, Mapping[str, int]]) -> None:
    for address, coins in funds.items():
        for denom, amount in coins.items():
            bank.credit(ctx.state, address, denom, amount)
    ctx.state.put(META_STORE, CHAIN_ID, ctx.rules.chain_id.encode())
    ctx.store(keyspace.PARAMS, "", PARAMS)
    for counter in COUNTERS:
        ctx.state.put(keyspace.HPC_STORE, counter, (1).to_bytes(8, "big"))
    price = {"current_min_gas_prices": [{"denom": ctx.rules.fee_denom, "amount": ctx.rules.min_gas_price}]}
    ctx.state.put(keyspace.GAS_PRICING_STORE, keyspace.GAS_PRICE, codec.dumps(price))


def parse_funds(texts: Sequence[str]) -> dict[str, dict[str, int]]:
    """Parses `ADDRESS=AMOUNTDENOM,...` into address -> denom -> amount.

    Raises ConfigError that lists every error.
    """
    funds: dict[str, dict[str, int]] = {}
    problems = []
    for text in texts:
        address, _, coins = text.partition("=")
        try:
            bech32.decode(address)
            funds.setdefault(address, {}).update(_coin(coin) for coin in coins.split(","))
        except ValueError as error:
            problems.append(f"fund {text!r}: {error}")
    if problems:
        raise ConfigError(problems)
    return funds


def parse_identities(texts: Sequence[str]) -> dict[str, int]:
    """Parses `ADDRESS=SCORE` into address -> score. Raises ConfigError that lists every error."""
    scores: dict[str, int] = {}
    problems = []
    for text in texts:
        address, _, score = text.partition("=")
        try:
            bech32.decode(address)
            scores[address] = int(score)
            if not 0 <= scores[address] <= 100:
                raise ValueError(f"score must be 0 to 100: {score}")
        except ValueError as error:
            problems.append(f"identity {text!r}: {error}")
    if problems:
        raise ConfigError(problems)
    return scores


def parse_authority(text: str) -> str:
    """Returns the address, or "" for none. Raises ConfigError."""
    try:
        if text:
            bech32.decode(text)
    except ValueError as error:
        raise ConfigError([f"authority: {error}"]) from None
    return text


def _coin(text: str) -> tuple[str, int]:
    match = re.fullmatch(r"(\d+)([a-z][a-z0-9]{2,127})", text)
    if match is None:
        raise ValueError(f"invalid coin: {text!r}; must be an amount with its denom, such as 1000uve")
    return match[2], int(match[1])
