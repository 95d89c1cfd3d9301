"""What the daemon may rely on at a SLURM site, simulated or real, over SSH and on the login node."""

import asyncio
import getpass
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provider_daemon.errors import Refused, Transient
from provider_daemon.job.maintenance import Reservation
from provider_daemon.job.site_trouble import SiteTrouble
from provider_daemon.job.snapshot import Phase
from provider_daemon.job.state import State
from provider_daemon.lab.simulated.site import SimulatedSite
from provider_daemon.lab.site.site import Site
from provider_daemon.ports import SubmissionResult
from provider_daemon.slurm.drains import drain_reason, is_ours
from tests.contract.places import Place, unique

HOSTILE = (
    "$(touch hostile)",
    "`touch hostile`",
    "; touch hostile",
    "'\"'; touch hostile #",
    "-rf",
    "%j",
    "a\\nb",
    "*",
    "~",
    "é",
    "",
    "&& touch hostile",
)


async def test_version(place: Place) -> None:
    """The site reports its SLURM version."""
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", await place.scheduler.version())


async def test_many_orders_one_command(place: Place) -> None:
    """A dozen orders in one command each get a result, in order, and their own SLURM job, which succeeds."""
    orders = [place.order("true") for _ in range(12)]
    receipts = await place.submit(*orders)
    assert [receipt.name for receipt in receipts] == [order.name for order in orders]
    ids = {receipt.name: receipt.slurm_id for receipt in receipts}
    assert len(set(ids.values())) == 12
    for order in orders:
        seen = await place.until_phase(order.name, Phase.ENDED)
        assert (seen.slurm_id, seen.outcome, seen.exit_code) == (ids[order.name], State.COMPLETED, 0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"partition": "nowhere"}, "no such partition"),
        ({"account": "nobody"}, "account"),
        ({"memory_gb_per_node": 9999}, "no node of the site has"),
        ({"gpus_per_node": 9, "gpu_type": "a100"}, "no node of the site has"),
    ],
    ids=["partition", "account", "memory", "gpus"],
)
async def test_refusals(place: Place, changes: dict[str, Any], words: str) -> None:
    """An order that SLURM refuses is refused with a reason; the other orders of the command are accepted."""
    good, bad, other = place.order("true"), place.order("true", **changes), place.order("true")
    receipts = await place.submit(good, bad, other)
    assert receipts[0].slurm_id
    assert receipts[2].slurm_id
    assert not receipts[1].slurm_id
    assert words in receipts[1].refusal


async def test_more_nodes_than_exist(place: Place) -> None:
    """A job with more nodes than exist is refused or waits forever, depending on the version.

    Either way the customer learns the reason.
    """
    order = place.order("true", nodes=9)
    (receipt,) = await place.submit(order)
    if receipt.refusal:
        return
    async with asyncio.timeout(30):
        while not (seen := (await place.look(order.name)).of(order.name)) or not seen[0].hopeless:
            await asyncio.sleep(0.2)
    assert "SLURM can never start it" in seen[0].hopeless
    await place.scheduler.cancel(place.known({order.name: receipt.slurm_id}))


async def test_found_by_name_while_it_runs_and_after(place: Place) -> None:
    """A job with an unknown id is found by its name, at once and after its end, with its exit code."""
    order = place.order("sh", "-c", "sleep 1; exit 3")
    (receipt,) = await place.submit(order)
    snapshot = await place.look(order.name, doubtful=[order.name])
    (seen,) = snapshot.of(order.name)
    assert seen.slurm_id == receipt.slurm_id
    assert seen.phase in (Phase.WAITING, Phase.RUNNING)
    seen = await place.until_phase(order.name, Phase.ENDED)
    assert (seen.slurm_id, seen.outcome, seen.exit_code, seen.final) == (
        receipt.slurm_id,
        State.FAILED,
        3,
        True,
    )


