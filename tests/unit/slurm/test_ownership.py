"""Whose a SLURM job is: its owner can rename, resize and requeue it, and SLURM gives ids out again after a
reset."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.errors import Transient
from provider_daemon.job.snapshot import Phase
from provider_daemon.ports import Watch
from provider_daemon.slurm.accounting import AccountingRow, rows
from provider_daemon.slurm.ownership import own_records, script_name, sort_queue
from provider_daemon.slurm.parse import Queued, queue
from provider_daemon.slurm.transport import CommandResult
from tests.fakes.scheduler import known
from tests.unit.slurm import framed
from tests.unit.slurm.test_scheduler import CLOSED, RUNNING, SDIAG, Site, said, scheduler

NAME, OTHER = "ve-0123456789abcdef0123-JOB-1", "ve-fedcba98765432100123-JOB-2"
SCRIPT = said(f"#!/bin/bash\n#SBATCH --job-name={NAME}\n#SBATCH --partition=standard\n")
WATCH = Watch(frozenset({NAME}), {NAME: "7"}, frozenset(), 500, {NAME: 1000})


def queued(name: str, *, slurm_id: str = "7", submitted: int = 1000, state: str = "RUNNING") -> str:
    return RUNNING.replace("7|RUNNING|1000|", f"{slurm_id}|{state}|{submitted}|").replace("ve-1", name)


def record(
    name: str, state: str = "COMPLETED", times: str = "1000|1010|1020", elapsed: int = 10, slurm_id: str = "7"
) -> str:
    text = CLOSED.replace("|COMPLETED|", f"|{state}|").replace("|1000|1010|1020|10|", f"|{times}|{elapsed}|")
    return text.replace("7|", f"{slurm_id}|", 1).replace("ve-1", name)


def records(*lines: str) -> tuple[AccountingRow, ...]:
    return rows(framed.sacct("\n".join(lines)), "|").rows


def owned(*lines: str, watch: Watch = WATCH) -> list[str]:
    return [row.name for row in own_records(records(*lines), watch)]


# --- squeue ---


async def test_a_renamed_job_is_followed() -> None:
    """By id and submit time, without another question; and its final record is measured."""
    site = Site(SQUEUE=said(queued("harmless")))
    (seen,) = (await scheduler(site).snapshot(WATCH)).of(NAME)
    assert (seen.slurm_id, seen.phase, site.programs) == ("7", Phase.RUNNING, ["SQUEUE"])
    site = Site(SQUEUE=said(), SACCT_BY_ID=said(record("harmless")))
    (seen,) = (await scheduler(site).snapshot(WATCH)).of(NAME)
    assert (seen.final, [run.elapsed for run in seen.runs]) == (True, [10])


async def test_a_renamed_job_is_cancelled() -> None:
    """By its id, whatever it calls itself."""
    site = Site(SQUEUE=said(queued("harmless")), SCANCEL=said())
    await scheduler(site).cancel(known({NAME: "7"}, {NAME: 1000}))
    assert site.asked == [("SQUEUE", b""), ("SCANCEL", b"7")]


async def test_renamed_and_requeued_the_script_decides() -> None:
    """Neither name nor submit time fit any more: slurmctld's copy of the batch script names the job. It is
    asked once per look."""
    site = Site(
        SQUEUE=said(queued("harmless", submitted=1500, state="PENDING")), BATCH_SCRIPT=SCRIPT, SCANCEL=said()
    )
    port = scheduler(site)
    (seen,) = (await port.snapshot(WATCH)).of(NAME)
    assert (seen.slurm_id, seen.submitted_at, site.asked[1]) == ("7", 1500, ("BATCH_SCRIPT", b"7\n"))
    await port.cancel(known({NAME: "7"}, {NAME: 1000}))
    assert site.asked[-1] == ("SCANCEL", b"7")


async def test_renamed_before_it_was_seen() -> None:
    """sbatch named the id, and the job renamed itself before the first look: the script says that it is
    ours."""
    site = Site(SQUEUE=said(queued("harmless")), BATCH_SCRIPT=SCRIPT)
    (seen,) = (await scheduler(site).snapshot(Watch(frozenset({NAME}), {NAME: "7"}, since=500))).of(NAME)
    assert (seen.slurm_id, seen.submitted_at) == ("7", 1000)


async def test_renamed_before_its_answer_was_known() -> None:
    """The answer to sbatch was lost and the job renamed itself: it is found by its script, so it is not
    submitted again."""
    watch = Watch(frozenset({NAME}), {}, frozenset({NAME}), 500, intents=frozenset({NAME}))
    site = Site(SQUEUE=said(queued("harmless")), BATCH_SCRIPT=SCRIPT)
    (seen,) = (await scheduler(site).snapshot(watch)).of(NAME)
    assert seen.slurm_id == "7"
    found = Site(SQUEUE=said(f"{queued(OTHER)}\n{queued('theirs', slurm_id='8')}"))
    await scheduler(found).snapshot(known({OTHER: "7"}, {OTHER: 1000}))
    assert "BATCH_SCRIPT" not in found.programs  # nobody's scripts are read while every outcome is known


async def test_a_copy_does_not_hide_the_renamed_job() -> None:
    """The answer to sbatch was lost, the job renamed itself, and another job has its name: both are found."""
    watch = Watch(frozenset({NAME}), {}, frozenset({NAME}), 500, intents=frozenset({NAME}))
    rows = f"{queued('harmless')}\n{queued(NAME, slurm_id='8', submitted=1100)}"
    found = (await scheduler(Site(SQUEUE=said(rows), BATCH_SCRIPT=SCRIPT)).snapshot(watch)).of(NAME)
    assert [seen.slurm_id for seen in found] == ["7", "8"]


async def test_a_copy_in_squeue_is_no_proof_of_absence() -> None:
    """SLURM has forgotten the job, and slurmdbd does not have its record yet: it is not over."""
    watch = Watch(frozenset({NAME}), {NAME: "7"}, frozenset({NAME}), 500, {NAME: 1000})
    behind = SDIAG.replace("DBD Agent queue size: 0", "DBD Agent queue size: 3")
    site = Site(
        SQUEUE=said(queued(NAME, slurm_id="8", submitted=1100)),
        SACCT=said(framed.sacct("")),
        SDIAG=said(behind),
    )
    assert not (await scheduler(site).snapshot(watch)).complete


async def test_renamed_to_anothers_name_before_its_answer_was_known() -> None:
    """It took the name of a job of ours: its script tells them apart, whether or not the other's id is
    known."""
    site = Site(
        SQUEUE=said(f"{queued(OTHER)}\n{queued(OTHER, slurm_id='8')}"),
        BATCH_SCRIPT=script_of({"7": NAME, "8": OTHER}),
    )
    for ids in ({OTHER: "8"}, {}):
        intents = frozenset({NAME, OTHER} - ids.keys())
        watch = Watch(frozenset({NAME, OTHER}), ids, intents, 500, dict.fromkeys(ids, 1000), intents)
        look = await scheduler(site).snapshot(watch)
        assert [[seen.slurm_id for seen in look.of(name)] for name in (NAME, OTHER)] == [["7"], ["8"]]


def script_of(names: dict[str, str]) -> Callable[[bytes], CommandResult]:
    """slurmctld's copies of the batch scripts: SLURM job id -> the name in its script."""
    return lambda payload: said(f"#!/bin/bash\n#SBATCH --job-name={names[payload.decode().strip()]}\n")


