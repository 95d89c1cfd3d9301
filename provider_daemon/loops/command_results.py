"""What became of commands to node agents, from the collector's database into the ledger."""

from collections.abc import Mapping

import structlog

from provider_daemon.errors import Transient
from provider_daemon.ledger import nodes
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.nodes.command import CommandResult, IssuedCommand
from provider_daemon.nodes.report import Acknowledgement
from provider_daemon.ports import Agents

log = structlog.get_logger("provd.nodes")

LATE_SECONDS = 600  # an agent that started a command at its deadline has been heard by then


def store_results(ledger: Ledger, agents: Agents, cluster_id: str, now: float) -> None:
    """Stores the agents' answers, and which commands nobody answered in time.

    Without a reading of the agents nothing is stored: what cannot be read is not absent.
    """
    waiting = [each for each in nodes.open_commands(ledger) if each.cluster_id == cluster_id]
    if not waiting:
        return
    try:
        answered = agents.acknowledgements(cluster_id)
    except Transient:  # the heartbeat loop logs it when it reads the facts
        return
    finished = [(each, answer) for each in waiting if (answer := _answer(each, answered, now))]
    if not finished:
        return
    with ledger.write():
        for each, answer in finished:
            nodes.finish_command(ledger, each.command_id, answer.result, answer.output, now)
    for each, answer in finished:
        log.info(
            "node_command_finished",
            node=each.node_id,
            kind=each.kind,
            command=each.command_id,
            result=answer.result,
        )


def _answer(
    issued: IssuedCommand, answered: Mapping[str, Acknowledgement], now: float
) -> Acknowledgement | None:
    if issued.command_id in answered:
        return answered[issued.command_id]
    if now > issued.deadline + LATE_SECONDS:
        return Acknowledgement(issued.command_id, CommandResult.EXPIRED, "the agent did not answer in time")
    return None
