"""The scheduler port over programs: what a look may conclude, and what it must not."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from provider_daemon.errors import Transient, Unreadable
from provider_daemon.job.lifecycle import KILL_SECONDS, START_SECONDS, SUBMIT_SECONDS, WAITING_WINDOW
from provider_daemon.job.snapshot import Phase
from provider_daemon.job.state import State
from provider_daemon.ports import Submission, Watch
from provider_daemon.slurm import commands
from provider_daemon.slurm.logins import SiteLogins
from provider_daemon.slurm.scheduler import SlurmScheduler
from provider_daemon.slurm.transport import CommandResult
from tests.fakes.scheduler import known
from tests.unit.slurm import framed

RUNNING = "7|RUNNING|1000|1010|N/A|0:30|cpu=4,mem=8G,node=1,billing=4|None|ve-1|"
ENDED = "7|COMPLETED|1000|1010|1020|0:10|cpu=4,mem=8G,node=1,billing=4|None|ve-1|"
CLOSED = "7|COMPLETED|0:0|1000|1010|1020|10|1|cpu=4,mem=8192M,node=1|None|ve-1|"
OPEN = "7|RUNNING|0:0|1000|1010|Unknown|30|1|cpu=4,mem=8192M,node=1|None|ve-1|"
UNLIMITED = "Configuration data as of 2026\n\nSlurmDBD configuration:\nMaxQueryTimeRange      = UNLIMITED\n"
SDIAG = "Agent queue size:     0\nDBD Agent queue size: {}\n"
PROGRAMS = (
    *("VERSION", "SQUEUE", "SACCT_BY_ID", "SACCT_BY_NAME", "SACCT_SINCE", "QUERY_RANGE", "SDIAG", "NODES"),
    *("BATCH_SCRIPT", "SCANCEL", "SUBMIT", "REMOVE_EMPTY"),
)
NAMES = {getattr(commands, name): name for name in PROGRAMS}


class Clock:
    def now(self) -> float:
        return 2000.0


def said(text: str = "", code: int = 0, stderr: str = "") -> CommandResult:
    """A whole answer, with its marks."""
    return CommandResult(0, f"provd-begin\n{text}\n\nprovd-end {code}\n", stderr)


class Site:
    """The far end: an answer for each program, with the question's mark for every `|`, and a record of what
    was asked beside the mark."""

    def __init__(self, **answers: CommandResult | Callable[[bytes], CommandResult]) -> None:
        self.answers: dict[str, CommandResult | Callable[[bytes], CommandResult]] = {
            "SDIAG": said(SDIAG.format(0)),
            "SACCT_BY_ID": said(),
            "SACCT_BY_NAME": said(),
            "SACCT_SINCE": said("1990"),
            "QUERY_RANGE": said(UNLIMITED),
            **answers,
        }
        self.asked: list[tuple[str, bytes]] = []

    async def run(self, program: str, payload: bytes, timeout: float) -> CommandResult:
        name, mark = NAMES[program], b"|"
        if name.startswith(("SQUEUE", "SACCT")):
            mark, _, payload = payload.partition(b"\n")
        self.asked.append((name, payload))
        answer = self.answers[name]
        said = answer(payload) if callable(answer) else answer
        return replace(said, stdout=_table(name, said.stdout).replace("|", mark.decode()))

    async def close(self) -> None:
        pass

    @property
    def programs(self) -> list[str]:
        return [name for name, _ in self.asked]


def _table(name: str, stdout: str) -> str:
    """The rows between the markers with what our own queries add to them; an answer without the end marker
    stays as it is."""
    begin, found, body = stdout.partition("provd-begin\n")
    rows, ended, code = body.rpartition("\n\nprovd-end ")
    if not (found and ended and name.startswith(("SQUEUE", "SACCT"))) or code.strip() != "0":
        return stdout
    clock, _, rows = rows.partition("\n") if name == "SACCT_SINCE" else ("", "", rows)
    table = (framed.squeue if name == "SQUEUE" else framed.sacct)(rows)
    return f"{begin}{found}{clock}\n{table}{ended}{code}"


def watch(*names: str, ids: dict[str, str] | None = None, doubtful: tuple[str, ...] = ()) -> Watch:
    return Watch(frozenset(names), ids or {}, frozenset(doubtful), 500)


def scheduler(site: Site) -> SlurmScheduler:
    return SlurmScheduler(SiteLogins(site), Clock())


async def test_one_call_while_all_run() -> None:
    """A tick over running jobs is one squeue, however many there are."""
    site = Site(
        SQUEUE=said(
            "\n".join(RUNNING.replace("7|", f"{n}|").replace("ve-1", f"ve-{n}") for n in range(1, 1001))
        )
    )
    port = scheduler(site)
    names = [f"ve-{n}" for n in range(1, 1001)]
    snapshot = await port.snapshot(watch(*names, ids={name: name[3:] for name in names}))
    assert (site.programs, port.rpcs, snapshot.complete, snapshot.taken_at) == (["SQUEUE"], 1, True, 2000.0)
    assert {snapshot.of(name)[0].phase for name in names} == {Phase.RUNNING}


async def test_two_calls_when_some_ended() -> None:
    """Those that left squeue, or that squeue calls ended, are asked for in one sacct by id."""
    site = Site(SQUEUE=said(ENDED), SACCT_BY_ID=said(CLOSED))
    port = scheduler(site)
    (seen,) = (await port.snapshot(watch("ve-1", ids={"ve-1": "7"}))).of("ve-1")
    assert (site.asked, port.rpcs) == ([("SQUEUE", b""), ("SACCT_BY_ID", b"7")], 2)
    assert (seen.final, seen.outcome, seen.phase) == (True, State.COMPLETED, Phase.ENDED)


async def test_ended_in_squeue_waits_for_its_record() -> None:
    """Until sacct closes the record the job is ending, and squeue's word wins over an open one."""
    for record in ("", OPEN):
        (seen,) = (
            await scheduler(Site(SQUEUE=said(ENDED), SACCT_BY_ID=said(record))).snapshot(
                watch("ve-1", ids={"ve-1": "7"})
            )
        ).of("ve-1")
        assert (seen.final, seen.phase, seen.slurm_state) == (False, Phase.ENDING, "COMPLETED")