async def test_an_id_that_came_again_is_nobodys_of_ours() -> None:
    """Another job has the id by now: not followed, not cancelled, and its script is read once."""
    site = Site(
        SQUEUE=said(queued("theirs", submitted=1500)),
        BATCH_SCRIPT=said("#!/bin/sh\nsleep 1\n"),
        SACCT_BY_ID=said(record(NAME)),
    )
    port = scheduler(site)
    for _ in range(2):
        (seen,) = (await port.snapshot(WATCH)).of(NAME)
        assert (seen.final, seen.submitted_at) == (True, 1000)
    await port.cancel(known({NAME: "7"}, {NAME: 1000}))
    assert site.programs == ["SQUEUE", "BATCH_SCRIPT", "SACCT_BY_ID", "SQUEUE", "SACCT_BY_ID", "SQUEUE"]


async def test_a_job_without_a_script_is_not_ours() -> None:
    """An interactive job has none; SLURM's refusal does not stop the look at the others."""
    none = said("", 0, "job script retrieval failed: Invalid job id specified\n")
    site = Site(
        SQUEUE=said(f"{queued('theirs', submitted=1500)}\n{queued(OTHER, slurm_id='8')}"), BATCH_SCRIPT=none
    )
    watch = Watch(
        frozenset({NAME, OTHER}), {NAME: "7", OTHER: "8"}, frozenset(), 500, {NAME: 1000, OTHER: 1000}
    )
    look = await scheduler(site).snapshot(watch)
    assert (look.of(NAME), len(look.of(OTHER))) == ((), 1)


