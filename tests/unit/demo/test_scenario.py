"""The demo's course when the daemon does not do its part."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from provider_daemon.demo.environment import Environment
from provider_daemon.demo.jobs import DemoJob
from provider_daemon.demo.scenario import Scenario
from provider_daemon.job.state import State


class Chain:
    """Each job is in the next of its states at each look, and stays in the last."""

    def __init__(self, *states: State) -> None:
        self._states = list(states)

    async def job(self, job_id: str) -> Any:
        return SimpleNamespace(state=self._states.pop(0) if len(self._states) > 1 else self._states[0])


def play(chain: Chain, said: list[str], *, running: bool, limit: float) -> Scenario:
    daemon = SimpleNamespace(running=running, last_words=lambda: "ledger: disk full")
    stage = SimpleNamespace(market=SimpleNamespace(chain=chain), daemon=daemon, config=Path("/x/provd.toml"))
    return Scenario(
        cast(Environment, stage), said.append, {"JOB-1": DemoJob("one", 0, State.COMPLETED, 0)}, limit=limit
    )


async def test_jobs_that_do_not_end_are_part_of_the_verdict() -> None:
    """The table is still to be shown: what did not end is a problem beside it, with the daemon's last
    words."""
    said: list[str] = []
    (problem,) = await play(Chain(State.PENDING, State.RUNNING), said, running=True, limit=0).watch()
    assert problem == "not ended after 0 s: JOB-1; the daemon's log ends:\nledger: disk full"
    assert said == ["1 pending"]


async def test_a_daemon_that_ended_is_said_once() -> None:
    """And how to start it again: the jobs go on from the ledger."""
    said: list[str] = []
    wrong = await play(
        Chain(State.PENDING, State.PENDING, State.COMPLETED), said, running=False, limit=60
    ).watch()
    assert wrong == []
    assert said == [
        "1 pending",
        "THE DAEMON HAS STOPPED; to resume its jobs, start it again: provd run -c /x/provd.toml",
        "1 completed",
    ]
