"""The simulated cluster's state machine, without processes."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.lab.simulated.cluster import REQUEUE_SECONDS, SimulatedCluster
from provider_daemon.lab.simulated.model import (
    Failure,
    Request,
    SimulatedJob,
    SimulatedNode,
    SimulatedPartition,
)
from provider_daemon.lab.simulated.programs import Call, Said, answer

NOW = 1_800_000_000.0
EPOCH = {"SLURM_TIME_FORMAT": "%s"}
ASK = Request("job", b"#!/bin/sh\n", "/tmp", {})


def cluster(version: str = "22.05.8") -> SimulatedCluster:
    names = ("n1", "n2")
    partitions = {
        "standard": SimulatedPartition("standard", names, 10080, default=True),
        "gpu": SimulatedPartition("gpu", names, 1440),
    }
    return SimulatedCluster(
        {name: SimulatedNode(name) for name in names}, partitions, "provd", "me", 1000, version
    )


def running(on: SimulatedCluster, **changes: object) -> SimulatedJob:
    job = on.submit(replace(ASK, **changes), NOW)  # type: ignore[arg-type]
    assert job in on.start_waiting(NOW)
    return job


def say(on: SimulatedCluster, program: str, *argv: str, now: float = NOW + 1000) -> Said:
    on.database.receive(now, down=on.faults.slurmdbd_down, lag=on.faults.accounting_lag)
    return answer(on, Call(program, argv, environment=EPOCH), now)


SACCT = ("-X", "-D", "-n", "-P", "-o", "JobIDRaw,State,ExitCode,ElapsedRaw,AllocTRES,Comment")


def test_a_job_from_start_to_end() -> None:
    """squeue sees it at once, sacct with what it held; the comment comes with the end."""
    on = cluster()
    job = running(on, comment="provd:1", gpus=1, gpu_type="a100", memory=2048)
    assert (
        say(on, "squeue", "-h", "-o", "%i|%T|%r|%M|%S|%N|%k", now=NOW).stdout
        == f"1|RUNNING|None|0:00|{NOW:.0f}|n1|provd:1\n"
    )
    tres = "billing=1,cpu=1,gres/gpu:a100=1,gres/gpu=1,mem=2G,node=1"
    assert say(on, "sacct", *SACCT, "-j", "1", now=NOW + 4).stdout == f"1|RUNNING|0:0|4|{tres}|\n"
    on.ended(job, 3, 0, NOW + 5)
    assert say(on, "sacct", *SACCT, "-j", "1").stdout == f"1|FAILED|3:0|5|{tres}|provd:1\n"
    assert say(on, "squeue", "-h", "-o", "%i|%T|%r|%M").stdout == ""
    assert (
        say(on, "squeue", "-h", "-t", "all", "-o", "%i|%T|%r|%M").stdout == "1|FAILED|NonZeroExitCode|0:05\n"
    )


def test_it_leaves_squeue_after_min_job_age() -> None:
    """And stays in sacct."""
    on = cluster()
    on.ended(running(on), 0, 0, NOW)
    on.forget(NOW + 301)
    assert say(on, "squeue", "-h", "-t", "all").stdout == ""
    assert say(on, "squeue", "-j", "1") == Said("", "slurm_load_jobs error: Invalid job id specified\n", 1)
    assert say(on, "sacct", *SACCT, "-j", "1").stdout.startswith("1|COMPLETED|0:0|")


def test_time_limit() -> None:
    """SLURM ends a job at its limit in minutes."""
    on = cluster()
    job = running(on, minutes=1)
    on.end_overdue(NOW + 59)
    assert job.state == "RUNNING"
    on.end_overdue(NOW + 60)
    assert job.state == "COMPLETING"
    on.ended(job, 0, 15, NOW + 61)
    assert (job.state, job.exit_code, job.signal) == ("TIMEOUT", 0, 0)


def test_suspension_is_not_elapsed_time() -> None:
    """Nor does it run down the time limit."""
    on = cluster()
    job = running(on)
    on.suspend(job, NOW + 10)
    assert job.elapsed(NOW + 50) == 10
    on.resume(job, NOW + 60)
    on.ended(job, 0, 0, NOW + 65)
    assert job.elapsed(NOW + 99) == 15


def test_requeue() -> None:
    """A requeued job has a record for each run, and waits two minutes before the next."""
    on = cluster()
    job = running(on)
    on.requeue(job, NOW + 3)
    on.ended(job, 0, 15, NOW + 3)
    assert (job.state, job.reason, on.start_waiting(NOW + 4)) == ("PENDING", "BeginTime", [])
    again = NOW + 3 + REQUEUE_SECONDS
    assert on.start_waiting(again) == [job]
    on.ended(job, 0, 0, again + 4)
    records = [line.split("|")[1:4] for line in say(on, "sacct", *SACCT, "-j", "1").stdout.splitlines()]
    assert records == [["REQUEUED", "0:0", "3"], ["COMPLETED", "0:0", "4"]]


@pytest.mark.parametrize(("requeue", "state"), [(False, "NODE_FAIL"), (True, "PENDING")])
def test_a_node_fails(requeue: bool, state: str) -> None:
    """Its jobs end, or start over where they may; the node takes no more."""
    on = cluster()
    job = running(on, requeue=requeue)
    on.fail_node("n1", "smoke")
    on.ended(job, 0, 9, NOW + 1)
    assert job.state == state
    shown = say(on, "scontrol", "show", "node", "n1", "-o").stdout
    assert " State=DOWN " in shown
    assert "Reason=smoke" in shown
    assert running(on).nodes == ("n2",)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"partition": "nope"}, "Invalid partition name specified"),
        ({"account": "nope"}, "Invalid account or account/partition combination specified"),
        ({"qos": "nope"}, "Invalid qos specification"),
        ({"memory": 10**9}, "Memory specification can not be satisfied"),
        ({"gpus": 9}, "Requested node configuration is not available"),
        ({"gpus": 1, "gpu_type": "h100"}, "Requested node configuration is not available"),
    ],
)
def test_refused_submissions(changes: dict[str, object], words: str) -> None:
    """In sbatch's words."""
    with pytest.raises(Failure, match=words):
        cluster().submit(replace(ASK, **changes), NOW)  # type: ignore[arg-type]


