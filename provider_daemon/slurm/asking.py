"""One question to SLURM: a program through a transport, its framed answer as text."""

from provider_daemon.slurm import answers, failures
from provider_daemon.slurm.commands import Command
from provider_daemon.slurm.transport import Transport

GRACE_SECONDS = 15  # beyond the far side's own limit, before the near side gives an answer up


async def ask(transport: Transport, what: str, command: Command) -> str:
    """What the program printed. Raises as `answers.framed` and `failures.query_failure` say; `what` names it in their texts."""
    answer = await transport.run(command.program, command.payload, command.seconds + GRACE_SECONDS)
    code, text = answers.framed(answer, what)
    if code:
        raise failures.query_failure(what, code, answer.stderr or text)
    return text
