"""The programs, run by the real /bin/sh against stand-ins for SLURM's commands; and the answers they give."""

import asyncio
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from provider_daemon.errors import Transient, Unreadable
from provider_daemon.job.lifecycle import SUBMIT_SECONDS
from provider_daemon.job.site_trouble import SiteTrouble
from provider_daemon.ports import Submission, SubmissionResult
from provider_daemon.slurm import commands, failures, parse, transport
from provider_daemon.slurm.commands import Command
from provider_daemon.slurm.local import LocalTransport
from provider_daemon.slurm.transport import CommandResult, command_line, consumed, stdin
from tests.unit.slurm import framed

SBATCH = """#!/bin/sh
env > "$(dirname "$0")/env.$$"
script=$(cat)
case $script in
  *slow*) exec sleep 60 ;;
  *refuse*) echo 'sbatch: error: Batch job submission failed: Invalid partition name specified' >&2; exit 1 ;;
  *noisy*) echo 'sbatch: hello from a plugin' >&2; echo '77;alpha' ;;
  *silent*) ;;
  *) echo 42 ;;
esac
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A directory whose bin/ stands before the system's in PATH."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "work").mkdir()
    program(tmp_path, "sbatch", SBATCH)
    return tmp_path


def program(site: Path, name: str, text: str) -> None:
    path = site / "bin" / name
    path.write_text(text)
    path.chmod(0o755)


async def run(site: Path, command: Command) -> CommandResult:
    way = LocalTransport(
        {"PATH": f"{site}/bin:{os.environ['PATH']}", "SLURM_CONF": "/etc/x.conf", "HOME": "/h"}
    )
    return await way.run(command.program, command.payload, 30)


def order(site: Path, name: str, script: str = "x") -> Submission:
    return Submission(name, f"#!/bin/bash\n{script}\n", f"{site}/work/{name}")


async def test_each_order_has_its_own_answer(site: Path) -> None:
    """Accepted, refused, noisy and silent ones in one command are told apart; a plugin's chatter is no id."""
    orders = [
        order(site, "ve-1"),
        order(site, "ve-2", "refuse"),
        order(site, "ve-3", "noisy"),
        order(site, "ve-4", "silent"),
        order(site, "ve-5"),
    ]
    answer = await run(site, commands.submit(orders))
    found = {line.name: failures.receipt(line) for line in parse.receipts(answer)}
    assert {name: receipt.slurm_id for name, receipt in found.items()} == {
        "ve-1": "42",
        "ve-2": "",
        "ve-3": "77",
        "ve-4": "",
        "ve-5": "42",
    }
    assert "no such partition" in found["ve-2"].refusal
    assert found["ve-4"].unknown


async def test_scripts_reach_sbatch_whole_and_stand_in_no_file(site: Path) -> None:
    """Byte for byte on sbatch's stdin, whatever they hold; the job's directory is new, empty and private."""
    program(site, "sbatch", '#!/bin/sh\ncat >"$(dirname "$0")/got.$$"\necho 42\n')
    wild = order(site, "ve-1", "é \\ $x `y` '\"\n.\nprovd-end 0\n" + "z" * 70_000 + "\n\n")
    await run(site, commands.submit([wild, order(site, "ve-2")]))
    assert {path.read_bytes() for path in (site / "bin").glob("got.*")} == {
        wild.script.encode(),
        order(site, "ve-2").script.encode(),
    }
    assert stat.S_IMODE((site / "work/ve-1").stat().st_mode) == 0o700
    assert list((site / "work/ve-1").iterdir()) == []


async def test_inputs_are_linked_before_sbatch(site: Path) -> None:
    """The job finds its inputs below its directory, as the staged files themselves; the others have none."""
    program(site, "sbatch", "#!/bin/sh\ncat >/dev/null\necho 42\n")
    staged = site / "work/.provd-inputs/ve-1"
    (staged / "deep").mkdir(parents=True)
    (staged / "in.csv").write_text("a,b")
    (staged / "deep/more").write_text("c")
    orders = [replace(order(site, "ve-1"), inputs=str(staged)), order(site, "ve-2")]
    answer = await run(site, commands.submit(orders))
    assert [failures.receipt(line).slurm_id for line in parse.receipts(answer)] == ["42", "42"]
    linked = site / "work/ve-1/inputs"
    assert (linked / "in.csv").stat().st_ino == (staged / "in.csv").stat().st_ino
    assert (linked / "deep/more").read_text() == "c"
    assert list((site / "work/ve-2").iterdir()) == []