@pytest.mark.parametrize(("owed", "final"), [(0, True), (2, False)])
async def test_a_failed_nodes_record_is_the_last_when_nothing_is_owed(owed: int, final: bool) -> None:
    """The site may have requeued the job, and the next stretch's record be on its way: squeue and the backlog
    are read, sacct again."""
    failed = said(CLOSED.replace("COMPLETED", "NODE_FAIL"))
    site = Site(SQUEUE=said(), SDIAG=said(SDIAG.format(owed)), SACCT_BY_ID=failed)
    (seen,) = (await scheduler(site).snapshot(watch("ve-1", ids={"ve-1": "7"}))).of("ve-1")
    assert (seen.final, seen.phase) == (final, Phase.ENDED if final else Phase.ENDING)
    assert site.programs == ["SQUEUE", "SACCT_BY_ID", "SQUEUE", "SDIAG", "SACCT_BY_ID"]


async def test_a_requeue_after_the_first_question_is_seen() -> None:
    """squeue's first answer was late: by the time sacct is asked a node has failed, and SLURM has put the job
    back."""
    queues = iter(
        [
            said(ENDED.replace("COMPLETED", "COMPLETING")),
            said(RUNNING.replace("RUNNING|1000", "PENDING|1500")),
        ]
    )
    failed = said(CLOSED.replace("COMPLETED", "NODE_FAIL"))
    site = Site(SQUEUE=lambda _: next(queues), SACCT_BY_ID=failed)
    (seen,) = (await scheduler(site).snapshot(watch("ve-1", ids={"ve-1": "7"}))).of("ve-1")
    assert (seen.final, seen.phase) == (False, Phase.ENDING)


async def test_absence_is_proven_by_all_three() -> None:
    """A doubtful name is absent when squeue and sacct lack it and slurmctld owes slurmdbd nothing; the
    backlog is read before sacct."""
    site = Site(SQUEUE=said())
    snapshot = await scheduler(site).snapshot(watch("ve-1", doubtful=("ve-1",)))
    assert (snapshot.complete, snapshot.of("ve-1")) == (True, ())
    assert site.asked == [("SQUEUE", b""), ("SDIAG", b""), ("SACCT_BY_NAME", b"1000000\nnow+1day\nve-1")]