def test_a_refused_submission_leaves_a_record() -> None:
    """One refused for memory is FAILED 1:0 in sacct, and was never in squeue."""
    on = cluster()
    with pytest.raises(Failure):
        on.submit(replace(ASK, memory=10**9), NOW)
    assert (
        say(on, "sacct", "-X", "-n", "-P", "-o", "State,ExitCode", "--name", "job", "-S", "uts1").stdout
        == "FAILED|1:0\n"
    )
    assert say(on, "squeue", "-h", "-t", "all").stdout == ""


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"nodes": 3}, "PartitionNodeLimit"),
        ({"minutes": 20000}, "PartitionTimeLimit"),
        ({"cpus_per_task": 99}, "PartitionConfig"),
    ],
)
def test_waits_for_ever(changes: dict[str, object], reason: str) -> None:
    """22.05 takes what can never start."""
    on = cluster()
    on.submit(replace(ASK, **changes), NOW)  # type: ignore[arg-type]
    assert on.start_waiting(NOW) == []
    assert say(on, "squeue", "-h", "-o", "%T|%r").stdout == f"PENDING|{reason}\n"


def test_versions_differ() -> None:
    """24.11 refuses more nodes than there are."""
    with pytest.raises(Failure, match="Requested node configuration"):
        cluster("24.11.5").submit(replace(ASK, nodes=3), NOW)


def test_held_jobs_are_found_by_id_only() -> None:
    """sacct's window of time leaves them out."""
    on = cluster()
    on.submit(replace(ASK, held=True), NOW)
    assert say(on, "sacct", *SACCT, "-S", "uts1", "-E", "now+1day").stdout == ""
    assert say(on, "sacct", *SACCT, "-j", "1").stdout.startswith("1|PENDING|")


