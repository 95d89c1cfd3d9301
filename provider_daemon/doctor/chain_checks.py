"""The chain's endpoints. Pure: each check takes the Chain facts; the first line of its docstring is in docs/doctor.md."""

from provider_daemon.chain.heights import LAG_BLOCKS
from provider_daemon.chain.introduction import Introduction
from provider_daemon.chain.pulse import HALTED_SECONDS
from provider_daemon.doctor.facts import Chain
from provider_daemon.doctor.finding import Finding, fail, judge, known, ok, skipped, warn

AHEAD_SECONDS = 5.0  # a block's time is never later than now on an honest clock


def blame(chain_id: str, endpoints: tuple[Introduction, ...]) -> str:
    """The check that tells why no endpoint can be believed; "" when one can."""
    if any(_good(each, chain_id) for each in endpoints):
        return ""
    if all(each.problem for each in endpoints):
        return "chain-endpoints"
    return "chain-sync" if any(each.chain_id == chain_id for each in endpoints) else "chain-id"


def _good(each: Introduction, chain_id: str) -> bool:
    return not each.problem and not each.syncing and each.chain_id == chain_id


def _answering(chain: Chain) -> list[Introduction]:
    return [each for each in chain.endpoints if not each.problem]


def endpoints(chain: Chain) -> Finding:
    """Whether each endpoint answers."""
    down = [each.problem for each in chain.endpoints if each.problem]
    seen = f"{len(chain.endpoints) - len(down)} of {len(chain.endpoints)} answer"
    if not down:
        return ok(seen)
    todo = "see whether the node runs and its gRPC port is open; else correct chain.endpoints"
    told = f"{seen}: {'; '.join(down)}"
    return fail(told, todo) if len(chain.endpoints) - len(down) < chain.quorum else warn(told, todo)


def chain_id(chain: Chain) -> Finding:
    """The chain that each endpoint is on."""
    answering = _answering(chain)
    if not answering:
        return skipped("no endpoint answers", "chain-endpoints")
    names = sorted({each.chain_id for each in answering})
    return judge(names == [chain.chain_id], f"they are on {', '.join(names)}", f"correct chain.id ({chain.chain_id}) or chain.endpoints")


def sync(chain: Chain) -> Finding:
    """Whether an endpoint is catching up."""
    answering = _answering(chain)
    if not answering:
        return skipped("no endpoint answers", "chain-endpoints")
    late = [each.url for each in answering if each.syncing]
    return judge(not late, f"{len(late)} of {len(answering)} catch up", "wait until the node has caught up: provd does not believe it")


def height_age(chain: Chain) -> Finding:
    """The age of the newest block."""
    current = [each for each in _answering(chain) if not each.syncing]
    if not current:
        return skipped("no endpoint is up to date", blame(chain.chain_id, chain.endpoints) or "chain-sync")
    newest = max(current, key=lambda each: each.height)
    age = chain.now - newest.time
    todo = "the chain makes no blocks, or this host's clock is ahead: look at both"
    return judge(age <= HALTED_SECONDS, f"height {newest.height}, {max(age, 0):.1f} s old", todo)


def heights_agree(chain: Chain) -> Finding:
    """The heights of the endpoints against each other."""
    current = [each for each in _answering(chain) if not each.syncing]
    if len(current) < 2:
        return ok(f"{len(current)} endpoint to compare")
    apart = max(each.height for each in current) - min(each.height for each in current)
    seen = f"{apart} blocks apart"
    return ok(seen) if apart <= LAG_BLOCKS else warn(seen, "look at the node that is behind: provd leaves it out until it has caught up")


def quorum(chain: Chain) -> Finding:
    """How many endpoints must agree before provd submits, cancels, or reports anything."""
    count, usable = len(chain.endpoints), sum(_good(each, chain.chain_id) for each in chain.endpoints)
    seen = f"{chain.quorum} of {count} must agree"
    if usable < chain.quorum:
        return skipped(f"{seen}, {usable} are usable", _at_fault(chain))
    if count == 1:
        return ok(f"{seen}: this endpoint alone is trusted in everything")
    alone = f"{seen}: one endpoint alone is trusted, what it invents is run and what it hides is not seen"
    return ok(seen) if chain.quorum > 1 else warn(alone, "set chain.quorum to 0, so that a majority must agree")


def _at_fault(chain: Chain) -> str:
    if len(_answering(chain)) < chain.quorum:
        return "chain-endpoints"
    return "chain-sync" if any(each.syncing for each in _answering(chain)) else "chain-id"


def clock(chain: Chain) -> Finding:
    """This host's clock against the newest block's time."""
    answering = _answering(chain)
    if not answering:
        return skipped("no endpoint answers", "chain-endpoints")
    ahead = max(each.time for each in answering) - chain.now
    seen = f"the newest block is {ahead:.1f} s in our future" if ahead > 0 else "no block is from our future"
    return judge(ahead <= AHEAD_SECONDS, seen, "set this host's clock by NTP")


def queries(chain: Chain) -> Finding:
    """Which of the module's Query RPCs are served, and whether the raw store answers for the others."""
    wired = known(chain.wired)
    seen = f"{len(wired)} of {chain.rpcs} Query RPCs are served"
    if len(wired) == chain.rpcs:
        return ok(seen)
    told = f"{seen}, the store {'answers for the rest' if known(chain.store) else 'does not answer'}"
    return judge(known(chain.store), told, "let the node answer ABCI queries of /store/hpc, or use a node that serves all of Query")


def index(chain: Chain) -> Finding:
    """Whether the node finds transactions by their hash."""
    if known(chain.indexed):
        return ok("it keeps an index of transactions")
    seen = "it keeps no index of transactions: provd reads each block for its own, and every open job for cancels at each tick"
    return warn(seen, 'set `indexer = "kv"` in the node\'s config.toml; a transaction of somebody else with our key is not seen until then')


def gas_price(chain: Chain) -> Finding:
    """The price of gas in the fee denom."""
    price = known(chain.gas_price)
    seen = f"{price:f} {chain.fee_denom} a unit of gas"
    return ok(seen) if price > 0 else warn(seen, f"is chain.fee_denom ({chain.fee_denom}) the denom that the chain takes fees in?")