async def test_survey(place: Place) -> None:
    """A poll without names returns what a running job holds, an ended job's record, and the site's clock."""
    running, ended = place.order("sleep", "30", cpus_per_node=2, memory_gb_per_node=2), place.order("true")
    for order in (running, ended):
        script = order.script.replace(f"--job-name={order.name}", f"--job-name={order.name}-JOB-1")
        (receipt,) = await place.submit(replace(order, script=script))
        assert receipt.slurm_id, receipt
    await place.until_phase(f"{running.name}-JOB-1", Phase.RUNNING)
    await place.until_phase(f"{ended.name}-JOB-1", Phase.ENDED)
    survey = await place.scheduler.survey(place.since, place.known({}))
    (live,), (over,) = (survey.snapshot.of(f"{order.name}-JOB-1") for order in (running, ended))
    (run,) = live.runs
    assert (live.phase, run.cpus, run.memory_mib, run.nodes) == (Phase.RUNNING, 2, 2048, 1)
    assert (over.final, over.outcome, survey.snapshot.complete) == (True, State.COMPLETED, True)
    assert abs(survey.site_time - time.time()) < 30
    await place.scheduler.cancel(place.known({live.name: live.slurm_id}))


async def test_found_by_id(place: Place) -> None:
    """A finished job is found by its id too, with what it held and for how long."""
    order = place.order("sleep", "2", cpus_per_node=3, memory_gb_per_node=2)
    done = await place.run(order)
    (seen,) = (await place.look(order.name, ids={order.name: done.slurm_id})).of(order.name)
    (run,) = seen.runs
    assert (run.cpus, run.memory_mib, run.nodes, run.gpus) == (3, 2048, 1, ())
    assert 2 <= run.elapsed <= 5
    assert seen.started_at + run.elapsed == seen.ended_at


async def test_absence(place: Place) -> None:
    """A complete snapshot proves that a name was never submitted."""
    name = unique()
    async with asyncio.timeout(30):
        while not (snapshot := await place.look(name, doubtful=[name])).complete:
            await asyncio.sleep(0.2)
    assert snapshot.of(name) == ()


async def test_exit_codes(place: Place) -> None:
    """The program's own exit code is returned."""
    programs = {
        0: ("true",),
        3: ("sh", "-c", "exit 3"),
        127: ("no-such-program",),
        137: ("sh", "-c", "kill -9 $$"),
    }
    orders = {code: place.order(*argv) for code, argv in programs.items()}
    await place.submit(*orders.values())
    for code, order in orders.items():
        seen = await place.until_phase(order.name, Phase.ENDED)
        assert (seen.exit_code, seen.outcome) == (code, State.FAILED if code else State.COMPLETED)


async def test_cancel_running(place: Place) -> None:
    """A cancelled running job ends as cancelled. Cancelling it again, or an unknown job, is not an error."""
    order = place.order("sleep", "300", wall_seconds=600)
    (receipt,) = await place.submit(order)
    await place.until_phase(order.name, Phase.RUNNING)
    await place.scheduler.cancel(place.known({order.name: receipt.slurm_id}))
    seen = await place.until_phase(order.name, Phase.ENDED)
    assert seen.outcome is State.CANCELLED
    await place.scheduler.cancel(place.known({order.name: receipt.slurm_id, unique(): "999999"}))


async def test_cancel_spares_strangers(place: Place) -> None:
    """An id of ours that another job has now is not cancelled; our other job is.

    Ids repeat after a reset of SLURM's database.
    """
    ours, other = place.order("sleep", "300", wall_seconds=600), place.order("sleep", "300", wall_seconds=600)
    mine, stranger = await place.submit(ours, other)
    await place.until_phase(ours.name, Phase.RUNNING)
    await place.until_phase(other.name, Phase.RUNNING)
    await place.scheduler.cancel(place.known({unique(): stranger.slurm_id, ours.name: mine.slurm_id}))
    await place.until_phase(ours.name, Phase.ENDING, Phase.ENDED)
    assert (await place.look(other.name)).of(other.name)[0].phase is Phase.RUNNING
    await place.scheduler.cancel(place.known({other.name: stranger.slurm_id}))


async def test_cancel_waiting(place: Place) -> None:
    """A cancelled pending job never runs."""
    order = place.order("true", wall_seconds=30 * 86400)
    (receipt,) = await place.submit(order)
    assert receipt.slurm_id
    await place.until_phase(order.name, Phase.WAITING)
    await place.scheduler.cancel(place.known({order.name: receipt.slurm_id}))
    seen = await place.until_phase(order.name, Phase.ENDED)
    assert (seen.outcome, sum(run.elapsed for run in seen.runs)) == (State.CANCELLED, 0)


