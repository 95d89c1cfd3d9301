"""The attacks, each submitted as a customer's job.

Each returns what happened, or raises Wrong if it succeeded.
"""

from functools import partial
from pathlib import Path

from provider_daemon.clock import SystemClock
from provider_daemon.job.site_trouble import SiteTrouble
from provider_daemon.job.state import State
from provider_daemon.ports import Submission
from provider_daemon.slurm.logins import SiteLogins
from provider_daemon.slurm.scheduler import SlurmScheduler
from provider_daemon.slurm.ssh import SshTransport
from tests.cases import Case
from tests.expect import Wrong, same
from tests.hostile_customer.name_attacks import renamed, stolen
from tests.hostile_customer.reach import contained
from tests.hostile_customer.slot_attacks import filled_queue, parked
from tests.hostile_customer.stage import BWRAP, NATIVE, SECRET, SRUN, Stage, attack

# --- words that a launcher would interpret ---


async def option(image: str, command: str, *arguments: str, stage: Stage) -> str:
    """A job that runs a launcher with an option as its command is refused and never reaches SLURM.

    {file} is the neighbour's result, which must be neither read nor written.
    """
    file = stage.neighbour(f"{abs(hash((image, command, arguments))):x}")
    words = [word.replace("{file}", str(file)) for word in (command, *arguments)]
    ended = await stage.run(attack(*words, image=image))
    _unharmed(file, ended.output)
    if not ended.refused:
        raise Wrong(f"it was in SLURM as {ended.slurm}")
    return f"refused: {ended.message}"


async def data(stage: Stage) -> str:
    """Dashes after the program are data.

    The sandbox shows the job's own directory and none of a neighbour.
    """
    file = stage.neighbour("data")
    inside = await stage.run(attack("/bin/sh", "-c", 'echo "$0"; ls -a; exit 0', "--bind", image=BWRAP))
    same("a job in the sandbox", (inside.state, "--bind" in inside.output), (State.COMPLETED, True))
    ended = await stage.run(attack("/bin/cat", str(file), image=BWRAP))
    _unharmed(file, ended.output)
    same("its end", ended.state, State.FAILED)
    return "arguments arrive as they are; the neighbour's file is not in the sandbox"


def _unharmed(file: Path, output: str) -> None:
    if SECRET in output:
        raise Wrong("it read the neighbour's result")
    same("the neighbour's result", file.read_text(), SECRET)


# --- links ---


async def links(planted: str, stage: Stage) -> str:
    """The worst case: the directory's name is known, and an attacker's file exists before the submission."""
    file = stage.neighbour(f"links-{planted.replace(' ', '-')}")
    place = stage.work_root / f"ve-planted-{planted.replace(' ', '-')}"
    target = {"link": file.parent, "dangling link": file.parent / "new", "directory with links": None}[
        planted
    ]
    script = "#!/bin/bash\n" + f"#SBATCH --output={place}/output.txt\n" + "echo written\n"
    plant = (
        f"ln -s {target} {place}"
        if target
        else f"mkdir {place}; ln -s {file} {place}/output.txt; ln -s {file} {place}/job.sh"
    )
    same("planting", (await stage.run(attack("/bin/sh", "-c", plant))).state, State.COMPLETED)
    scheduler = SlurmScheduler(SiteLogins(SshTransport(clock=SystemClock(), **stage.site.ssh)), SystemClock())  # type: ignore[arg-type]
    try:
        (receipt,) = await scheduler.submit([Submission(place.name, script, str(place))])
    finally:
        await scheduler.close()
    same("the submission", (receipt.slurm_id, receipt.trouble), ("", SiteTrouble.WORK_ROOT))
    _unharmed(file, "")
    same("the neighbour's directory", [each.name for each in file.parent.iterdir()], ["output.txt"])
    return f"not submitted, nothing followed: {receipt.deferral}"


