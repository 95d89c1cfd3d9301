"""Checks of the chain's endpoints. Pure; first lines are in docs/doctor.md."""

from provider_daemon.chain.head_monitor import HALTED_SECONDS
from provider_daemon.chain.heights import LAG_BLOCKS
from provider_daemon.chain.probe import EndpointReport
from provider_daemon.doctor.facts import ChainFacts
from provider_daemon.doctor.finding import Finding, fail, judge, known, ok, skipped, warn
from provider_daemon.job.payment import SETTLES_NOTHING, ChainSettlement

AHEAD_SECONDS = 5.0  # a block's time is never later than now on an honest clock


def cause(chain_id: str, endpoints: tuple[EndpointReport, ...]) -> str:
    """The check that reports why no endpoint is usable; "" if one is."""
    if any(_good(each, chain_id) for each in endpoints):
        return ""
    if all(each.problem for each in endpoints):
        return "chain-endpoints"
    return "chain-sync" if any(each.chain_id == chain_id for each in endpoints) else "chain-id"


def _good(each: EndpointReport, chain_id: str) -> bool:
    return not each.problem and not each.syncing and each.chain_id == chain_id


def _answering(chain: ChainFacts) -> list[EndpointReport]:
    return [each for each in chain.endpoints if not each.problem]


def endpoints(chain: ChainFacts) -> Finding:
    """Every configured endpoint answers."""
    down = [each.problem for each in chain.endpoints if each.problem]
    seen = f"{len(chain.endpoints) - len(down)} of {len(chain.endpoints)} endpoints answer"
    if not down:
        return ok(seen)
    todo = "check that the node runs and its gRPC port is open, or correct chain.endpoints"
    told = f"{seen}: {'; '.join(down)}"
    return fail(told, todo) if len(chain.endpoints) - len(down) < chain.quorum else warn(told, todo)


def chain_id(chain: ChainFacts) -> Finding:
    """Every endpoint serves the configured chain."""
    answering = _answering(chain)
    if not answering:
        return skipped("no endpoint answers", "chain-endpoints")
    names = sorted({each.chain_id for each in answering})
    return judge(
        names == [chain.chain_id],
        f"the endpoints serve {', '.join(names)}",
        f"correct chain.id ({chain.chain_id}) or chain.endpoints",
    )


def sync(chain: ChainFacts) -> Finding:
    """No endpoint is still syncing."""
    answering = _answering(chain)
    if not answering:
        return skipped("no endpoint answers", "chain-endpoints")
    late = [each.url for each in answering if each.syncing]
    return judge(
        not late,
        f"{len(late)} of {len(answering)} endpoints are syncing",
        "wait until the node has caught up; provd does not use it until then",
    )


def height_age(chain: ChainFacts) -> Finding:
    """The newest block is recent."""
    current = [each for each in _answering(chain) if not each.syncing]
    if not current:
        return skipped("every endpoint is syncing", cause(chain.chain_id, chain.endpoints) or "chain-sync")
    newest = max(current, key=lambda each: each.height)
    age = chain.now - newest.time
    todo = "check whether the chain has halted and whether this host's clock is ahead"
    return judge(age <= HALTED_SECONDS, f"block {newest.height} is {max(age, 0):.1f} s old", todo)


def heights_agree(chain: ChainFacts) -> Finding:
    """The endpoints are at about the same height."""
    current = [each for each in _answering(chain) if not each.syncing]
    if len(current) < 2:
        return ok(f"{len(current)} endpoint in sync: nothing to compare")
    apart = max(each.height for each in current) - min(each.height for each in current)
    seen = f"the endpoints are {apart} blocks apart"
    return (
        ok(seen)
        if apart <= LAG_BLOCKS
        else warn(seen, "check the node that is behind; provd does not use it until it has caught up")
    )


def quorum(chain: ChainFacts) -> Finding:
    """How many endpoints must agree before provd submits, cancels or reports anything."""
    count, usable = len(chain.endpoints), sum(_good(each, chain.chain_id) for each in chain.endpoints)
    seen = f"{chain.quorum} of {count} endpoints must agree"
    if usable < chain.quorum:
        return skipped(f"{seen}, but only {usable} are usable", _at_fault(chain))
    if count == 1:
        return ok(f"{seen}: a single endpoint is trusted")
    alone = f"{seen}: one endpoint with false answers can make provd run invented jobs or miss cancels"
    return ok(seen) if chain.quorum > 1 else warn(alone, "set chain.quorum = 0 to require a majority")


def _at_fault(chain: ChainFacts) -> str:
    if len(_answering(chain)) < chain.quorum:
        return "chain-endpoints"
    return "chain-sync" if any(each.syncing for each in _answering(chain)) else "chain-id"


def clock(chain: ChainFacts) -> Finding:
    """This host's clock is not behind the newest block's time."""
    answering = _answering(chain)
    if not answering:
        return skipped("no endpoint answers", "chain-endpoints")
    ahead = max(each.time for each in answering) - chain.now
    seen = (
        f"this host's clock is {ahead:.1f} s behind the newest block"
        if ahead > 0
        else "this host's clock is not behind the newest block"
    )
    return judge(ahead <= AHEAD_SECONDS, seen, "synchronize this host's clock with NTP")


def queries(chain: ChainFacts) -> Finding:
    """Every Query RPC of the module is served, or the raw store answers in its place."""
    wired = known(chain.wired)
    seen = f"the node serves {len(wired)} of {chain.rpcs} Query RPCs"
    if len(wired) == chain.rpcs:
        return ok(seen)
    told = f"{seen}, the raw store {'answers for the rest' if known(chain.store) else 'does not answer'}"
    return judge(
        known(chain.store),
        told,
        "enable ABCI queries of /store/hpc on the node, or use a node that serves every Query RPC",
    )


def index(chain: ChainFacts) -> Finding:
    """The node indexes transactions by hash."""
    if known(chain.indexed):
        return ok("the node indexes transactions")
    seen = (
        "the node does not index transactions: provd searches every block for its own transactions, and "
        "reads every open job at each tick to find cancels"
    )
    return warn(
        seen,
        (
            'set `indexer = "kv"` in the node\'s config.toml; without it, account-foreign cannot detect '
            "other signers"
        ),
    )


def settlement(chain: ChainFacts) -> Finding:
    """The chain holds the prices of jobs in escrow and settles their bills."""
    found = known(chain.settlement)
    if found is ChainSettlement.PROMISE:
        return warn(
            SETTLES_NOTHING,
            'bill customers outside the chain, or set clusters.payment.mode = "escrow": provd then refuses '
            "every job until the chain holds escrow",
        )
    held = found is ChainSettlement.ESCROW
    return ok(
        "the chain holds escrow and pays bills" if held else "unknown until a job with a price is on chain"
    )


def gas_price(chain: ChainFacts) -> Finding:
    """The gas price in the fee denom is above zero."""
    price = known(chain.gas_price)
    seen = f"the gas price is {price:f} {chain.fee_denom} per unit"
    return (
        ok(seen)
        if price > 0
        else warn(seen, f"check that the chain accepts fees in chain.fee_denom ({chain.fee_denom})")
    )