async def test_inputs_that_are_gone(site: Path) -> None:
    """Nothing is submitted without its inputs; the job is deferred, and its directory is left empty."""
    wanted = replace(order(site, "ve-1"), inputs=f"{site}/work/.provd-inputs/ve-1")
    answer = await run(site, commands.submit([wanted]))
    (receipt,) = map(failures.receipt, parse.receipts(answer))
    assert "cannot link the inputs" in receipt.deferral
    assert not list((site / "bin").glob("env.*"))
    await run(site, commands.remove_empty([wanted.directory]))
    assert not (site / "work/ve-1").exists()


async def test_inputs_of_a_refused_submission(site: Path) -> None:
    """The links go with the unused directory; the staged files stay, and so does a directory with more."""
    staged = site / "work/.provd-inputs/ve-2"
    staged.mkdir(parents=True)
    (staged / "in.csv").write_text("a,b")
    refused = [replace(order(site, f"ve-{n}", "refuse"), inputs=str(staged)) for n in (2, 3)]
    await run(site, commands.submit(refused))
    (site / "work/ve-3/results").write_text("x")
    await run(site, commands.remove_empty([each.directory for each in refused]))
    assert not (site / "work/ve-2").exists()
    assert (site / "work/ve-3/results").read_text() == "x"
    assert (staged / "in.csv").read_text() == "a,b"


@pytest.mark.parametrize("cut", [1, 2, 3, 40])
async def test_cut_payload_submits_nothing(site: Path, cut: int) -> None:
    """A connection that breaks while scripts are on their way leaves no job, and where it can still be
    reported, that is known."""
    command = commands.submit([order(site, "ve-1"), order(site, "ve-2")])
    answer = await run(site, Command(command.program, command.payload[:-cut], command.seconds))
    assert {failures.receipt(line).trouble for line in parse.receipts(answer)} == {SiteTrouble.CONNECTION}
    assert all(failures.receipt(line).deferral for line in parse.receipts(answer))
    assert not list((site / "bin").glob("env.*"))
    assert list((site / "work").iterdir()) == []


@pytest.mark.parametrize("planted", ["file", "link", "dangling", "directory"])
async def test_a_directory_that_is_there_is_never_used(site: Path, planted: str) -> None:
    """Jobs can write below the work root: what one of them put in the way is neither followed nor reused, and
    no sbatch is started."""
    (site / "elsewhere").mkdir()
    (site / "elsewhere/job.sh").write_text("mine")
    place = site / "work/ve-1"
    if planted == "directory":
        place.mkdir()
        (place / "output.txt").symlink_to(site / "elsewhere/job.sh")
    elif planted == "file":
        place.write_text("in the way")
    else:
        place.symlink_to(site / ("elsewhere" if planted == "link" else "nowhere"))
    (receipt,) = map(
        failures.receipt, parse.receipts(await run(site, commands.submit([order(site, "ve-1")])))
    )
    assert "File exists" in receipt.deferral
    assert receipt.trouble is SiteTrouble.WORK_ROOT
    assert not list((site / "bin").glob("env.*"))
    assert [path.name for path in (site / "elsewhere").iterdir()] == ["job.sh"]
    assert (site / "elsewhere/job.sh").read_text() == "mine"
    assert not (site / "nowhere").exists()


async def test_a_full_work_root_starts_nothing(site: Path) -> None:
    """A directory can be made where not a byte can be written: known before sbatch, and the directories are
    removed again."""
    program(site, "dd", "#!/bin/sh\necho \"dd: error writing '$2': No space left on device\" >&2\nexit 1\n")
    answer = await run(site, commands.submit([order(site, "ve-1"), order(site, "ve-2")]))
    receipts = [failures.receipt(line) for line in parse.receipts(answer)]
    assert [(receipt.name, receipt.trouble) for receipt in receipts] == [
        ("ve-1", SiteTrouble.WORK_ROOT),
        ("ve-2", SiteTrouble.WORK_ROOT),
    ]
    assert all("No space left on device" in receipt.deferral for receipt in receipts)
    assert list((site / "work").iterdir()) == []
    assert not list((site / "bin").glob("env.*"))


