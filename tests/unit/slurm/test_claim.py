"""The claim: the batch script under the real bash, the directory that sbatch's command makes, and its links
read back."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.errors import Transient, Unreadable
from provider_daemon.job.claim import CLAIMED, CLAIMS, UNCLAIMED, Claim, read_claim
from provider_daemon.job.snapshot import Phase, Sighting
from provider_daemon.job.state import State
from provider_daemon.ongoing import OngoingProblems
from provider_daemon.ports import Submission, Watch
from provider_daemon.slurm import commands, failures, parse
from provider_daemon.slurm.claim_reader import ClaimReader
from provider_daemon.slurm.local import LocalTransport
from provider_daemon.slurm.run import ask
from provider_daemon.slurm.script import render
from tests.unit.slurm.batches import BATCH

NAME = "ve-0123-JOB-1"
FIRST, SECOND = "0a1b2c3d", "4e5f6071"
PROLOGUE, PROGRAM = "echo prologue >>../ran", "echo program >>../ran; exit 3"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / CLAIMS).mkdir()
    return tmp_path


def script(root: Path, token: str) -> str:
    return render(
        replace(
            BATCH,
            name=NAME,
            directory=f"{root}/{NAME}.{token}",
            argv=("sh", "-c", PROGRAM),
            prologue=(PROLOGUE,),
        )
    )


def started(root: Path, slurm_id: str, token: str) -> "subprocess.Popen[str]":
    """Starts a SLURM job of the job, in a directory of its own."""
    directory = root / f"{NAME}.{token}"
    directory.mkdir(exist_ok=True)
    (directory / "script").write_text(script(root, token))
    environment = {"PATH": os.environ["PATH"], "SLURM_JOB_ID": slurm_id}
    return subprocess.Popen(
        ["bash", "script"], cwd=directory, env=environment, stderr=subprocess.PIPE, text=True
    )


def run(root: Path, slurm_id: str, token: str) -> tuple[int, str]:
    """Returns the exit code, and what ran: its lines since the job's last run."""
    ran = root / "ran"
    ran.unlink(missing_ok=True)
    with started(root, slurm_id, token) as process:
        process.communicate(timeout=30)
    return process.returncode, ran.read_text() if ran.exists() else ""


WHOLE = (3, "prologue\nprogram\n")


def test_the_second_slurm_job_runs_nothing(root: Path) -> None:
    """Not even the site's prologue; the first one's claim stays."""
    assert run(root, "100", FIRST) == WHOLE
    assert run(root, "101", SECOND) == (CLAIMED, "")
    assert os.readlink(root / CLAIMS / NAME) == f"100:{NAME}.{FIRST}"


def test_a_requeued_slurm_job_keeps_its_claim(root: Path) -> None:
    """It has the same id and directory, and runs again."""
    assert run(root, "100", FIRST) == WHOLE
    assert run(root, "100", FIRST) == WHOLE


def test_another_slurm_job_of_the_same_id_runs_nothing(root: Path) -> None:
    """SLURM assigns ids again; the directory tells the two apart."""
    assert run(root, "100", FIRST) == WHOLE
    assert run(root, "100", SECOND) == (CLAIMED, "")


@pytest.mark.parametrize("place", ["no directory", "read-only"])
def test_without_a_claim_nothing_runs(root: Path, place: str) -> None:
    """The error file has the reason."""
    claims = root / CLAIMS
    claims.rmdir()
    if place == "read-only":  # also for root
        claims.symlink_to("/proc")
    with started(root, "100", FIRST) as process:
        _, said = process.communicate(timeout=30)
    assert process.returncode == UNCLAIMED
    assert "could not be claimed: ln: " in said
    assert not (root / "ran").exists()


