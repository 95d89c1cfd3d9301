"""Runs one SLURM command through a transport and returns its output."""

from provider_daemon.errors import Transient
from provider_daemon.slurm import failures, parse
from provider_daemon.slurm.commands import Command
from provider_daemon.slurm.transport import Transport

GRACE_SECONDS = 15  # added to the time limit at the site before provd gives up waiting


async def ask(transport: Transport, what: str, command: Command, *, query: bool = True) -> str:
    """Returns the program's output. `what` names the program in error texts.

    Raises as `parse.framed` and `failures.query_failure`. A `query` that reports an error has failed,
    whatever its exit code: squeue exits with 0 and no rows when a name service fails.
    """
    answer = await transport.run(command.program, command.payload, command.seconds + GRACE_SECONDS)
    code, text = parse.framed(answer, what)
    if code:
        raise failures.query_failure(what, code, answer.stderr or text)
    if query and (error := failures.reported_error(answer.stderr)):
        raise Transient(f"{what} failed with exit code 0: {error}")
    return text
