"""The logins of one site: who runs what."""

import pytest

from provider_daemon.clock import SystemClock
from provider_daemon.ports import Submission
from provider_daemon.slurm.logins import SiteLogins
from provider_daemon.slurm.scheduler import SlurmScheduler
from provider_daemon.slurm.transport import CommandResult

ORDERS = [
    Submission("a", "#!/bin/sh\n", "/w/u1/a", user="u1"),
    Submission("b", "#!/bin/sh\n", "/w/u1/b", user="u1"),
]


class Named:
    """A transport that only notes what it ran."""

    def __init__(self) -> None:
        self.ran, self.closed = 0, False

    async def run(self, program: str, payload: bytes, timeout: float) -> CommandResult:
        self.ran += 1
        return CommandResult(0, "", "")

    async def close(self) -> None:
        self.closed = True


async def test_a_batch_is_submitted_as_its_user() -> None:
    """Only that user's login runs the submission, and all logins are closed at the end."""
    made = {"u1": Named(), "u2": Named()}
    logins = SiteLogins(main := Named(), made.__getitem__)
    scheduler = SlurmScheduler(logins, SystemClock())
    await scheduler.submit(ORDERS)
    assert logins.as_user("u2") is logins.as_user("u2")
    assert (main.ran, made["u1"].ran, made["u2"].ran) == (0, 1, 0)
    await scheduler.close()
    assert all(each.closed for each in (main, *made.values()))


async def test_a_batch_of_two_users_is_refused() -> None:
    """No login could submit both."""
    logins = SiteLogins(main := Named(), lambda _: main)
    with pytest.raises(ValueError, match="too many values"):
        await SlurmScheduler(logins, SystemClock()).submit([*ORDERS, Submission("c", "", "/w/c")])
    assert not main.ran


def test_no_other_user_where_accounts_are_shared() -> None:
    """The main login must never run what belongs to a customer's user."""
    logins = SiteLogins(main := Named())
    assert logins.as_user("") is main
    with pytest.raises(ValueError, match="all jobs of this cluster run as one user"):
        logins.as_user("u1")