async def test_time_limit_to_the_second(place: Place) -> None:
    """The script ends its program after the agreed seconds, before SLURM's limit in minutes."""
    seen = await place.run(place.order("sleep", "300", wall_seconds=2))
    assert seen.exit_code == 124
    assert 2 <= seen.elapsed <= 6


async def test_gpus(place: Place) -> None:
    """A GPU job gets its devices, and the accounting contains their type."""
    order = place.order(
        "sh", "-c", "echo $CUDA_VISIBLE_DEVICES; sleep 1", partition="gpu", gpus_per_node=2, gpu_type="a100"
    )
    seen = await place.run(order)
    assert seen.runs[0].gpus == (("a100", 2),)
    assert place.output(order) == "0,1\n"


async def test_two_nodes(place: Place) -> None:
    """srun in the job reaches each node once, with the job's environment."""
    order = place.order(
        "srun", "sh", "-c", "echo $SLURMD_NODENAME $GREETING", nodes=2, environment=(("GREETING", "hello"),)
    )
    seen = await place.run(order)
    assert (seen.exit_code, seen.runs[0].nodes) == (0, 2)
    lines = place.output(order).splitlines()
    assert len(set(lines)) == 2
    assert all(line.endswith(" hello") for line in lines)


async def test_hostile_arguments(place: Place) -> None:
    """A customer's text reaches the program as its arguments, byte for byte, and no shell reads it."""
    order = place.order("printf", "<%s>\\n", *HOSTILE, working_directory="in/$(touch hostile) dir")
    await place.over(order)
    assert place.output(order) == "".join(f"<{argument}>\n" for argument in HOSTILE)
    assert not list(Path(place.work_root).rglob("hostile"))
    assert Path(order.directory, "in", "$(touch hostile) dir").is_dir()


async def test_a_name_that_reads_as_rows(place: Place) -> None:
    """A job whose name imitates another job's record ends no job."""
    victim = place.order("sleep", "20")
    (receipt,) = await place.submit(victim)
    await place.until_phase(victim.name, Phase.RUNNING)
    row = f"{receipt.slurm_id}|COMPLETED|0:0|1|1|2|1|1|cpu=1|None|{victim.name}|"
    await place.over(
        place.order(
            "sh", "-c", f"sbatch --job-name=\"$(printf 'x\\n{row}\\ny')\" --output=/dev/null --wrap 'sleep 2'"
        )
    )
    (seen,) = (await place.look(victim.name, ids={victim.name: receipt.slurm_id})).of(victim.name)
    assert (seen.slurm_id, seen.phase) == (receipt.slurm_id, Phase.RUNNING)
    await place.scheduler.survey(place.since, place.known({}))  # reads the rows of all users
    await place.scheduler.cancel(place.known({victim.name: receipt.slurm_id}))


async def test_environment(place: Place) -> None:
    """The customer's variables arrive unchanged; none of the daemon's own variables does."""
    order = place.order("sh", "-c", 'echo "$A"; env', environment=(("A", "$HOME 'x' \"y\""),))
    await place.over(order)
    first, *variables = place.output(order).splitlines()
    assert first == "$HOME 'x' \"y\""
    assert not [line for line in variables if line.startswith(("SLURM_TIME_FORMAT=", "SBATCH_"))]


async def test_nodes(place: Place) -> None:
    """Every node is listed with its size, and with what is in use while a job runs."""
    order = place.order(
        "sleep",
        "300",
        cpus_per_node=5,
        memory_gb_per_node=7,
        gpus_per_node=1,
        gpu_type="a100",
        wall_seconds=600,
    )
    (receipt,) = await place.submit(order)
    await place.until_phase(order.name, Phase.RUNNING)
    nodes = await place.scheduler.nodes()
    await place.scheduler.cancel(place.known({order.name: receipt.slurm_id}))
    assert [node.host for node in nodes] == ["n1", "n2", "n3", "n4"]
    assert {(node.cpus, node.memory_mib, node.gpus, node.gpu_type) for node in nodes} == {
        (16, 65536, 2, "a100")
    }
    assert all(node.usable and set(node.partitions) == {"standard", "gpu"} for node in nodes)
    assert any(
        node.cpus_allocated >= 5 and node.memory_allocated_mib >= 7 * 1024 and node.gpus_allocated >= 1
        for node in nodes
    )


