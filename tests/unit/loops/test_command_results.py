"""Results of commands to node agents: stored once, and expired only when nobody can answer any more."""

from dataclasses import replace
from pathlib import Path

import pytest

from provider_daemon.errors import Transient
from provider_daemon.ledger import nodes
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.loops.command_results import LATE_SECONDS, store_results
from provider_daemon.loops.heartbeat import Heartbeat
from provider_daemon.nodes.command import CommandKind, CommandResult, IssuedCommand, SignedCommand
from provider_daemon.nodes.facts import AgentFacts
from provider_daemon.nodes.report import Acknowledgement
from tests.unit.loops.conftest import TENANCY, House

SIGNED = SignedCommand("{}", "s")
SENT = IssuedCommand("cmd-1", "c.n1", "HPC-1", 1, CommandKind.RUN_DIAGNOSTIC, SIGNED, 10, 100, "ann")
END = 100.0 + LATE_SECONDS


class Answers:
    """Agents of one cluster; None: their answers cannot be read."""

    def __init__(self, *answers: Acknowledgement, readable: bool = True) -> None:
        self.answers = {each.command_id: each for each in answers}
        self.readable = readable

    def facts(self, cluster_id: str) -> dict[str, AgentFacts]:
        raise AssertionError(f"{cluster_id}: results need no facts")

    def acknowledgements(self, cluster_id: str) -> dict[str, Acknowledgement]:
        if not self.readable:
            raise Transient("agents.sqlite cannot be read")
        return self.answers if cluster_id == "HPC-1" else {}


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    made = Ledger.open(tmp_path / "ledger.sqlite")
    with made.write():
        nodes.add_command(made, SENT)
        nodes.add_command(made, replace(SENT, command_id="cmd-2", node_id="d.n1", cluster_id="HPC-2"))
    return made


def stored(ledger: Ledger, command_id: str = "cmd-1") -> tuple[CommandResult | None, str, float]:
    found = nodes.command(ledger, command_id)
    assert found is not None
    return found.result, found.output, found.finished_at


def test_an_answer_is_stored_once(ledger: Ledger) -> None:
    """With its output and when it was read. Later answers and other clusters change nothing."""
    store_results(ledger, Answers(Acknowledgement("cmd-1", CommandResult.DONE, "all well")), "HPC-1", 50.0)
    assert stored(ledger) == (CommandResult.DONE, "all well", 50.0)
    store_results(ledger, Answers(Acknowledgement("cmd-1", CommandResult.INVALID, "old")), "HPC-1", 60.0)
    assert stored(ledger) == (CommandResult.DONE, "all well", 50.0)
    assert stored(ledger, "cmd-2") == (None, "", 0.0)


def test_without_an_answer_it_expires(ledger: Ledger) -> None:
    """Only after the time in which an agent that began at the deadline has been heard."""
    store_results(ledger, Answers(), "HPC-1", END)
    assert stored(ledger)[0] is None
    store_results(ledger, Answers(), "HPC-1", END + 1)
    assert stored(ledger) == (CommandResult.EXPIRED, "the agent did not answer in time", END + 1)


def test_unreadable_answers_are_no_absence(ledger: Ledger) -> None:
    """However late it is: the result stays unknown until the answers can be read."""
    store_results(ledger, Answers(readable=False), "HPC-1", END + 1)
    assert stored(ledger)[0] is None
    store_results(ledger, Answers(Acknowledgement("cmd-1", CommandResult.FAILED)), "HPC-1", END + 2)
    assert stored(ledger)[0] is CommandResult.FAILED


async def test_the_heartbeat_loop_stores_answers(house: House) -> None:
    """At each poll, also while SLURM does not answer."""
    with house.ledger.write():
        nodes.add_command(house.ledger, SENT)
    house.scheduler.down = True
    answers = Answers(Acknowledgement("cmd-1", CommandResult.DONE, "all well"))
    loop = Heartbeat(
        house.ledger, house.scheduler, house.chain.client, TENANCY, house.chain.clock, agents=answers
    )
    with pytest.raises(Transient):
        await loop.tick()
    assert stored(house.ledger)[:2] == (CommandResult.DONE, "all well")
