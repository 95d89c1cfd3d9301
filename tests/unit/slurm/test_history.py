"""sacct at a site that bounds the time of one query."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.errors import Transient, Unreadable
from provider_daemon.slurm import commands
from provider_daemon.slurm.commands import Command, accounting_by_name
from provider_daemon.slurm.history import History
from provider_daemon.slurm.query_range import MAX_WINDOWS, SPARE_SECONDS, query_range, windows

DAY = 86_400
NOW = 2_000_000_000


class Clock:
    def __init__(self) -> None:
        self.time = float(NOW)

    def now(self) -> float:
        return self.time


class Database:
    """A slurmdbd with a limit."""

    def __init__(self, limit: str, seconds: int) -> None:
        self.limit, self.seconds = limit, seconds
        self.asked: list[str] = []
        self.down = False

    async def ask(self, what: str, command: Command) -> str:
        self.asked.append(what)
        if self.down:
            raise Transient("Connection refused")
        if command.program == commands.QUERY_RANGE:
            return (
                f"SLURM_VERSION = 22.05.8\n\nSlurmDBD configuration:\nMaxQueryTimeRange      = {self.limit}\n"
            )
        _, since, until, *_ = command.payload.decode().split("\n")
        end = NOW + DAY if until == "now+1day" else int(until.removeprefix("uts"))
        if self.seconds and end - int(since) >= self.seconds:
            raise Unreadable("sacct failed (95): sacct: error: Too wide of a date range in query")
        return f"{since} {until}"


async def search(history: History, since: int) -> list[str]:
    return await history.search(lambda start, end: accounting_by_name("|", ["ve-1"], start, end), since)


async def test_a_site_without_a_limit_is_asked_once() -> None:
    """One sacct, and nobody asks for the limit."""
    site = Database("UNLIMITED", 0)
    assert await search(History(site.ask, Clock(), "alpha"), NOW - 9 * DAY) == [f"{NOW - 9 * DAY} now+1day"]
    assert site.asked == ["sacct"]


async def test_the_limit_is_read_when_a_search_fails() -> None:
    """From then on sacct is asked in windows that the site allows, from the job's own time to a day from now,
    without a gap."""
    site = Database("1-00:00:00", DAY)
    history = History(site.ask, Clock(), "alpha")
    parts = [part.split(" uts") for part in await search(history, NOW - 2 * DAY)]
    assert (int(parts[0][0]), int(parts[-1][1])) == (NOW - 2 * DAY, NOW + DAY)
    assert all(before[1] == after[0] for before, after in pairwise(parts))
    site.asked.clear()
    await search(history, NOW - 100)
    assert set(site.asked) == {"sacct"}


async def test_a_database_that_is_down_is_no_limit() -> None:
    """The failure is the search's own, and the limit is not asked for at every tick."""
    site, clock = Database("1-00:00:00", DAY), Clock()
    site.down = True
    history = History(site.ask, clock, "alpha")
    for _ in range(3):
        with pytest.raises(Transient, match="refused"):
            await search(history, NOW - 100)
    assert site.asked == ["sacct", "sacctmgr", "sacct", "sacct"]
    site.down, clock.time = False, NOW + 400.0
    assert len(await search(history, NOW - DAY)) > 1


async def test_a_limit_that_was_raised_is_noticed() -> None:
    """Read again after an hour."""
    site, clock = Database("1-00:00:00", DAY), Clock()
    history = History(site.ask, clock, "alpha")
    await search(history, NOW - DAY)
    site.limit, site.seconds, clock.time = "UNLIMITED", 0, NOW + 3600.0
    assert len(await search(history, NOW - DAY)) == 1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("1-00:00:00", DAY), ("UNLIMITED", 0), ("01:00:00", 3600), ("INFINITE", 0), ("(null)", 0)],
)
def test_query_range(value: str, seconds: int) -> None:
    """Also among a wrapper's lines."""
    text = f"NOTICE\nSlurmDBD configuration:\nMaxQueryTimeRange      = {value}\nBye\n"
    assert query_range(text) == seconds
    for other in ("Welcome", f"{text}MaxQueryTimeRange = 2-00:00:00\n", text.replace(value, "soon")):
        with pytest.raises(Unreadable):
            query_range(other)


@given(st.integers(0, 10**9), st.integers(0, 10**7), st.integers(1, 10**8))
def test_windows_cover_everything(since: int, length: int, widest: int) -> None:
    """None is wider than allowed, none is missing, and there are never too many."""
    try:
        parts = windows(since, since + length, widest)
    except Unreadable:
        assert length > MAX_WINDOWS * max(widest - SPARE_SECONDS, 1)
        return
    assert (parts[0][0], parts[-1][1]) == (since, since + length)
    assert all(before[1] == after[0] for before, after in pairwise(parts))
    assert all(end - start <= max(widest - SPARE_SECONDS, 1) for start, end in parts)
