"""Runs the commands of one tick concurrently."""

import asyncio
from collections.abc import Coroutine, Sequence

from provider_daemon.errors import LedgerError


async def run_all(commands: Sequence[Coroutine[None, None, None]]) -> None:
    """Runs all commands to their end, then raises the first failure in their order, if any.

    If the ledger cannot be written, the other commands are stopped at once and LedgerError is raised: nothing
    is done that could not be recorded.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_failure(command)) for command in commands]
    except BaseExceptionGroup as stopped:
        raise stopped.exceptions[0] from None
    for task in tasks:
        if (failure := task.result()) is not None:
            raise failure


async def _failure(command: Coroutine[None, None, None]) -> Exception | None:
    """Returns why a command failed, so that the others continue. Raises LedgerError."""
    try:
        await command
    except LedgerError:
        raise
    except Exception as error:
        return error
    return None