async def test_too_many_to_ask_about_leave_the_look_incomplete() -> None:
    """A flood of jobs cannot make a submission whose answer was lost look absent; each look gets further."""
    flood = "\n".join(queued(f"x{number}", slurm_id=str(number)) for number in range(100, 150))
    site = Site(SQUEUE=said(flood), BATCH_SCRIPT=said("#!/bin/sh\n"), SDIAG=said(SDIAG.format(0)))
    watch, port = (
        Watch(frozenset({NAME}), {}, frozenset({NAME}), 500, intents=frozenset({NAME})),
        scheduler(site),
    )
    assert [(await port.snapshot(watch)).complete for _ in range(4)] == [False, False, True, True]


def test_one_job_takes_anothers_name() -> None:
    """A job of ours that renames itself to the name of another one stays itself, and the other is not
    mistaken for it."""
    watch = Watch(
        frozenset({NAME, OTHER}), {NAME: "7"}, frozenset({OTHER}), 500, {NAME: 1000}, frozenset({OTHER})
    )
    found = sort_queue(_parsed(queued(OTHER)), watch)
    assert ([row.name for row in found.ours], found.unproven) == ([NAME], ())
    requeued = sort_queue(_parsed(queued(OTHER, submitted=1500)), watch)
    assert ([row.name for row in requeued.ours], len(requeued.unproven)) == ([], 1)


def _parsed(line: str) -> tuple[Queued, ...]:
    return queue(framed.squeue(line), "|").rows


async def test_a_script_that_did_not_come_fails_the_look() -> None:
    """scontrol ends with 0 whatever went wrong: a controller that did not answer is not taken for a job
    without a script."""
    down = said("", 0, "job script retrieval failed: Unable to contact slurm controller (connect failure)\n")
    with pytest.raises(Transient):
        await scheduler(Site(SQUEUE=said(queued("theirs", submitted=1500)), BATCH_SCRIPT=down)).snapshot(
            WATCH
        )


def test_script_name_is_the_second_line() -> None:
    """Only the directive that provd writes first counts, not what a customer's text holds."""
    assert script_name(f"#!/bin/bash\n#SBATCH --job-name={NAME}\n") == NAME
    for other in (
        "",
        "#!/bin/bash",
        f"#!/bin/bash\ntrue\n#SBATCH --job-name={NAME}\n",
        f"#SBATCH --job-name={NAME}\n",
    ):
        assert script_name(other) == ""


# --- sacct ---

LOST = Watch(frozenset({NAME}), {}, frozenset({NAME}), 500, intents=frozenset({NAME}))


def placed(line: str, directory: str) -> str:
    """The record with the working directory that sacct has of it."""
    head, _, name = line.removesuffix("|").rpartition("|")
    return f"{head}|{directory}|{name}|"


async def test_renamed_over_and_forgotten_before_its_answer_was_known() -> None:
    """slurmctld has forgotten it and nothing has its name: the directory that it ran in does, so it is not
    submitted again."""
    first = placed(record("harmless", "REQUEUED"), f"/work/{NAME}.0a1b2c3d")
    # while it waited again, another job changed that
    again = placed(record("harmless", times="1020|1140|1150"), "/tmp")
    other = placed(record("theirs", slurm_id="8"), f"/home/x/{OTHER}.0a1b2c3d")
    site = Site(SQUEUE=said(), SACCT_SINCE=said(f"1990\n{first}\n{again}\n{other}"))
    (seen,) = (await scheduler(site).snapshot(LOST)).of(NAME)
    assert (seen.slurm_id, seen.final, len(seen.runs), site.programs[-1]) == ("7", True, 2, "SACCT_SINCE")


async def test_renamed_to_anothers_name_over_and_forgotten() -> None:
    """Also where it has the name of another job of ours, whose own record is still that one's."""
    mine = placed(record(OTHER), f"/work/{NAME}.0a1b2c3d")
    theirs = placed(record(OTHER, slurm_id="8"), f"/work/{OTHER}.ffffffff")
    site = Site(SQUEUE=said(), SACCT_BY_ID=said(theirs), SACCT_SINCE=said(f"1990\n{mine}\n{theirs}"))
    watch = replace(LOST, names=frozenset({NAME, OTHER}), slurm_ids={OTHER: "8"}, submitted={OTHER: 1000})
    look = await scheduler(site).snapshot(watch)
    assert [[seen.slurm_id for seen in look.of(name)] for name in (NAME, OTHER)] == [["7"], ["8"]]


async def test_a_job_under_its_own_name_is_seen_once() -> None:
    """Both searches find it: its run counts once."""
    mine = placed(record(NAME), f"/work/{NAME}.0a1b2c3d")
    site = Site(SQUEUE=said(), SACCT_BY_NAME=said(mine), SACCT_SINCE=said(f"1990\n{mine}"))
    (seen,) = (await scheduler(site).snapshot(LOST)).of(NAME)
    assert len(seen.runs) == 1