def test_slurmdbd_down() -> None:
    """sacct fails, the controller goes on and keeps the records for later."""
    on = cluster()
    on.faults.slurmdbd_down = True
    on.ended(running(on), 0, 0, NOW)
    assert say(on, "sacct", "-j", "1") == Said(
        "", "sacct: error: Problem talking to the database: Connection refused\n", 1
    )
    assert "DBD Agent queue size: 3\n" in say(on, "sdiag").stdout
    on.faults.slurmdbd_down = False
    assert say(on, "sacct", *SACCT, "-j", "1").stdout.startswith("1|COMPLETED")
    assert "DBD Agent queue size: 0\n" in say(on, "sdiag").stdout


def test_accounting_lag() -> None:
    """Records arrive late, and the backlog shows."""
    on = cluster()
    on.faults.accounting_lag = 10
    running(on)
    assert say(on, "sacct", *SACCT, "-j", "1", now=NOW + 9).stdout == ""
    assert say(on, "sacct", *SACCT, "-j", "1", now=NOW + 10).stdout.startswith("1|RUNNING")


@pytest.mark.parametrize(
    ("program", "code"), [("squeue", 1), ("sbatch", 1), ("scancel", 8), ("scontrol", 1), ("sdiag", 255)]
)
def test_slurmctld_down(program: str, code: int) -> None:
    """Each program in its own way; sacct still answers."""
    on = cluster()
    on.faults.slurmctld_down = True
    said = say(on, program)
    assert (said.exit_code, said.stdout) == (code, "")
    assert "Unable to contact slurm controller (connect failure)" in said.stderr
    assert say(on, "sacct").exit_code == 0


def test_a_lost_answer() -> None:
    """The job is taken, and whoever submitted it is told otherwise."""
    on = cluster()
    on.faults.sbatch_lost = 1
    said = answer(on, Call("sbatch", ("--parsable",), "/tmp", {}, b"#!/bin/sh\n"), NOW)
    assert (said.exit_code, said.stdout) == (1, "")
    assert len(on.jobs) == 1
    assert answer(on, Call("sbatch", ("--parsable",), "/tmp", {}, b"#!/bin/sh\n"), NOW) == Said("2\n")


def test_unknown_ids() -> None:
    """scancel and sacct pass over them."""
    on = cluster()
    assert say(on, "scancel", "999999") == Said()
    assert say(on, "sacct", "-n", "-P", "-j", "999999") == Said()
    assert say(on, "scancel", "abc") == Said("", "scancel: error: Invalid job id abc\n", 1)


amounts = st.builds(
    replace,
    st.just(ASK),
    nodes=st.integers(1, 2),
    cpus_per_task=st.integers(1, 16),
    memory=st.integers(1, 65536),
    gpus=st.integers(0, 2),
)


@given(st.lists(st.one_of(amounts, st.integers(0, 20)), max_size=30))
def test_never_more_than_a_node_has(steps: list[Request | int]) -> None:
    """Whatever is submitted, ended and cancelled in whatever order, no node is given away twice, and every
    job ends once."""
    on = cluster()
    for count, step in enumerate(steps):
        now = NOW + count
        live = [job for job in on.jobs.values() if not job.final]
        if isinstance(step, Request):
            on.submit(replace(step, tasks=step.nodes), now)
        elif live:
            job = live[step % len(live)]
            on.cancel(job, now) if step % 2 else None
            if job.live:
                on.ended(job, 0, 0, now)
        on.start_waiting(now)
        for node in on.nodes.values():
            cpus, memory, gpus = on.allocated(node)
            assert cpus <= node.cpus
            assert memory <= node.memory
            assert gpus <= node.gpus
    assert {job.state for job in on.jobs.values()} <= {"PENDING", "RUNNING", "COMPLETED", "CANCELLED"}