async def test_sbatch_that_retries_until_the_bound_is_heard(site: Path) -> None:
    """MaxJobCount: sbatch waits inside. What it printed is kept, and orders behind it are known not to have
    been started."""
    retrying = "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying"
    program(
        site,
        "sbatch",
        (
            f'#!/bin/sh\ncat >/dev/null\necho x >>"$(dirname "$0")/calls"\necho "{retrying}" >&2\nexec '
            "sleep 60\n"
        ),
    )
    command = commands.submit([order(site, f"ve-{number}") for number in range(6)])
    bounded = command.program.replace(f"timeout -k 5 {SUBMIT_SECONDS} ", "timeout -k 5 1 ")
    assert bounded != command.program
    answer = await run(site, Command(bounded, command.payload, command.seconds))
    found = {line.name: failures.receipt(line) for line in parse.receipts(answer)}
    assert len(found) == 6
    assert [found[f"ve-{number}"].trouble for number in range(6)] == [SiteTrouble.BUSY] * 4 + [
        SiteTrouble.SLOW
    ] * 2
    assert all("sleeping and retrying" in found[f"ve-{number}"].unknown for number in range(4))
    assert all(found[f"ve-{number}"].deferral for number in (4, 5))
    assert len((site / "bin/calls").read_text().split()) == 4


