"""The second mode: the same schedules in every test run, with the real adapters."""

import random
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provider_daemon.chain import messages
from tests.simulation.books import Record
from tests.simulation.schedule import Result, Schedule
from tests.simulation.schedule import play as play_ports
from tests.simulation.wire.faults import Wire
from tests.simulation.wire.mutants import WIRE_MUTANTS
from tests.simulation.wire.play import play
from tests.simulation.world import World

SCHEDULES = 60
ROOT = Path(__file__).parents[3]


@pytest.mark.timeout(1800)
def test_no_promise_breaks() -> None:
    """No promise breaks under answers cut at any byte, lost exit codes, and nodes that lag, lie or are down.

    No job runs twice, is lost or is reported wrongly.
    """
    played = subprocess.run(
        [sys.executable, "-m", "tests.simulation.run", "--wire", "--first", "0", "--n", str(SCHEDULES)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    print(played.stdout)
    assert played.returncode == 0, played.stdout + played.stderr
    assert (
        sum(int(number) for number in re.findall(r"^wire_\w+ +(\d+)$", played.stdout, re.MULTILINE))
        > 10 * SCHEDULES
    )


def test_a_seed_plays_the_same_again() -> None:
    """A seed determines everything that happens, including quick retries within the adapters."""
    assert play(7).timeline == play(7).timeline


@pytest.fixture
def outcomes(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int], Result], int], dict[str, Any]]:
    """Plays a seed without any fault, and returns the final record of each job on the chain."""
    books: list[Schedule] = []

    def without_faults(part: Any) -> None:
        real = part.__post_init__

        def made(self: Any) -> None:
            real(self)
            self.chances = {}

        monkeypatch.setattr(part, "__post_init__", made)

    def one_plan_a_job(self: Schedule, number: int, real: Any = Schedule._job) -> Any:
        books.append(self)
        dice, self._world.dice = self._world.dice, random.Random(f"{self._world.seed} {number}")
        try:
            spec, plan = real(self, number)
        finally:
            self._world.dice = dice
        # Whole seconds: otherwise the duration of a record would depend on where between two seconds a mode
        # starts it.
        return spec, replace(plan, seconds=float(int(plan.seconds)))

    without_faults(World)
    without_faults(Wire)
    monkeypatch.setattr(Schedule, "_job", one_plan_a_job)

    def played(mode: Callable[[int], Result], seed: int) -> dict[str, Any]:
        assert mode(seed).wrongs == []
        return {job_id: told(record) for job_id, record in books[-1]._blocks.books.jobs.items()}

    return played


def told(record: Record) -> tuple[object, ...]:
    report = record.by_report
    assert report is not None
    return (
        record.told,
        report.exit_code,
        report.status_message,
        messages.usage_of(report.usage_metrics),
        record.paid,
    )


@pytest.mark.parametrize("seed", range(12))
def test_both_modes_agree(
    seed: int, outcomes: Callable[[Callable[[int], Result], int], dict[str, Any]]
) -> None:
    """Without faults, the adapters return the same as the models behind the ports.

    Compared are states, exit code, message, usage and money.
    """
    assert outcomes(play_ports, seed) == outcomes(play, seed)


def test_a_mutant_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A version that treats a missing answer line as a refusal soon breaks a promise."""
    for place, name, wrong in WIRE_MUTANTS["a missing answer line is a refusal"]:
        monkeypatch.setattr(place, name, wrong)
    assert any(play(seed).wrongs for seed in range(200))
