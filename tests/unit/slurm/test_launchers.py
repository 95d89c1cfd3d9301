"""The built-in launchers, with programs that record their arguments, and with real ones."""

import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provider_daemon.errors import Refused
from provider_daemon.job.claim import CLAIMS
from provider_daemon.job.containment import Containment, Launcher
from provider_daemon.mover.unpack import DIRECTORIES, FILES
from provider_daemon.slurm.launchers import PROGRAMS, LaunchFacts, launch
from provider_daemon.slurm.script import render
from tests.unit.slurm.batches import BATCH
from tests.unit.slurm.test_script import HOSTILE, TEXT

RECORD = '#!/bin/bash\ncd "${0%/*}" && printf "%s\\0" "$@" >argv && env -0 >environ\n'
SLURM = {
    "SLURM_JOB_ID": "7",
    "SLURM_PROCID": "3",
    "SLURM_CONF": "/etc/slurm/slurm.conf",
    "SLURM_STEP_GPUS": "0,1",
    "KRB5CCNAME": "/tmp/ticket",
}
FACTS = LaunchFacts("/scratch/ve-1.0a", "/scratch/.provd-images/ab", "./runs/a")
VARIABLES = st.dictionaries(st.from_regex(r"V[A-Z]{1,4}_X", fullmatch=True), TEXT | st.sampled_from(HOSTILE))
WORDS = st.lists(TEXT | st.sampled_from(["--bind", "--", *HOSTILE]), max_size=4)


def unclaimed(root: Path) -> str:
    """The directory of a job below `root`, in which nobody has claimed a job."""
    (root / CLAIMS).mkdir(exist_ok=True)
    (root / CLAIMS / BATCH.name).unlink(missing_ok=True)
    return f"{root}/{BATCH.name}"


class Recorder:
    """Runs batch scripts with recording programs in the place of the container runtimes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for name in (*PROGRAMS.values(), "unshare"):
            (directory / name).write_text(RECORD)
            (directory / name).chmod(0o755)

    def run(
        self,
        containment: Containment,
        facts: LaunchFacts = FACTS,
        argv: tuple[str, ...] = ("true",),
        environment: tuple[tuple[str, str], ...] = (),
    ) -> tuple[list[str], dict[str, str]]:
        """Returns arguments and environment of the runtime."""
        started = launch(containment, facts)
        batch = replace(
            BATCH,
            prologue=(),
            wrapper=started.wrapper,
            launcher=started.launcher,
            contained=True,
            argv=argv,
            environment=environment,
            directory=unclaimed(self.directory),
        )
        path = f"{self.directory}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash"],
            input=render(batch).encode(),
            env={"PATH": path, **SLURM},
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        environ = (self.directory / "environ").read_text().split("\0")[:-1]
        return (self.directory / "argv").read_text().split("\0")[:-1], dict(
            entry.split("=", 1) for entry in environ
        )


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    return Recorder(tmp_path)


def pairs(argv: list[str], option: str) -> list[tuple[str, str]]:
    """The two values of each use of a bwrap option."""
    return [(argv[at + 1], argv[at + 2]) for at, word in enumerate(argv) if word == option]


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(Launcher), VARIABLES, WORDS, st.booleans())
def test_words_and_variables_arrive(
    recorder: Recorder, launcher: Launcher, variables: dict[str, str], words: list[str], network: bool
) -> None:
    """The program and its arguments end the runtime's arguments unchanged; variables are set inside alone."""
    argv = ("./run", *words)
    found, environ = recorder.run(Containment(launcher, network=network), FACTS, argv, (*variables.items(),))
    assert tuple(found[-len(argv) :]) == argv
    for name, value in variables.items():
        match launcher:
            case Launcher.BUBBLEWRAP:
                assert (name, value) in pairs(found, "--setenv")
            case Launcher.APPTAINER:
                assert environ[f"APPTAINERENV_{name}"] == value
            case Launcher.CHARLIECLOUD:
                assert f"--set-env={name}={value}" in found
            case Launcher.PYXIS:
                assert f"{name}={value}" in found[found.index("env") :]
        assert name not in environ