async def race(stage: Stage) -> str:
    """A job creates links under every name that it can see while other jobs are submitted."""
    file = stage.neighbour("race")
    plant = (
        f"for turn in $(seq 60); do for name in $(squeue -h -o %j) $(ls {stage.work_root}); do "
        f"name=${{name%.*}}; for end in '' .1 .2; do [ -e {stage.work_root}/$name$end ] || ln -s "
        f"{file.parent} {stage.work_root}/$name$end 2>/dev/null; done; done; sleep 0.1; done; exit 0"
    )
    (attacker,) = await stage.submit(attack("/bin/sh", "-c", plant))
    victims = [await stage.run(attack("/bin/echo", f"mine {number}"), customer=1) for number in range(3)]
    await stage.ended(attacker)
    same(
        "the victims",
        [(ended.state, ended.output) for ended in victims],
        [(State.COMPLETED, f"mine {n}\n") for n in range(3)],
    )
    _unharmed(file, "")
    same("the neighbour's directory", [each.name for each in file.parent.iterdir()], ["output.txt"])
    return "each submission has a directory that was not there before; nothing was written through a link"


# --- records ---


async def too_dear(stage: Stage) -> str:
    """A job whose record costs more gas to report than the daemon pays never runs; a job behind it does."""
    (job_id,) = await stage.submit(attack("/bin/echo", *("<" * 60_000 for _ in range(5))))
    behind = await stage.run(attack("/bin/echo", "mine"), customer=1)
    same("the job behind it", (behind.state, behind.output), (State.COMPLETED, "mine\n"))
    record, name = await stage.market.chain.job(job_id), await stage.name(job_id)
    same("its SLURM jobs", stage.site.accounting().get(name, []), [])
    assert record is not None
    return f"it never reached SLURM, and is {record.state} on chain"


def words(name: str, tried: str, image: str, *argv: str, short: bool = False) -> Case[Stage]:
    async def play(stage: Stage) -> str:
        return await option(image, *argv, stage=stage)

    return Case(name, tried, play, short)


ATTACKS = (
    words(
        "12 bwrap: option as command",
        "--bind / /host cat FILE",
        BWRAP,
        "--bind",
        "/",
        "/host",
        "/bin/cat",
        "/host{file}",
        short=True,
    ),
    words("12 bwrap: -- as command", "-- cat FILE", BWRAP, "--", "/bin/cat", "{file}"),
    words(
        "12 srun: option as command",
        "--output=FILE echo",
        SRUN,
        "--output={file}",
        "/bin/echo",
        "overwritten",
        short=True,
    ),
    words(
        "12 srun: second program",
        "true : --output=FILE echo",
        SRUN,
        "/bin/true",
        ":",
        "--output={file}",
        "/bin/echo",
        "overwritten",
    ),
    words("12 native: option as command", "--help", NATIVE, "--help"),
    words("12 image: option as image", "image --bind", "--bind", "/bin/cat", "{file}"),
    Case("12 bwrap: arguments", "options behind the program, a neighbour's path", data),
    Case("18 launcher bubblewrap", "17 ways out of a contained job", contained, short=True),
    Case("15 link as job directory", "a link to a neighbour's directory", partial(links, "link"), short=True),
    Case("15 dangling link", "a link to where a directory could be made", partial(links, "dangling link")),
    Case(
        "15 links in the directory", "job.sh and output.txt as links", partial(links, "directory with links")
    ),
    Case("15 links while others submit", "links under every visible name", race),
    Case("13 unreportable record", "arguments of 300,000 bytes", too_dear),
    Case("14 parked jobs hold the slots", "2 jobs whose GPUs no record names, max_jobs 2", parked),
    Case("16 takes the names of others", "sbatch under public names and squeue's", stolen),
    Case("16 renames itself", "scontrol update name, then a cancel", renamed),
    Case("17 fills the queue", "25 jobs before another customer's, max_jobs 2", filled_queue),
)
