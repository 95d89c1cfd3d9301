"""A Transport without a network.

Programs run in the model's shell, and their output returns over a faulty line.
"""

from dataclasses import replace

from provider_daemon.errors import Transient
from provider_daemon.job.lifecycle import START_SECONDS, SUBMIT_SECONDS
from provider_daemon.slurm import commands
from provider_daemon.slurm.transport import CommandResult
from tests.simulation.gate import Gate
from tests.simulation.wire import shell
from tests.simulation.wire.faults import Wire
from tests.simulation.wire.shell import Said
from tests.simulation.wire.slurm import Slurm
from tests.simulation.wire.submission import Submission
from tests.simulation.world import World

GREETING = "Last login: Wed May 18 03:33:20 2033 from 10.0.0.7\nYour quota: 4711 of 8000 GB\n"
KILLED_BY_TIMEOUT = 124


class WireTransport:
    def __init__(self, world: World, wire: Wire, slurm: Slurm, gate: Gate) -> None:
        self._world = world
        self._wire = wire
        self._slurm = slurm
        self._gate = gate

    async def close(self) -> None:
        """Does nothing: no connection is open."""

    async def run(self, program: str, payload: bytes, timeout: float) -> CommandResult:
        submits = program == commands.SUBMIT
        what = "sbatch" if submits else shell.lines(program)[-2][0]
        await self._gate.point(what)
        if self._wire.slurm_strikes("lost_call"):
            raise Transient("ssh: Connection refused; next attempt in 30 s")
        if self._wire.strikes("wire_no_channel"):
            raise Transient("ssh: no channel: open failed")
        if submits:
            return await self._submit(payload, timeout)
        if program == commands.REMOVE_EMPTY:
            return CommandResult(0, "", "")
        if program == commands.CLAIMED_BY:
            return await self._brought_back("find", self._claims(payload.decode()), timeout)
        said = shell.run(program, payload.decode(), self._slurm.run, self._world.now())
        return await self._brought_back(what, said, timeout)

    async def _submit(self, payload: bytes, timeout: float) -> CommandResult:
        """Runs the program at most once.

        If the caller is gone, the running program still ends, within the remote limits.
        """
        submission = Submission(payload, self._slurm)
        if self._world.strikes("sbatch_under_way"):
            started = self._wire.dice.uniform(0, START_SECONDS)
            for order in submission.orders:
                later = started + self._wire.dice.uniform(0, SUBMIT_SECONDS)
                self._world.later(later, lambda order=order: submission.line(order))  # type: ignore[misc]
            await self._gate.point("sbatch under way")
            return CommandResult(None, "", "")
        lines = submission.run()
        if lines and (self._world.strikes("receipts_cut") or self._wire.strikes("wire_answer_line_lost")):
            lines.pop(self._wire.dice.randrange(len(lines)))
        self._wire.dice.shuffle(lines)
        return await self._brought_back("sbatch", Said("".join(lines)), timeout)

    def _claims(self, payload: str) -> Said:
        mark, _, names = payload.split("\n")
        if self._world.strikes("claims_unreadable"):
            return Said(f"\n{commands.BEGIN}\n\n{commands.END} 1\n", "find: Input/output error")
        found = self._slurm.claims(names.split())
        rows = "".join(f"{mark}{name}{mark}{text}{mark}\n" for name, text in found.items())
        return Said(f"\n{commands.BEGIN}\n{rows}\n{commands.END} 0\n")

    async def _brought_back(self, what: str, said: Said, timeout: float) -> CommandResult:
        seconds = self._wire.dice.uniform(5, timeout + 5) if self._wire.slurm_strikes("late_answer") else 0.05
        await self._gate.point(what, min(seconds, timeout))
        if seconds > timeout or self._wire.slurm_strikes("lost_answer"):
            self._world.note(f"answer lost: {what}")
            return CommandResult(None, "", "")
        if self._wire.strikes("wire_greeting"):
            said = replace(said, stdout=GREETING + said.stdout)
        return self._damaged(what, CommandResult(said.exit_code, said.stdout, said.stderr))

    def _damaged(self, what: str, answer: CommandResult) -> CommandResult:
        if self._wire.strikes("wire_exit_code_lost"):
            return replace(answer, exit_code=None)
        for fault, code in (
            ("wire_stdout_cut", None),
            ("wire_stdout_cut_unnoticed", 0),
            ("wire_program_killed", KILLED_BY_TIMEOUT),
        ):
            if self._wire.strikes(fault):
                kept = self._wire.dice.randint(0, len(answer.stdout))
                self._world.note(f"{what}: only {kept} of {len(answer.stdout)} bytes came back")
                return replace(answer, exit_code=code, stdout=answer.stdout[:kept])
        return answer
