"""5,000 simulated node agents on one collector, and then attacks on it. `make agents`, or MINUTES=number.

The collector, the daemon and TLS are real; the site of 5,000 nodes is simulated, the chain is a devnet. Exits
with 0 only if no heartbeat was lost or refused, the daemon got each agent's last one, each node on chain has
its agent's key and fingerprint, and every attack was refused and counted with its reason.
"""

import argparse
import asyncio
import shutil
import ssl
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from provider_daemon.demo.market import CLUSTER
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.log import configure
from provider_daemon.node_store.store import NodeStore
from tests.ending import until_told
from tests.expect import Wrong
from tests.load.agent_attacks import ATTACKS, FRESH, Ground, Row, play
from tests.load.agent_fleet import Fleet, SimulatedAgent, Tally, fleet
from tests.load.agent_place import Place, nodes_on_chain, place, processor_seconds
from tests.load.data_place import resident
from tests.waiting import until

AGENTS, MINUTES = 5000, 10.0
REGISTER_SECONDS = 150  # for all of them, as pdsh would roll them out
CHAIN_SECONDS = 300  # until the chain has what the last agent reported


def say(text: str) -> None:
    print(text, flush=True)


@dataclass(frozen=True, slots=True)
class Moment:
    """Processor seconds of collector and daemon, and the chain's height."""

    at: float
    collector: float
    daemon: float
    height: int

    @classmethod
    async def now(cls, made: Place) -> "Moment":
        collector, daemon = (processor_seconds(process.pid) for process in (made.collector, made.daemon))
        return cls(time.monotonic(), collector, daemon, (await made.market.chain.head()).height)


async def measure(directory: Path, count: int, minutes: float) -> list[str]:
    """Returns the problems."""
    async with place(directory, count + FRESH) as made:
        tls = ssl.create_default_context(cafile=str(made.ca))
        began = time.monotonic()
        tokens = await made.tokens(count + FRESH)
        say(f"{len(tokens)} node tokens after {time.monotonic() - began:.0f} s")
        async with fleet(tokens[FRESH:], tls) as agents:
            problems = await course(made, agents, minutes)
            problems += await attacks(made, agents.agents, tokens[:FRESH], tls)
        return problems


async def course(made: Place, agents: Fleet, minutes: float) -> list[str]:
    began = time.monotonic()
    await agents.register(REGISTER_SECONDS * len(agents.agents) / AGENTS)
    shown(f"registrations in {time.monotonic() - began:.0f} s", agents.registrations)
    shown("first heartbeats", agents.heartbeats)
    agents.heartbeats = Tally()
    before = await Moment.now(made)
    await agents.run(60 * minutes)
    after = await Moment.now(made)
    seconds = after.at - before.at
    shown("heartbeats", agents.heartbeats)
    say(f"heartbeats a second: {agents.heartbeats.accepted / seconds:.0f} for {seconds:.0f} s")
    figures(made, before, after)
    problems = unwell(agents.heartbeats) + held(made, agents.agents)
    return problems + await on_chain(made, agents.agents)


def shown(what: str, tally: Tally) -> None:
    refused = ", ".join(f"{number} {code}" for code, number in tally.refused.items()) or "none"
    lost = ", ".join(f"{number} {error}" for error, number in tally.lost.items()) or "none"
    say(f"{what}: {tally.accepted} accepted, refused {refused}, without an answer {lost}")
    parts = [1000 * part for part in statistics.quantiles(tally.seconds, n=100)]
    say(
        f"    answers after {parts[49]:.1f} ms in the median, {parts[98]:.0f} ms of 99 in 100, "
        f"{1000 * max(tally.seconds):.0f} ms at most"
    )