async def test_reservations(place: Place) -> None:
    """A reservation has its times, its number of nodes, and whether it is for maintenance."""
    assert await place.scheduler.reservations() == ()
    start = int(time.time()) + 86_400
    planned = Reservation("maint", start, start + 7200, 4, maintenance=True)
    course = Reservation("course", start + 7200, start + 10_800, 1, maintenance=False)
    try:
        await place.reserve(planned)
        await place.reserve(course)
        assert set(await place.scheduler.reservations()) == {planned, course}
    finally:
        await place.unreserve("maint", "course")


async def test_drain(place: Place, way: tuple[Site | SimulatedSite, str]) -> None:
    """A drained node takes no jobs until its drain ends; a login that is no operator of SLURM is refused."""
    reason = drain_reason("alpha", "GPU 1 failed: fell off the bus")
    site, transport_name = way
    if isinstance(site, Site) and transport_name != "local" and site.ssh["user"] != getpass.getuser():
        with pytest.raises(Refused, match="Invalid user id"):
            await place.scheduler.drain("n4", reason)
        return
    await place.scheduler.drain("n4", reason)
    (node,) = [each for each in await place.scheduler.nodes() if each.host == "n4"]
    assert (node.usable, node.draining, node.reason) == (False, True, reason)
    assert is_ours(node, "alpha")
    for _ in range(2):  # a node that is not drained stays as it is
        await place.scheduler.undrain("n4")
    (node,) = [each for each in await place.scheduler.nodes() if each.host == "n4"]
    assert (node.draining, node.reason) == (False, "")
    with pytest.raises(Refused, match="Invalid node name"):
        await place.scheduler.drain("n99", reason)


async def test_slurmdbd_down(place: Place) -> None:
    """Without slurmdbd jobs are accepted and run.

    Nothing that left squeue can be called absent, and its record arrives later.
    """
    await place.stop("slurmdbd")
    try:
        order = place.order("sh", "-c", "exit 4")
        (receipt,) = await place.submit(order)
        assert receipt.slurm_id
        absent = unique()
        assert not (await place.look(absent, doubtful=[absent])).complete
    finally:
        await place.start("slurmdbd")
    seen = await place.until_phase(order.name, Phase.ENDED)
    assert seen.exit_code == 4


async def test_slurmctld_down(place: Place) -> None:
    """Without slurmctld every error is temporary, and a submission has an unknown outcome, not a refusal."""
    await place.stop("slurmctld")
    order = place.order("true")
    try:
        look, nodes, receipts = await asyncio.gather(
            place.look(order.name), place.scheduler.nodes(), place.submit(order), return_exceptions=True
        )
    finally:
        await place.start("slurmctld")
    assert isinstance(look, Transient)
    assert isinstance(nodes, Transient)
    assert isinstance(receipts, tuple)
    assert isinstance(receipts[0], SubmissionResult)
    assert receipts[0].unknown
    assert not receipts[0].slurm_id
    assert not receipts[0].refusal


async def test_job_directory_missing(place: Place) -> None:
    """An order whose directory cannot be created is known not to have started, and delays no other order."""
    good, bad = place.order("true"), place.order("true")
    bad = replace(bad, directory="/proc/no/such/place")
    receipts = await place.submit(good, bad)
    assert receipts[0].slurm_id
    assert "directory" in receipts[1].deferral
    assert receipts[1].trouble is SiteTrouble.WORK_ROOT


async def test_tasks_on_every_node(place: Place) -> None:
    """The program of a wrapper runs once per task.

    Lines after it run, and the exit code remains the program's.
    """
    order = place.order(
        "sh",
        "-c",
        "echo task; exit 3",
        nodes=2,
        cpus_per_node=1,
        wrapper=("srun", "--ntasks", "2"),
        epilogue=("echo afterwards",),
    )
    seen = await place.run(order)
    assert seen.exit_code == 3
    assert [line for line in place.output(order).splitlines() if line in ("task", "afterwards")] == [
        "task",
        "task",
        "afterwards",
    ]
