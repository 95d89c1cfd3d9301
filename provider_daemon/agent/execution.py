"""Executes commands from a fixed list, without a shell. No text of a command becomes a program or option."""

import subprocess
from collections.abc import Callable, Sequence

from provider_daemon.agent.config import AgentSettings
from provider_daemon.node_protocol.command import NodeCommand
from provider_daemon.nodes.command import CommandKind, CommandResult
from provider_daemon.text import printable, printable_lines

SECONDS = 30  # for one program
MAX_OUTPUT = 4000
MAX_REASON = 200
# How SLURM's reason of a drain by an agent begins. The daemon drains too; its reasons begin otherwise.
OWN_REASON = "provd-agent: "
REASON_FIELD = "Reason="

Outcome = tuple[CommandResult, str]


class Executor:
    """`node_name`: SLURM's name of this node. `diagnose` returns the report of run_diagnostic."""

    def __init__(self, settings: AgentSettings, node_name: str, diagnose: Callable[[], str]) -> None:
        self._node_name = node_name
        self._actions: dict[CommandKind, Callable[[NodeCommand], Outcome]] = {
            CommandKind.DRAIN: self._drain if settings.slurm_update else _flag_only,
            CommandKind.RESUME: self._resume if settings.slurm_update else _flag_only,
            CommandKind.RUN_DIAGNOSTIC: lambda _: (CommandResult.DONE, diagnose()),
            CommandKind.SHUTDOWN: lambda _: _run(settings.shutdown_command),
            CommandKind.UPDATE_AGENT: lambda _: _run(settings.update_command),
        }

    def execute(self, command: NodeCommand) -> Outcome:
        """Returns the result and its output, at most MAX_OUTPUT characters."""
        result, output = self._actions[command.kind](command)
        return result, printable_lines(output)[:MAX_OUTPUT]

    def _drain(self, command: NodeCommand) -> Outcome:
        """Keeps the drain of somebody else, with its reason."""
        result, reason = self._slurm_reason()
        if result is not CommandResult.DONE or (reason and not reason.startswith(OWN_REASON)):
            return result, reason
        why = printable(command.parameters.get("reason") or "drained by the provider")[:MAX_REASON]
        return self._update("State=DRAIN", f"{REASON_FIELD}{OWN_REASON}{why}")

    def _resume(self, command: NodeCommand) -> Outcome:
        """Ends only a drain by this agent."""
        result, reason = self._slurm_reason()
        if result is not CommandResult.DONE or not reason:
            return result, reason
        if not reason.startswith(OWN_REASON):
            return (
                CommandResult.FAILED,
                f"not resumed in SLURM, where somebody else drained it: {reason}",
            )
        return self._update("State=RESUME")

    def _slurm_reason(self) -> Outcome:
        """Returns why the node is drained or down in SLURM, empty if it is not."""
        result, output = _run(("scontrol", "show", "node", self._node_name))
        if result is not CommandResult.DONE:
            return result, output
        lines = (line.strip() for line in output.splitlines())
        found = (line.removeprefix(REASON_FIELD) for line in lines if line.startswith(REASON_FIELD))
        return result, next(found, "")

    def _update(self, *assignments: str) -> Outcome:
        return _run(("scontrol", "update", f"NodeName={self._node_name}", *assignments))


def _flag_only(_: NodeCommand) -> Outcome:
    return CommandResult.DONE, ""


def _run(arguments: Sequence[str]) -> Outcome:
    try:
        ran = subprocess.run(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return CommandResult.FAILED, f"{arguments[0]}: no result after {SECONDS} s"
    except OSError as error:
        return CommandResult.FAILED, f"{arguments[0]}: {error.strerror}"
    output = ran.stdout.decode(errors="replace").strip()
    if ran.returncode:
        return CommandResult.FAILED, f"{arguments[0]}: exit status {ran.returncode}: {output}"
    return CommandResult.DONE, output