@pytest.mark.parametrize("launcher", Launcher)
def test_what_leads_to_slurm_or_the_host_stays_outside(recorder: Recorder, launcher: Launcher) -> None:
    """The rank is passed on, the configuration and the login's own variables are not."""
    found, environ = recorder.run(Containment(launcher))
    inside = found if launcher is not Launcher.APPTAINER else [f"{k}={v}" for k, v in environ.items()]
    text = " ".join(inside)
    assert ("SLURM_PROCID" in text) == (launcher is not Launcher.PYXIS)  # srun itself sets it there
    assert "slurm.conf" not in text
    assert "ticket" not in text
    if launcher is Launcher.BUBBLEWRAP:
        assert set(environ) <= {"PATH", "PWD", "SHLVL", "_", "OLDPWD"}


@pytest.mark.parametrize("inputs", [False, True])
@pytest.mark.parametrize("network", [False, True])
def test_bubblewrap(recorder: Recorder, network: bool, inputs: bool) -> None:
    """Only the job's directory is bound writable; its inputs, the image and files of /etc are read-only."""
    found, _ = recorder.run(Containment(Launcher.BUBBLEWRAP, network=network), replace(FACTS, inputs=inputs))
    assert pairs(found, "--bind") == [(FACTS.directory, "/work")]
    read_only = [(f"{FACTS.image}/rootfs", "/"), (f"{FACTS.directory}/inputs", "/work/inputs")]
    assert pairs(found, "--ro-bind") == read_only[: 1 + inputs]
    assert ("--unshare-net" in found) is not network
    assert {"--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--clearenv"} < set(found)
    assert found[found.index("--chdir") + 1] == "/work/runs/a"


def test_apptainer(recorder: Recorder) -> None:
    """The same with apptainer; GPUs only in a job that has some."""
    found, environ = recorder.run(Containment(Launcher.APPTAINER), replace(FACTS, inputs=True))
    assert {"--containall", "--userns", "--no-home", "--no-privs", "--nv"} < set(found)
    assert found[found.index("--net") : found.index("--net") + 3] == ["--net", "--network", "none"]
    binds = [found[at + 1] for at, word in enumerate(found) if word == "--bind"]
    assert binds == [f"{FACTS.directory}:/work", f"{FACTS.directory}/inputs:/work/inputs:ro"]
    assert found[-2:] == [f"{FACTS.image}/rootfs", "true"]
    assert environ["APPTAINERENV_SLURM_PROCID"] == "3"
    networked, _ = recorder.run(Containment(Launcher.APPTAINER, network=True))
    assert "--net" not in networked


def test_charliecloud(recorder: Recorder) -> None:
    """unshare(1) takes the namespaces that ch-run does not, and the network's unless the job has it."""
    found, _ = recorder.run(Containment(Launcher.CHARLIECLOUD))
    before = found[: found.index("/bin/sh")]
    assert {"--user", "--pid", "--ipc", "--uts", "--net", "--kill-child", "--mount-proc"} < set(before)
    assert found[found.index("--bind") + 1] == f"{FACTS.directory}:/work"
    assert found[-3:] == [f"{FACTS.image}/rootfs", "--", "true"]
    networked, _ = recorder.run(Containment(Launcher.CHARLIECLOUD, network=True))
    assert "--net" not in networked


def test_pyxis(recorder: Recorder) -> None:
    """One srun starts the tasks and their containers; mpirun cannot."""
    containment = Containment(Launcher.PYXIS, network=True)
    found, _ = recorder.run(containment, replace(FACTS, wrapper=("srun", "--ntasks", "8")))
    assert found[:2] == ["--ntasks", "8"]
    assert f"--container-image={FACTS.image}/image.sqsh" in found
    assert f"--container-mounts={FACTS.directory}:/work" in found
    assert recorder.run(containment)[0][0] == "--ntasks=1"
    with pytest.raises(Refused, match="mpirun"):
        launch(containment, replace(FACTS, wrapper=("mpirun", "-n", "8")))


@pytest.mark.parametrize("launcher", sorted(set(Launcher) - {Launcher.PYXIS}))
def test_tasks_are_started_outside(launcher: Launcher) -> None:
    """A template's srun starts one container for each task."""
    started = launch(Containment(launcher), replace(FACTS, wrapper=("srun", "--ntasks", "8")))
    assert started.wrapper == ("srun", "--ntasks", "8")


# --- real containers ---