def test_a_claim_that_leads_to_a_directory_is_a_claim(root: Path, tmp_path: Path) -> None:
    """Nothing is made behind it."""
    (tmp_path / "elsewhere").mkdir()
    (root / CLAIMS / NAME).symlink_to(tmp_path / "elsewhere")
    assert run(root, "100", FIRST) == (CLAIMED, "")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_one_of_many_at_once_runs(root: Path) -> None:
    """Eight SLURM jobs of one job start at the same time: one of them runs."""
    processes = [started(root, str(100 + number), f"0000000{number}") for number in range(8)]
    for process in processes:
        process.communicate(timeout=30)
    codes = sorted(process.returncode for process in processes)
    assert codes == [3, *[CLAIMED] * 7]
    assert (root / "ran").read_text() == "prologue\nprogram\n"


# --- the commands ---


@pytest.fixture
def login(tmp_path: Path) -> LocalTransport:
    """A login node whose sbatch accepts everything."""
    (tmp_path / "bin").mkdir()
    sbatch = tmp_path / "bin/sbatch"
    sbatch.write_text("#!/bin/sh\ncat >/dev/null\necho 42\n")
    sbatch.chmod(0o755)
    (tmp_path / "work").mkdir()
    return LocalTransport({"PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "HOME": str(tmp_path)})


async def submitted(login: LocalTransport, root: Path) -> str:
    """Returns the answer to a submission: the SLURM job id, or why nothing was submitted."""
    command = commands.submit([Submission(NAME, "#!/bin/bash\ntrue\n", f"{root}/{NAME}.{FIRST}")])
    answer = await login.run(command.program, command.payload, 30)
    (line,) = parse.receipts(answer)
    receipt = failures.receipt(line)
    return receipt.slurm_id or receipt.deferral


async def test_a_submission_makes_the_directory_of_the_claims(login: LocalTransport, tmp_path: Path) -> None:
    """It belongs to the user who submits, and nobody else may read it. It is made once."""
    work = tmp_path / "work"
    assert await submitted(login, work) == "42"
    assert (work / CLAIMS).stat().st_mode & 0o7777 == 0o700
    (work / f"{NAME}.{FIRST}").rmdir()
    assert await submitted(login, work) == "42"


@pytest.mark.parametrize("wrong", ["link", "dangling", "file", "other"])
async def test_no_other_directory_is_used(login: LocalTransport, tmp_path: Path, wrong: str) -> None:
    """Behind a link or in another user's directory, somebody else could make or remove claims."""
    work, elsewhere = tmp_path / "work", tmp_path / "elsewhere"
    elsewhere.mkdir()
    if wrong == "file":
        (work / CLAIMS).touch()
    elif wrong == "other":
        if os.geteuid():
            pytest.skip("only root can make another user's directory")
        (work / CLAIMS).mkdir()
        os.chown(work / CLAIMS, 4711, 4711)
    else:
        (work / CLAIMS).symlink_to(elsewhere if wrong == "link" else tmp_path / "nowhere")
    said = await submitted(login, work)
    assert said.startswith("cannot make the directory of the claims: ")
    assert not (tmp_path / "nowhere").exists()


async def links(login: LocalTransport, root: Path, *names: str) -> dict[str, str]:
    text = await ask(login, "find", commands.claimed_by("|ab|", str(root), names))
    return parse.claims(text, "|ab|")


async def test_claims_are_read_back(login: LocalTransport, tmp_path: Path) -> None:
    """Each job's own, whatever another job of the user wrote beside it or into it."""
    work = tmp_path / "work"
    (work / CLAIMS).mkdir()
    texts = {"ve-1-JOB-1": f"100:ve-1-JOB-1.{FIRST}", "ve-2-JOB-2": "x\n|ab ve-1-JOB-1\n", "ve-10-JOB-1": "9"}
    for name, text in texts.items():
        (work / CLAIMS / name).symlink_to(text)
    assert await links(login, work, "ve-1-JOB-1", "ve-2-JOB-2", "ve-3-JOB-3") == {
        name: text for name, text in texts.items() if name != "ve-10-JOB-1"
    }


async def test_no_claim_is_a_fact_only_where_one_could_be(login: LocalTransport, tmp_path: Path) -> None:
    """A directory that never was has no claims; one that cannot be read, or is a link, proves nothing."""
    assert await links(login, tmp_path / "work", NAME) == {}
    with pytest.raises((Transient, Unreadable)):
        await links(login, tmp_path / "gone", NAME)
    (tmp_path / "work" / CLAIMS).symlink_to(tmp_path)
    with pytest.raises((Transient, Unreadable)):
        await links(login, tmp_path / "work", NAME)


# --- what a claim means ---


@given(st.text() | st.from_regex(r"[0-9]+:[a-z0-9.-]+", fullmatch=True))
def test_any_text_is_a_claim_or_names_nobody(link: str) -> None:
    """A link that provd cannot have written names no SLURM job, and no directory of another job."""
    claim = read_claim(link, NAME, "/work")
    assert claim == Claim("", "") or (
        claim.slurm_id.isdecimal() and claim.directory.startswith(f"/work/{NAME}")
    )


ENDED = Sighting(
    "101",
    NAME,
    Phase.ENDED,
    "FAILED",
    State.FAILED,
    exit_code=CLAIMED,
    final=True,
    directory=f"/work/{NAME}.{SECOND}",
)
WATCH = Watch(frozenset({NAME}))


class Clock:
    def now(self) -> float:
        return 2000.0


async def applied(
    seen: Sighting, answer: Mapping[str, str] | Exception, ongoing: OngoingProblems | None = None
) -> tuple[Sighting, frozenset[str], int]:
    """Returns the sighting with its claim, the unreadable names, and how often the claims were read."""
    asked = 0

    async def read(root: str, user: str, names: object) -> Mapping[str, str]:
        nonlocal asked
        asked += 1
        assert (root, user, names) == ("/work", "", [NAME])
        if isinstance(answer, Exception):
            raise answer
        return answer

    (found,), unclear = await ClaimReader(read, "alpha", Clock(), ongoing or OngoingProblems()).apply(
        [seen], WATCH
    )
    return found, unclear, asked


@pytest.mark.parametrize("code", [CLAIMED, UNCLAIMED])
async def test_the_claim_tells_what_a_code_means(code: int) -> None:
    """The job's own program ended so, another SLURM job runs it, or none does."""
    seen = replace(ENDED, exit_code=code)
    assert await applied(seen, {NAME: f"101:{NAME}.{SECOND}"}) == (seen, frozenset(), 1)
    other, _, _ = await applied(seen, {NAME: f"100:{NAME}.{FIRST}"})
    assert (other.duplicate, other.ran_nothing) == (Claim("100", f"/work/{NAME}.{FIRST}"), True)
    same_id, _, _ = await applied(seen, {NAME: f"101:{NAME}.{FIRST}"})
    assert same_id.duplicate == Claim("101", f"/work/{NAME}.{FIRST}")
    none, _, _ = await applied(seen, {})
    assert (none.unclaimed, none.ran_nothing) == (True, True)


@pytest.mark.parametrize("change", [{"exit_code": 3}, {"exit_code": CLAIMED, "signal": 9}, {"final": False}])
async def test_nothing_is_read_without_need(change: dict[str, object]) -> None:
    """Only a final record with one of the two codes is in question."""
    seen = replace(ENDED, **change)  # type: ignore[arg-type]
    assert await applied(seen, {}) == (seen, frozenset(), 0)


async def test_an_unreadable_claim_decides_nothing() -> None:
    """The job is neither ended nor absent until it can be read; the operator is warned meanwhile."""
    ongoing = OngoingProblems()
    seen, unclear, _ = await applied(ENDED, Transient("find failed (1): Input/output error"), ongoing)
    assert (seen.final, seen.outcome, unclear) == (False, None, frozenset({NAME}))
    assert ongoing.lasting() == [("claims_unreadable", "alpha")]
    await applied(ENDED, {NAME: f"101:{NAME}.{SECOND}"}, ongoing)
    assert ongoing.lasting() == []


async def test_a_record_without_a_directory_decides_nothing() -> None:
    """Where its claim is, is not known."""
    seen, unclear, asked = await applied(replace(ENDED, directory=""), {})
    assert (seen.final, unclear, asked) == (False, frozenset({NAME}), 0)