async def test_environment_is_empty_but_for_named_variables(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SBATCH_*, SLURM_* and whatever else a login sets do not reach sbatch; times are left in SLURM's own
    form for the job."""
    for name in ("SBATCH_PARTITION", "SLURM_CLUSTERS", "SLURM_TIME_FORMAT", "LD_LIBRARY_PATH", "SECRET"):
        monkeypatch.setenv(name, "x")
    await run(site, commands.submit([order(site, "ve-1")]))
    (seen,) = (site / "bin").glob("env.*")
    names = {line.partition("=")[0] for line in seen.read_text().splitlines()}
    assert names - {"PWD", "OLDPWD", "SHLVL", "_"} == {
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "SLURM_CONF",
        "LC_ALL",
    }


@pytest.mark.parametrize("name", ["", "-x", "a b", "a;b", "$(x)", "a/b", "."])
def test_names_and_ids_are_checked_before_they_leave(name: str) -> None:
    """A name that is not one of ours cannot become part of a command."""
    with pytest.raises(ValueError, match="invalid SLURM job"):
        commands.submit([Submission(name, "x", "/d")])
    with pytest.raises(ValueError, match="invalid SLURM job"):
        commands.accounting_by_name("|", [name], 0)
    with pytest.raises(ValueError, match="invalid SLURM job"):
        commands.cancel([name])


@pytest.mark.parametrize("directory", ["", "relative", "/a b", "/a\nb", "/$(x)", "/a'b"])
def test_directories_are_plain(directory: str) -> None:
    """A job directory is an absolute path that no shell takes apart."""
    with pytest.raises(ValueError, match="directory"):
        commands.submit([Submission("ve-1", "x", directory)])


async def test_queries_ask_in_epoch_seconds_and_pass_keys_as_data(site: Path) -> None:
    """Ids and names come on stdin and arrive as single arguments."""
    program(site, "sacct", '#!/bin/sh\necho "$SLURM_TIME_FORMAT"\nfor x; do echo "[$x]"; done\n')
    code, text = parse.framed(
        await run(site, commands.accounting_by_name("|x1|", ["ve-1", "ve-2"], 1_700_000_000)), "sacct"
    )
    assert (code, text.splitlines()[0]) == (0, "%s")
    assert {"[ve-1,ve-2]", "[uts1700000000]", "[now+1day]"} <= set(text.splitlines())
    _, text = parse.framed(await run(site, commands.accounting_by_id("|", ["1", "2"])), "sacct")
    assert text.splitlines()[-2:] == ["[-j]", "[1,2]"] or "[1,2]" in text.splitlines()


async def test_exit_code_and_stderr_of_the_command(site: Path) -> None:
    """They come back as SLURM gave them, apart from each other."""
    program(
        site,
        "squeue",
        (
            "#!/bin/sh\necho partial\necho 'Unable to contact slurm controller (connect failure)' >&2\nexit "
            "1\n"
        ),
    )
    answer = await run(site, commands.queue("|"))
    code, text = parse.framed(answer, "squeue")
    assert (code, text.strip()) == (1, "partial")
    assert isinstance(failures.query_failure("squeue", code, answer.stderr), Transient)


def test_the_last_words_count() -> None:
    """A dead munged is told of at length, and what it comes to stands at the very end: it passes, and both
    ends are shown."""
    said = (
        "squeue: error: If munged is up, restart with --num-threads=10 " * 6
        + "slurm_load_jobs error: Protocol authentication error"
    )
    failure = failures.query_failure("squeue", 1, said)
    assert isinstance(failure, Transient)
    assert "If munged is up" in str(failure)
    assert "Protocol authentication error" in str(failure)


@pytest.mark.parametrize("shell", ["sh", "bash", "dash"])
async def test_login_shell_does_not_matter(site: Path, shell: str) -> None:
    """The command line is the same few words for each; what a login prints first is not taken for an
    answer."""
    text = stdin(commands.VERSION, b"")
    program(site, "sbatch", "#!/bin/sh\necho slurm 23.11.4\n")
    greeting = "echo Welcome to alpha; printf '\\033]0;a title\\007'"
    process = await asyncio.create_subprocess_exec(
        shell, "-c", f"{greeting}; {command_line(commands.VERSION)}",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        env={"PATH": f"{site}/bin:{os.environ['PATH']}"},
    )  # fmt: skip
    out, _ = await process.communicate(text)
    _, said = parse.framed(CommandResult(process.returncode, out.decode(), ""), "sbatch")
    assert parse.version(said) == "23.11.4"


@pytest.mark.parametrize("shell", ["sh", "bash", "dash"])
@pytest.mark.parametrize(
    "login_files", ["read -r project", "head -c 5 >/dev/null", "head -c 300 >/dev/null", "cat >/dev/null"]
)
async def test_login_files_that_read_stdin(tmp_path: Path, shell: str, login_files: str) -> None:
    """Whatever they took of a program, neither the rest of it nor what follows it is run."""
    forged = f"touch {tmp_path}/ran\n".encode() * 20
    text = stdin("echo program\n", forged)
    process = await asyncio.create_subprocess_exec(
        shell, "-c", f"{login_files}; {command_line('echo program' + chr(10))}",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate(text)
    assert consumed(CommandResult(process.returncode, out.decode(), err.decode()))
    assert (out, list(tmp_path.iterdir())) == (b"", [])


async def test_standard_utilities_without_a_path(site: Path) -> None:
    """A login whose PATH leads nowhere still runs our programs, and `path` leads to SLURM's commands."""
    program(site, "sbatch", "#!/bin/sh\necho slurm 23.11.4\n")
    way = LocalTransport({"PATH": "/nowhere"}, path=[f"{site}/bin"])
    _, said = parse.framed(await way.run(commands.VERSION, b"", 10), "sbatch")
    assert parse.version(said) == "23.11.4"
    await way.close()


@pytest.mark.parametrize("flood", ["exec yes", "exec yes >&2", "yes & exec yes >&2"])
async def test_flood_is_cut(site: Path, monkeypatch: pytest.MonkeyPatch, flood: str) -> None:
    """A program that never ends its answer is ended, and what it said fills no memory."""
    monkeypatch.setattr(transport, "MAX_ANSWER", 300_000)
    program(site, "squeue", f"#!/bin/sh\n{flood}\n")
    answer = await run(site, commands.queue("|"))
    assert answer.exit_code is None
    assert len(answer.stdout) <= 300_000
    with pytest.raises(Transient, match="over"):
        parse.framed(answer, "squeue")


async def test_time_out_keeps_what_arrived(site: Path) -> None:
    """An answer that was cut is marked as such, and its process is gone."""
    program(site, "squeue", "#!/bin/sh\necho first\nsleep 60\n")
    way = LocalTransport({"PATH": f"{site}/bin:{os.environ['PATH']}"})
    answer = await way.run(commands.SQUEUE, b"|\n", 0.5)
    assert answer.exit_code is None
    assert "first" in answer.stdout
    with pytest.raises(Transient, match="truncated"):
        parse.framed(answer, "squeue")


def test_answer_without_marks() -> None:
    """A shell that says something else altogether is an operator's matter."""
    with pytest.raises(Unreadable, match="login shell"):
        parse.framed(CommandResult(0, "This account is currently not available.", ""), "squeue")


def test_a_name_is_no_row() -> None:
    """A job's owner chooses its name: whatever rows it reads as, it is one field of one row, and hides none
    behind it."""
    name = "x\u2028y|\n8|COMPLETED|1|1|1|0:01|cpu=1|None|ve-2|"
    text = (
        "".join(f"{field}<9f>" for field in ("7", "RUNNING", "1", "2", "N/A", "0:01", "cpu=1", "None", name))
        + "\n"
    )
    table = (
        framed.squeue("", "<9f>")
        + framed_row(text)
        + framed_row(text.replace(name, "ve-1").replace("7<", "9<"))
    )
    assert [(row.slurm_id, row.name) for row in parse.queue(table, "<9f>").rows] == [
        ("7", name),
        ("9", "ve-1"),
    ]
    for damaged in (table[:-6], table + "8<9f>COMPLETED", table.replace("ve-1<9f>", "ve-1")):
        assert parse.queue(damaged, "<9f>").unread


def framed_row(row: str) -> str:
    key, _, rest = row.rstrip("\n").partition("<9f>")
    return f"{key}<9f>{key}<9f>{rest}{key}<9f>\n"


def test_half_an_answer_line_is_no_answer() -> None:
    """Only lines that arrived whole count."""
    cut = CommandResult(None, "provd-begin\nprovd-answer ve-1 0 42 \nprovd-answer ve-2 0 4", "")
    assert [(line.name, line.slurm_id) for line in parse.receipts(cut)] == [("ve-1", "42")]


def test_backlog_and_its_absence() -> None:
    """Without slurmdbd's line no absence is proven."""
    assert parse.backlog("Agent count: 0\nDBD Agent queue size: 17\n\nJobs submitted: 6\n") == 17
    with pytest.raises(Unreadable):
        parse.backlog("Agent queue size: 0\n")


@pytest.mark.parametrize(
    ("code", "stderr", "kind"),
    [
        (
            1,
            (
                "sbatch: error: Batch job submission failed: Invalid account or account/partition "
                "combination specified"
            ),
            "refusal",
        ),
        (
            1,
            (
                "sbatch: error: Memory specification can not be satisfied sbatch: error: ... Requested "
                "node configuration is not available"
            ),
            "refusal",
        ),
        (255, "sbatch: error: Invalid --time specification", "refusal"),
        (
            1,
            (
                "sbatch: error: QOSMaxNodePerJobLimit sbatch: error: Batch job submission failed: Job "
                "violates accounting/QOS policy (...)"
            ),
            "refusal",
        ),
        (
            1,
            (
                "sbatch: error: AssocMaxSubmitJobLimit sbatch: error: Batch job submission failed: Job "
                "violates accounting/QOS policy"
            ),
            "deferral",
        ),
        (1, "sbatch: error: Unable to contact slurm controller (connect failure)", "unknown"),
        (1, "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation", "unknown"),
        (124, "", "unknown"),
        (1, "sbatch: error: something of next year", "unknown"),
        (0, "", "unknown"),
    ],
)
def test_failed_submission(code: int, stderr: str, kind: str) -> None:
    """A final no reaches the customer; whatever may pass, or is unknown, is looked into first."""
    receipt = failures.receipt(parse.Submitted("ve-1", code, "", stderr))
    assert isinstance(receipt, SubmissionResult)
    assert getattr(receipt, kind)
    assert not receipt.slurm_id