def contained(directory: Path, command: str, **limits: int | bool) -> subprocess.CompletedProcess[str]:
    """Runs a shell command natively in bubblewrap."""
    containment = Containment(Launcher.BUBBLEWRAP, native=True, **limits)  # type: ignore[arg-type]
    started = launch(containment, LaunchFacts(str(directory)))
    batch = replace(
        BATCH,
        prologue=(),
        launcher=started.launcher,
        contained=True,
        argv=("/bin/bash", "-c", command),
        directory=unclaimed(directory.parent),
    )
    return subprocess.run(
        ["bash"],
        input=render(batch),
        env={"PATH": os.environ["PATH"], **SLURM},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def own(tmp_path: Path) -> Path:
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    (tmp_path / "job").mkdir()
    return tmp_path / "job"


def test_a_real_container(own: Path) -> None:
    """It has its own directory, processes and programs, and none of the host's files, network or commands."""
    (own.parent / "neighbour").write_text("secret")
    command = (
        f"pwd; ls -A /proc | grep -c '^[0-9]'; cat {own.parent}/neighbour; cat /proc/net/dev | wc -l; "
        "tr '\\0' '\\n' </proc/1/environ | grep -c SLURM; "
        "touch here /tmp/here /dev/shm/here; touch /usr/here; "
        "sbatch --version; unshare --user true; ls -d /home /root /var/lib /run/munge; "
        'echo "$SLURM_PROCID $SLURM_CONF."; exit 7'
    )
    done = contained(own, command)
    assert done.returncode == 7, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "/work"
    assert int(lines[1]) <= 5
    assert lines[2:] == ["3", "0", "3 ."]
    assert [file.name for file in own.iterdir()] == ["here"]
    refusals = ("No such file", "Read-only file system", "Permission denied", "unshare failed")
    assert all(text in done.stderr for text in refusals)


def test_limits(own: Path) -> None:
    """A file larger than the limit is cut, and there is no core file."""
    done = contained(own, "ulimit -f -c; ulimit -u", max_file_gb=2, max_processes=64)
    assert re.findall(r"\d+", done.stdout.replace("(-f) ", "").replace("(-c) ", ""))[-1] == "64"
    assert "2097152" in done.stdout


def image_root(place: Path) -> Path:
    """An image with a shell and cat, as the cache has it."""
    root = place / "image/rootfs"
    for name in ("bin", *DIRECTORIES):
        (root / name).mkdir(parents=True)
    for name in FILES:
        (root / name).touch()
    for program in ("dash", "cat"):
        listed = subprocess.run(["ldd", f"/usr/bin/{program}"], capture_output=True, text=True, check=True)
        for file in (f"/usr/bin/{program}", *re.findall(r"/\S+", listed.stdout)):
            target = root / "bin" / program if file.startswith("/usr/bin") else root / file.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
    return root.parent


@pytest.mark.parametrize("launcher", [Launcher.BUBBLEWRAP, Launcher.CHARLIECLOUD])
def test_a_real_image(tmp_path: Path, launcher: Launcher) -> None:
    """Image and inputs are read-only, the job's directory is not, and there is no network."""
    if shutil.which(PROGRAMS[launcher]) is None:
        pytest.skip(f"{PROGRAMS[launcher]} is not installed")
    job = tmp_path / "job"
    (job / "inputs").mkdir(parents=True)
    (job / "inputs/data").write_text("input")
    started = launch(Containment(launcher), LaunchFacts(str(job), str(image_root(tmp_path)), inputs=True))
    command = (
        'cat inputs/data; echo " $SLURM_PROCID $V $SLURM_CONF$KRB5CCNAME."; echo out >out; '
        "cat /proc/net/dev; echo no >inputs/data; echo no >/bin/cat; exit 7"
    )
    batch = replace(
        BATCH,
        prologue=(),
        launcher=started.launcher,
        contained=True,
        argv=("/bin/dash", "-c", command),
        environment=(("V", "a $b"),),
        directory=unclaimed(tmp_path),
    )
    done = subprocess.run(
        ["bash"],
        input=render(batch),
        env={"PATH": os.environ["PATH"], **SLURM},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    first, *interfaces = done.stdout.splitlines()
    assert (first, done.returncode) == ("input 3 a $b .", 7), done.stderr
    assert [line.split(":")[0].strip() for line in interfaces[2:]] == ["lo"]
    assert sorted(path.name for path in job.iterdir()) == ["inputs", "out"]
    assert (job / "inputs/data").read_text() == "input"
    assert done.stderr.count("Read-only file system") == 2