async def test_backlog_leaves_the_look_incomplete() -> None:
    """A record may still be on its way."""
    site = Site(SQUEUE=said(), SDIAG=said(SDIAG.format(3)))
    assert not (await scheduler(site).snapshot(watch("ve-1", doubtful=("ve-1",)))).complete


async def test_sacct_down_leaves_the_look_incomplete() -> None:
    """Running jobs are still followed; nothing is absent."""
    down = said("", 1, "sacct: error: Problem talking to the database: Connection refused")
    snapshot = await scheduler(Site(SQUEUE=said(RUNNING), SACCT_BY_NAME=down)).snapshot(
        watch("ve-1", "ve-2", ids={"ve-1": "7"})
    )
    assert (snapshot.complete, len(snapshot.of("ve-1"))) == (False, 1)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (
            said("", 1, "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"),
            Transient,
        ),
        (said("", 124), Transient),
        (CommandResult(None, "provd-begin\n" + RUNNING + "\n", ""), Transient),
        (CommandResult(0, "", ""), Unreadable),
        (said("", 1, "squeue: error: Invalid user"), Unreadable),
        (said("", 0, "squeue: error: Invalid user: 997"), Transient),
    ],
)
async def test_failed_squeue_is_never_an_empty_one(answer: CommandResult, error: type[Exception]) -> None:
    """However it fails, the look fails."""
    with pytest.raises(error):
        await scheduler(Site(SQUEUE=answer)).snapshot(watch("ve-1", doubtful=("ve-1",)))


async def test_other_peoples_jobs_are_not_seen() -> None:
    """Names that we do not follow, and a name of ours from before our time, do not appear."""
    site = Site(
        SQUEUE=said("\n".join([RUNNING.replace("ve-1", "theirs"), RUNNING.replace("|1000|", "|100|")]))
    )
    assert (await scheduler(site).snapshot(watch("ve-1", doubtful=("ve-1",)))).sightings == {}


async def test_twins_are_both_shown() -> None:
    """Two jobs under one name, the earlier first: whoever decides must see both."""
    site = Site(SQUEUE=said("\n".join([RUNNING.replace("7|", "9|"), RUNNING])))
    assert [seen.slurm_id for seen in (await scheduler(site).snapshot(watch("ve-1"))).of("ve-1")] == [
        "7",
        "9",
    ]


async def test_many_ids_go_in_parts() -> None:
    """No single argument grows beyond what Linux takes."""
    names = [f"ve-{n}" for n in range(1, 2501)]
    site = Site(SQUEUE=said())
    await scheduler(site).snapshot(watch(*names, ids={name: name[3:] for name in names}))
    assert site.programs == ["SQUEUE", *["SACCT_BY_ID"] * 3]


ORDERS = [Submission(f"ve-{n}", "#!/bin/bash\n", f"/w/ve-{n}") for n in (1, 2, 3)]


async def test_cut_submission_leaves_the_others_known() -> None:
    """What was answered counts; what was not is in doubt, for each order by itself."""
    refused = "Batch job submission failed: Invalid partition name specified"
    cut = CommandResult(
        None,
        f"provd-begin\nprovd-answer ve-2 0 42 \nprovd-answer ve-1 1 ? sbatch: error: {refused}\nprovd-ans",
        "",
    )
    one, two, three = await scheduler(Site(SUBMIT=cut, REMOVE_EMPTY=CommandResult(1, "", ""))).submit(ORDERS)
    assert (one.refusal != "", two.slurm_id, three.unknown != "") == (True, "42", True)


async def test_submission_that_never_began() -> None:
    """It is a doubt like any other: looking is cheap."""

    def lost(_: bytes) -> CommandResult:
        raise Transient("ssh: down")

    assert [receipt.unknown for receipt in await scheduler(Site(SUBMIT=lost)).submit(ORDERS)] == [
        "ssh: down"
    ] * 3


def queued(slurm_id: str, name: str) -> str:
    return RUNNING.replace("7|", f"{slurm_id}|", 1).replace("ve-1", name)


