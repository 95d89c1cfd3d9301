"""The commands of one tick: one that fails does not stop the others, a ledger that cannot be written does."""

import asyncio

import pytest

from provider_daemon.errors import LedgerError, Transient
from provider_daemon.loops.concurrent import run_all


class Commands:
    """Commands that wait once before they take effect; `done` lists those that did."""

    def __init__(self) -> None:
        self.done: list[str] = []

    async def succeeds(self, name: str) -> None:
        await asyncio.sleep(0)
        self.done.append(name)

    async def fails(self, error: Exception) -> None:
        raise error


async def test_a_failure_is_raised_after_the_others_have_ended() -> None:
    """The first one in the order of the commands counts."""
    commands = Commands()
    with pytest.raises(Transient, match="first"):
        await run_all(
            [
                commands.succeeds("cancel"),
                commands.fails(Transient("first")),
                commands.fails(Transient("second")),
                commands.succeeds("submit"),
            ]
        )
    assert commands.done == ["cancel", "submit"]


async def test_nothing_is_done_after_a_failed_write() -> None:
    """The disk is full when a submission writes its intent: the cancel beside it is stopped."""
    commands = Commands()
    with pytest.raises(LedgerError, match="disk full"):
        await run_all(
            [
                commands.fails(Transient("slurmctld is down")),
                commands.fails(LedgerError("disk full")),
                commands.succeeds("cancel"),
            ]
        )
    assert commands.done == []
