"""One question to SLURM: a program through a transport, its framed answer as text."""

from provider_daemon.errors import Transient
from provider_daemon.slurm import failures, parse
from provider_daemon.slurm.commands import Command
from provider_daemon.slurm.transport import Transport

GRACE_SECONDS = 15  # beyond the far side's own limit, before the near side gives an answer up


async def ask(transport: Transport, what: str, command: Command, *, query: bool = True) -> str:
    """What the program printed. Raises as `answers.framed` and `failures.query_failure` say; `what` names it
    in their texts.

    A `query` that reports an error failed, whatever its exit code: squeue exits with 0 and no rows when a
    name service fails."""
    answer = await transport.run(command.program, command.payload, command.seconds + GRACE_SECONDS)
    code, text = parse.framed(answer, what)
    if code:
        raise failures.query_failure(what, code, answer.stderr or text)
    if query and (error := failures.reported_error(answer.stderr)):
        raise Transient(f"{what} failed with exit code 0: {error}")
    return text