def figures(made: Place, before: Moment, after: Moment) -> None:
    seconds = after.at - before.at
    for name, process, used in (
        ("collector", made.collector, after.collector - before.collector),
        ("daemon", made.daemon, after.daemon - before.daemon),
    ):
        now, peak = resident(process)
        say(f"{name}: {100 * used / seconds:.0f} % of a core, {now} MB resident, {peak} MB at most")
    with closing(Ledger.open(made.directory / "ledger.sqlite", readonly=True, lock=False)) as ledger:
        sent = [each for each in ledger.last_txs(1_000_000) if before.height < each.height <= after.height]
    blocks, messages = after.height - before.height, sum(each.messages for each in sent)
    say(
        f"transactions: {len(sent)} in {blocks} blocks, {len(sent) / blocks:.2f} a block, "
        f"{messages / max(1, len(sent)):.0f} messages each"
    )


def unwell(tally: Tally) -> list[str]:
    bad = sum(tally.refused.values()) + sum(tally.lost.values())
    return [f"{bad} heartbeats were refused or lost"] if bad else []


def held(made: Place, agents: Sequence[SimulatedAgent]) -> list[str]:
    """Compares what the daemon reads of the collector with what the agents sent."""
    facts = NodeStore(made.directory / "agents.sqlite").facts(CLUSTER)
    other = [
        agent.token.node_id
        for agent in agents
        if (found := facts.get(agent.token.node_id)) is None
        or found.heartbeat is None
        or found.heartbeat.sequence_number != agent.acknowledged
    ]
    say(f"the collector's file holds the last heartbeat of {len(agents) - len(other)} agents")
    return [f"the last heartbeat of {len(other)} agents is not in it: {other[:3]}"] if other else []


async def on_chain(made: Place, agents: Sequence[SimulatedAgent]) -> list[str]:
    """Waits until the chain has each agent's key and fingerprint, with its node active."""
    wanted = {agent.token.node_id: (agent.public_key, agent.fingerprint, True) for agent in agents}

    async def equal() -> bool:
        found = await nodes_on_chain(made.market)
        return all(found.get(node) == each for node, each in wanted.items())

    try:
        waited = await until("the chain has every agent", equal, CHAIN_SECONDS, pause=5)
    except Wrong as error:
        return [str(error)]
    say(
        f"on chain: {len(wanted)} active nodes with their agents' keys and fingerprints, {waited:.0f} s later"
    )
    return []


async def attacks(
    made: Place, agents: Sequence[SimulatedAgent], unused: Sequence[str], tls: ssl.SSLContext
) -> list[str]:
    """Plays every attack and prints a row for each."""
    ground = Ground(made, tls, agents[0], agents[1], [SimulatedAgent(text, tls) for text in unused])
    fresh = list(ground.fresh)
    rows = []
    for attack in ATTACKS:
        rows.append(await play(ground, attack))
        row(rows[-1])
    for agent in fresh:
        await agent.close()
    refused = [each for each in rows if not each.refused]
    alive = (await agents[2].beat()).accepted
    say(f"{len(rows)} attacks, {len(rows) - len(refused)} refused with a counted reason")
    problems = [f"not refused as it should be: {each.attack.name}" for each in refused]
    return problems + ([] if alive else ["after the attacks a heartbeat is refused"])


def row(found: Row) -> None:
    answered = f"{found.seen.status} {' '.join(found.seen.codes)}" if found.seen.status else "closed"
    say(
        f"    {found.attack.name:<42} {answered:<24} counted {found.counted:4.0f} as {found.attack.reason}"
        f"{'' if found.refused else '  WRONG'}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure one collector with many agents, and attack it.")
    parser.add_argument("--agents", type=int, default=AGENTS)
    parser.add_argument("--minutes", type=float, default=MINUTES)
    options = parser.parse_args()
    configure("console", "error")
    directory = Path(tempfile.mkdtemp(prefix="provd-agents."))
    directory.chmod(0o755)
    problems = asyncio.run(until_told(measure(directory, options.agents, options.minutes)))
    for problem in problems:
        say(f"WRONG: {problem}")
    if problems:
        say(f"logs and databases are left in {directory}")
        return 1
    shutil.rmtree(directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
