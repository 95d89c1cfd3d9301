"""What the demo and the real runs take for SLURM's records."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from provider_daemon.demo import sites
from provider_daemon.errors import Transient

NAMED, UNNAMED = "ve-1-JOB-1|COMPLETED|0:0", "allocation|COMPLETED|0:0"


def answering(directory: Path, *answers: str) -> dict[str, str]:
    """The environment of a sacct that gives one answer after another, and the last of them for ever."""
    for number, answer in enumerate(answers, 1):
        (directory / f"answer.{number}").write_text(answer + "\n")
    program = directory / "sacct"
    program.write_text(
        f"#!/bin/sh\ncd {directory}\nprintf '%s\\n' \"$*\" >>asked\n"
        f"number=$(wc -l <asked)\n[ $number -lt {len(answers)} ] || number={len(answers)}\ncat "
        "answer.$number\n"
    )
    program.chmod(0o755)
    return {"PATH": f"{directory}:/usr/bin:/bin"}


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting takes no time."""
    now = [0.0]
    steady = SimpleNamespace(monotonic=lambda: now[0], sleep=lambda seconds: now.append(now.pop() + seconds))
    monkeypatch.setattr(sites, "time", steady)


def test_a_job_whose_name_slurmdbd_has_not_heard_is_waited_for(tmp_path: Path) -> None:
    """SLURM 22.05: the end of a short job comes first, its name up to some seconds later."""
    earlier = "ve-0-JOB-0|FAILED|3:0"
    env = answering(tmp_path, f"{earlier}\n{UNNAMED}", f"{earlier}\n{UNNAMED}", f"{earlier}\n{NAMED}")
    assert sites.sacct(env) == {"ve-0-JOB-0": [("FAILED", "3:0")], "ve-1-JOB-1": [("COMPLETED", "0:0")]}


def test_every_state_is_asked_for(tmp_path: Path) -> None:
    """Without a list of states sacct leaves out jobs whose eligible time slurmdbd does not know: the one of
    the test above too."""
    sites.sacct(answering(tmp_path, NAMED))
    asked = (tmp_path / "asked").read_text()
    assert " -s BF,CA,CD," in asked
    assert " -E now+1day " in asked


def test_a_name_that_never_comes_is_an_error(tmp_path: Path) -> None:
    """And not a job that is missing."""
    with pytest.raises(Transient, match="not its name"):
        sites.sacct(answering(tmp_path, UNNAMED))