async def test_a_search_by_directory_that_fails_proves_nothing() -> None:
    """Nor does one that holds an unreadable record of such a directory; a record of another directory does
    not matter."""
    down = said("", 1, "sacct: error: Problem talking to the database: Connection refused\n")
    assert not (await scheduler(Site(SQUEUE=said(), SACCT_SINCE=down)).snapshot(LOST)).complete
    for directory, proven in ((f"/work/{NAME}.0a1b2c3d", False), ("/home/x", True)):
        odd = placed(record("harmless", times="?|1010|1020"), directory)
        look = await scheduler(Site(SQUEUE=said(), SACCT_SINCE=said(f"1990\n{odd}"))).snapshot(LOST)
        assert (look.of(NAME), look.complete_for(NAME)) == ((), proven)


def test_records_of_a_renamed_and_requeued_job() -> None:
    """SLURM begins the next record in the second in which the one before ends: one submit time that is known
    gives all of them."""
    again = record("x", "COMPLETED", "1020|1140|1150")
    assert owned(record("x", "REQUEUED"), again) == [NAME, NAME]
    assert owned(record("x", "REQUEUED", "900|910|1000", 90), record("x")) == [NAME, NAME]


def test_records_of_a_renamed_and_resized_job() -> None:
    """A resize gives a new submit time and repeats the first start; the real rows of SLURM 22.05.8."""
    resized = record("other2", "RESIZING", "1795993031|1795993031|1795993037", 6)
    after = record("other2", "CANCELLED by 0", "1795993037|1795993031|1795993044", 13)
    watch = Watch(frozenset({NAME}), {NAME: "7"}, frozenset(), 500, {NAME: 1795993031})
    assert owned(resized, after, watch=watch) == [NAME, NAME]


def test_records_of_a_job_that_was_never_seen() -> None:
    """Only sbatch's answer is known, and the job took another's name and is over: its directory has its
    own."""
    watch = Watch(frozenset({NAME, OTHER}), {NAME: "7", OTHER: "8"})
    assert owned(placed(record(OTHER), f"/work/{NAME}.0a1b2c3d"), watch=watch) == [NAME]
    assert owned(placed(record(OTHER), "/home/x"), watch=watch) == [OTHER]


def test_records_of_a_namesake() -> None:
    """The search by name finds a job of another customer that took the name: its directory gives it away."""
    watch = Watch(frozenset({NAME, OTHER}), {})
    assert owned(placed(record(NAME), f"/work/{OTHER}.0a1b2c3d"), watch=watch) == [OTHER]
    assert owned(record(NAME), watch=watch) == [NAME]


def test_records_of_an_id_that_came_again() -> None:
    """Before us and after us the id was somebody else's."""
    before, after = record("theirs", times="100|110|120"), record("theirs", times="1300|1310|1320")
    assert owned(before, record(NAME), after) == ["theirs", NAME, "theirs"]
    assert owned(before, record("x"), after) == ["theirs", NAME, "theirs"]


@pytest.mark.parametrize(("known", "kept"), [(1000, 1000), (5000, 5000), (0, 5000)])
def test_a_job_submitted_again_may_get_its_first_id_again(known: int, kept: int) -> None:
    """Its directory is another one, and only one of the two SLURM jobs is billed. A requeue after a pause
    keeps the directory."""
    found = records(record(NAME, "FAILED"), record(NAME, times="5000|5010|5020"))
    first, again = (replace(row, directory="/work/one") for row in found)
    watch = replace(WATCH, submitted={NAME: known})
    other = replace(again, directory="/work/another")
    assert [row.submitted_at for row in own_records([first, other], watch)] == [kept]
    assert len(own_records([first, again], watch)) == 2
    assert len(own_records([first, other], replace(watch, names=frozenset()))) == 2


@given(
    st.permutations(
        ["1000|1010|1020", "1020|1140|1150", "1150|1300|1310", "5000|5010|5020", "1000|1010|1020"]
    )
)
def test_order_and_repetition_do_not_matter(times: list[str]) -> None:
    """Records that come twice or in another order have the same owner."""
    found = own_records(records(*(record("x", "REQUEUED", each) for each in times)), WATCH)
    assert sorted((row.submitted_at, row.name) for row in found) == [
        (1000, NAME),
        (1000, NAME),
        (1020, NAME),
        (1150, NAME),
        (5000, "x"),
    ]


def test_rows_of_ids_that_nobody_follows_stay_as_they_are() -> None:
    """A search by name brings rows of jobs whose ids are not known yet."""
    found: list[AccountingRow] = own_records(
        records(record(NAME)), replace(WATCH, slurm_ids={}, submitted={})
    )
    assert [row.name for row in found] == [NAME]
