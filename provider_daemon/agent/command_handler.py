"""Handles the commands in an answer: decides, executes, and stores the result for the next heartbeat."""

from dataclasses import replace

from provider_daemon import systemd
from provider_daemon.agent import commands, state
from provider_daemon.agent.clock import Clock
from provider_daemon.agent.config import AgentSettings
from provider_daemon.agent.execution import Executor
from provider_daemon.agent.journal import Journal
from provider_daemon.agent.state import Registered
from provider_daemon.agent.state_file import StateFile
from provider_daemon.node_protocol.command import NodeCommand
from provider_daemon.nodes.command import CommandKind, CommandResult, SignedCommand
from provider_daemon.nodes.report import Acknowledgement

MAX_COMMANDS = 16  # of one answer
_DRAINED = {CommandKind.DRAIN: True, CommandKind.RESUME: False}


class CommandHandler:
    def __init__(
        self, settings: AgentSettings, file: StateFile, executor: Executor, journal: Journal, clock: Clock
    ) -> None:
        self._settings, self._file, self._executor = settings, file, executor
        self._journal, self._clock = journal, clock

    def handle(self, signed: tuple[SignedCommand, ...], registered: Registered) -> None:
        """Handles commands in their order. Raises Failed before one whose start cannot be stored."""
        for each in signed[:MAX_COMMANDS]:
            decision = commands.decide(
                each, self._file.current, registered, self._settings.commands, self._clock.now()
            )
            systemd.notify("WATCHDOG=1")  # several programs in a row may take longer than systemd waits
            if isinstance(decision, NodeCommand):
                self._execute(decision)
            elif decision is not None:
                self._acknowledge(decision)
            else:
                self._journal.warning("command_unreadable", next="it is ignored")

    def _execute(self, command: NodeCommand) -> None:
        self._file.change(state.begin(self._file.current, command.command_id, command.sequence))
        result, output = self._executor.execute(command)
        done = state.finish(self._file.current, Acknowledgement(command.command_id, result, output))
        if result is CommandResult.DONE:
            done = replace(done, drained=_DRAINED.get(command.kind, done.drained))
        self._file.change(done)
        log = self._journal.info if result is CommandResult.DONE else self._journal.warning
        log("command_executed", command=command.command_id, kind=command.kind, result=result, output=output)

    def _acknowledge(self, acknowledgement: Acknowledgement) -> None:
        if state.result_of(self._file.current, acknowledgement.command_id) is None:
            self._journal.warning(
                "command_not_executed",
                command=acknowledgement.command_id,
                result=acknowledgement.result,
                why=acknowledgement.output,
                next="the next heartbeat reports it",
            )
        self._file.change(state.finish(self._file.current, acknowledgement))
