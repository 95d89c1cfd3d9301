"""One job as slurmctld shows it."""

from dataclasses import replace

import pytest

from provider_daemon.errors import Transient, Unreadable
from provider_daemon.slurm.shown_job import ShownJob, parse

LINE = (
    "JobId=9 JobName=gpu UserId=provdlab(1000) GroupId=provdlab(1000) MCS_label=N/A Priority=1 Nice=0 "
    "Account=provd QOS=normal JobState=RUNNING Reason=None Dependency=(null) Requeue=1 Restarts=0 "
    "RunTime=00:00:04 TimeLimit=01:00:00 TimeMin=N/A Partition=standard NodeList=n1 BatchHost=n1 NumNodes=1 "
    "NumCPUs=4 NumTasks=1 CPUs/Task=4 Command=(null) WorkDir=/srv/work Comment=text"
)
JOB = ShownJob("9", "gpu", "RUNNING", "n1", 3600, 4, "None")


def test_a_running_job() -> None:
    assert parse(LINE, "9") == JOB
    assert not JOB.ended
    assert parse(LINE.replace("UserId", "SLUID=sDW1M87FSGFG00 UserId"), "9") == JOB


def test_a_waiting_and_an_ended_job() -> None:
    """A waiting job has no node; NumCPUs may be a range."""
    waiting = LINE.replace(" BatchHost=n1", "").replace("NumCPUs=4", "NumCPUs=4-16")
    assert parse(waiting.replace("RUNNING Reason=None", "PENDING Reason=Resources"), "9") == replace(
        JOB, node="", state="PENDING", reason="Resources"
    )
    assert parse(LINE.replace("RUNNING", "CANCELLED").replace("01:00:00", "UNLIMITED"), "9").ended


@pytest.mark.parametrize(
    "name", ["x JobState=CANCELLED TimeLimit=00:01:00", "x UserId=a GroupId=b JobState=PENDING", "a b"]
)
def test_a_name_forges_no_field(name: str) -> None:
    """The job's owner may choose any name, and so may whoever renames it."""
    assert parse(LINE.replace("JobName=gpu", f"JobName={name}"), "9") == replace(JOB, name=name)


@pytest.mark.parametrize("text", ["", "slurm_load_jobs error", LINE.replace("JobId=9", "JobId=8")])
def test_a_job_that_is_not_there(text: str) -> None:
    """It is not an ended one."""
    with pytest.raises(Transient):
        parse(text, "9")


@pytest.mark.parametrize(
    "text", [LINE.replace("NumCPUs=4", "NumCPUs=?"), LINE.replace("TimeLimit=", "Limit=")]
)
def test_an_unreadable_record(text: str) -> None:
    with pytest.raises(Unreadable, match="scontrol show job 9"):
        parse(text, "9")