async def test_cancel_looks_at_the_names() -> None:
    """Several jobs in one scancel, but none whose id a stranger has by now, nor one that is gone; a
    controller that is down raises."""
    queue = said("\n".join([queued("7", "ve-1"), queued("8", "a-stranger"), queued("9", "ve-3")]))
    site = Site(SQUEUE=queue, SCANCEL=said(), BATCH_SCRIPT=said("#!/bin/sh\ntrue\n"))
    await scheduler(site).cancel(known({"ve-1": "7", "ve-2": "8", "ve-3": "9", "ve-4": "10"}))
    assert site.asked == [("SQUEUE", b""), ("BATCH_SCRIPT", b"8\n"), ("SCANCEL", b"7 9")]
    down = "Unable to contact slurm controller (connect failure)"
    for broken in (Site(SQUEUE=queue, SCANCEL=said("", 8, down)), Site(SQUEUE=said("", 1, down))):
        with pytest.raises(Transient):
            await scheduler(broken).cancel(known({"ve-1": "7"}))


async def test_cancel_of_a_stranger_alone() -> None:
    """Nothing is left to cancel, and scancel is not even asked."""
    site = Site(SQUEUE=said(queued("8", "a-stranger")), BATCH_SCRIPT=said("#!/bin/sh\ntrue\n"))
    await scheduler(site).cancel(known({"ve-2": "8"}))
    assert site.programs == ["SQUEUE", "BATCH_SCRIPT"]


async def test_version() -> None:
    """The number alone, whatever the packager calls it."""
    assert await scheduler(Site(VERSION=said("slurm-wlm 22.05.8"))).version() == "22.05.8"


NAME = "ve-0123456789ab-JOB-1"


def ours(line: str) -> str:
    return line.replace("ve-1", NAME)


async def test_running_job_has_what_it_holds() -> None:
    """squeue's allocated TRES and elapsed time make the run under way, with the integers of an accounting
    record."""
    (seen,) = (await scheduler(Site(SQUEUE=said(RUNNING))).snapshot(watch("ve-1"))).of("ve-1")
    (run,) = seen.runs
    assert (run.elapsed, run.cpus, run.memory_mib, run.nodes, run.gpus) == (30, 4, 8192, 1, ())


async def test_survey_is_one_squeue_and_one_sacct() -> None:
    """Everything under a name of our form, followed or not, live or ended, and the site's clock beside it."""
    other = CLOSED.replace("7|", "9|").replace("ve-1", "ve-fedcba987654-JOB-2")
    site = Site(
        SQUEUE=said(f"{ours(RUNNING)}\n{queued('8', 'theirs')}"), SACCT_SINCE=said(f"1990\n{other}\n{CLOSED}")
    )
    found = await scheduler(site).survey(1_000_000, known({NAME: "7"}))
    assert site.asked == [("SQUEUE", b""), ("SACCT_SINCE", b"1000000\nnow+1day\n")]
    assert (found.site_time, found.snapshot.complete, sorted(found.snapshot.sightings)) == (
        1990,
        True,
        [NAME, "ve-fedcba987654-JOB-2"],
    )


async def test_survey_asks_again_for_what_it_missed() -> None:
    """A job from before the window is asked for by its id; one that is nowhere counts as absent only without
    a backlog."""
    site = Site(SQUEUE=said(), SACCT_SINCE=said("1990"), SACCT_BY_ID=said(ours(CLOSED)))
    assert (await scheduler(site).survey(1_000_000, known({NAME: "7"}))).snapshot.of(NAME)[0].final
    assert site.programs == ["SQUEUE", "SACCT_SINCE", "SACCT_BY_ID"]
    site = Site(SQUEUE=said(), SACCT_SINCE=said("1990"), SDIAG=said(SDIAG.format(3)))
    assert not (await scheduler(site).survey(1_000_000, known({NAME: "7"}))).snapshot.complete


async def test_survey_without_sacct_fails() -> None:
    """What cannot be compared must not look like a match."""
    down = said("1990", 1, "sacct: error: Problem talking to the database: Connection refused")
    with pytest.raises(Transient):
        await scheduler(Site(SQUEUE=said(), SACCT_SINCE=down)).survey(0, known({}))


async def test_survey_keeps_owners_of_one_id_apart() -> None:
    """A site that was reset gives ids again: two of our jobs under one id are two jobs."""
    twin = CLOSED.replace("ve-1", "ve-fedcba987654-JOB-2").replace("|1000|1010|1020|", "|5000|5010|5020|")
    site = Site(SQUEUE=said(), SACCT_SINCE=said(f"1990\n{ours(CLOSED)}\n{twin}"))
    found = await scheduler(site).survey(0, known({NAME: "7"}))
    assert [len(seen) for seen in found.snapshot.sightings.values()] == [1, 1]


NOTICE = "NOTICE: maintenance on Friday, see the news page"


async def test_a_banner_hides_no_job() -> None:
    """What a wrapper prints in front of squeue and sacct is no part of an answer: the job is seen, under its
    own id."""
    site = Site(
        SQUEUE=said(f"{NOTICE}\n{RUNNING}"),
        SACCT_BY_ID=said(f"{NOTICE}\n{CLOSED.replace('ve-1', 've-2').replace('7|', '8|')}"),
    )
    snapshot = await scheduler(site).snapshot(watch("ve-1", "ve-2", ids={"ve-2": "8"}))
    assert [seen.slurm_id for name in ("ve-1", "ve-2") for seen in snapshot.of(name)] == ["7", "8"]
    assert snapshot.complete


async def test_an_unreadable_row_is_absent_nowhere() -> None:
    """The job that it is of is neither absent nor over; the others are judged as ever."""
    third = RUNNING.replace("7|", "9|").replace("ve-1", "ve-3")
    site = Site(SQUEUE=said(f"{RUNNING.replace('RUNNING', 'NOTICE: x')}\n{third}"))
    snapshot = await scheduler(site).snapshot(watch("ve-1", "ve-2", "ve-3", doubtful=("ve-1", "ve-2")))
    assert [snapshot.complete_for(name) for name in ("ve-1", "ve-2", "ve-3")] == [False, True, True]
    assert snapshot.of("ve-3")


async def test_an_unreadable_record_ends_nothing() -> None:
    """A job of two stretches, of which one cannot be read, is not measured by the other alone."""
    damaged = CLOSED.replace("mem=8192M", "mem=").replace("1000|1010", "900|910")
    site = Site(SQUEUE=said(), SACCT_BY_ID=said(f"{damaged}\n{CLOSED}"))
    snapshot = await scheduler(site).snapshot(watch("ve-1", ids={"ve-1": "7"}))
    (seen,) = snapshot.of("ve-1")
    assert (seen.final, snapshot.complete_for("ve-1")) == (False, False)


async def test_by_id_when_the_search_by_name_fails() -> None:
    """A job whose id is known is followed to its end; what is looked for by name is not absent."""
    down = said("", 95, "sacct: error: Too wide of a date range in query")
    site = Site(SQUEUE=said(), SACCT_BY_ID=said(CLOSED), SACCT_BY_NAME=down)
    snapshot = await scheduler(site).snapshot(watch("ve-1", "ve-2", ids={"ve-1": "7"}, doubtful=("ve-2",)))
    assert (snapshot.of("ve-1")[0].final, snapshot.complete) == (True, False)


@pytest.mark.parametrize(
    ("stderr", "failed"),
    [
        ("squeue: error: Invalid user: 997", True),
        ("slurm_load_jobs error: Unable to contact slurm controller", True),
        ("squeue: fatal: Unable to process configuration file", True),
        (
            "squeue: error: Ignoring obsolete FastSchedule=1 option. Please remove from your configuration.",
            False,
        ),
        ("squeue: warning: slurm.conf line 17", False),
        ("module: error: no such module\nWelcome", False),
    ],
)
async def test_an_error_with_exit_code_0(stderr: str, failed: bool) -> None:
    """A query that reports an error failed; remarks on the configuration and other programs' words do not
    matter."""
    site = Site(SQUEUE=said("", 0, stderr))
    if failed:
        with pytest.raises(Transient, match="exit code 0"):
            await scheduler(site).snapshot(watch("ve-1"))
    else:
        await scheduler(site).snapshot(watch("ve-1"))


def test_a_submission_is_over_before_its_absence_counts() -> None:
    """Its start, its bound and the time that `timeout` leaves before it kills are inside the window, however
    long a login may take."""
    assert START_SECONDS + SUBMIT_SECONDS + KILL_SECONDS < WAITING_WINDOW
    assert f"timeout -k {KILL_SECONDS} {SUBMIT_SECONDS} " in commands.SUBMIT
