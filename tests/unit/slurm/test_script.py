"""The batch script, run by the real bash: customers' bytes arrive as they are and are never code."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provider_daemon.errors import Refused
from provider_daemon.job.claim import CLAIMS
from provider_daemon.slurm.script import MAX_SCRIPT_BYTES, MAX_WORD_BYTES, Batch, quote, relative, render
from tests.unit.slurm.batches import BATCH

SHOW = (
    sys.executable,
    "-c",
    "import os,sys; sys.stdout.buffer.write(b'\\0'.join(os.fsencode(a) for a in sys.argv[1:]) + b'\\0')",
)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), max_size=40)
HOSTILE = [
    "$(touch pwned)",
    "`touch pwned`",
    "'; touch pwned; '",
    '"; touch pwned #',
    "a[$(touch pwned)]",
    "|touch pwned",
    "~",
    "*",
    "-x",
    "\\",
    "'",
]


def run(batch: Batch, where: Path) -> subprocess.CompletedProcess[bytes]:
    """The script in an empty directory with an almost empty environment, as slurmd would start it."""
    root = where.parent / f"{where.name}.root"
    (root / CLAIMS).mkdir(parents=True, exist_ok=True)
    (root / CLAIMS / batch.name).unlink(missing_ok=True)
    script = render(replace(batch, prologue=(), directory=f"{root}/{batch.name}"))
    return subprocess.run(
        ["bash"],
        input=script.encode(),
        capture_output=True,
        cwd=where,
        env={"PATH": os.environ["PATH"], "SLURM_JOB_ID": "7"},
        timeout=30,
        check=False,
    )


def test_directives_come_first_and_are_whole() -> None:
    """SLURM reads directives up to the first command, so all of them stand above it."""
    head, _, body = render(BATCH).partition("\n\n")
    assert head.splitlines() == [
        "#!/bin/bash",
        "#SBATCH --job-name=ve-0123-JOB-1",
        "#SBATCH --partition=standard",
        "#SBATCH --account=provd",
        "#SBATCH --nodes=2",
        "#SBATCH --ntasks-per-node=1",
        "#SBATCH --cpus-per-task=4",
        "#SBATCH --mem=8G",
        "#SBATCH --gres=gpu:a100:2",
        "#SBATCH --time=2",
        "#SBATCH --chdir=/scratch/provd/ve-0123-JOB-1",
        "#SBATCH --output=/scratch/provd/ve-0123-JOB-1/output.txt",
        "#SBATCH --error=/scratch/provd/ve-0123-JOB-1/error.txt",
        "#SBATCH --no-requeue",
    ]
    assert "#SBATCH" not in body
    assert "module purge" in body.splitlines()


@pytest.mark.parametrize(
    "partition", ["a b", "x\n#SBATCH --uid=0", "$(id)", "-p", "é", "a;b", "a,,b", "a,-b", "'"]
)
def test_directive_alphabet(partition: str) -> None:
    """A value that could become another directive, or another word, is refused by its name."""
    with pytest.raises(Refused, match="partition"):
        render(replace(BATCH, partition=partition))


@pytest.mark.parametrize("gpu_type", ["a100:4,gpu:v100", "a,b", "a=b", "a b"])
def test_a_gpu_type_is_one_resource(gpu_type: str) -> None:
    """A customer names it, and pays for that one."""
    with pytest.raises(Refused, match="gres"):
        render(replace(BATCH, gpu_type=gpu_type))


@given(st.lists(TEXT | st.sampled_from(HOSTILE), max_size=4))
@settings(max_examples=25, deadline=None)
def test_arguments_arrive_exactly(tmp_path_factory: pytest.TempPathFactory, arguments: list[str]) -> None:
    """For any text: the program sees those arguments, byte for byte, and nothing else happens in the
    directory."""
    where = tmp_path_factory.mktemp("job")
    done = run(replace(BATCH, argv=(*SHOW, *arguments)), where)
    assert done.returncode == 0, done.stderr
    assert done.stdout == b"".join(argument.encode() + b"\0" for argument in arguments) or (
        not arguments and done.stdout == b"\0"
    )
    assert list(where.iterdir()) == []


@given(
    st.dictionaries(
        st.sampled_from(["A", "RANDOM", "SECONDS", "OPTIND", "HISTCMD", "LINENO", "PS4", "X_1"]),
        TEXT | st.sampled_from(HOSTILE),
    )
)
@settings(max_examples=25, deadline=None)
def test_variables_arrive_exactly(
    tmp_path_factory: pytest.TempPathFactory, variables: dict[str, str]
) -> None:
    """Even under names that bash itself evaluates, a value is data."""
    where = tmp_path_factory.mktemp("job")
    show = (
        "import os,sys; sys.stdout.buffer.write(b'\\0'.join(os.environb[os.fsencode(n)] for n in "
        "sys.argv[1:]))"
    )
    done = run(
        replace(BATCH, environment=tuple(variables.items()), argv=(sys.executable, "-c", show, *variables)),
        where,
    )
    assert done.stdout == b"\0".join(value.encode() for value in variables.values()), done.stderr
    assert list(where.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        "PATH",
        "LD_PRELOAD",
        "BASH_ENV",
        "ENV",
        "SLURM_CONF",
        "SBATCH_PARTITION",
        "APPTAINER_BIND",
        "IFS",
        "BASH_FUNC_x",
    ],
)
def test_dangerous_variable(name: str) -> None:
    """What would change the loader, the launcher or SLURM's own picture is refused by its name."""
    with pytest.raises(Refused, match=name):
        render(replace(BATCH, environment=((name, "x"),)))


@pytest.mark.parametrize("name", ["", "1A", "A-B", "A B", "A=B", "é", "A$(id)"])
def test_variable_name(name: str) -> None:
    """Only plain names are variables."""
    with pytest.raises(Refused, match="environment variable name"):
        render(replace(BATCH, environment=((name, "x"),)))


def test_container_gets_its_variables_by_prefix() -> None:
    """A launcher that empties the environment is given the customer's variables in its own way, and none for
    itself."""
    text = render(replace(BATCH, environment=(("A", "1"),), launcher=("apptainer", "exec", "i.sif")))
    assert "env 'APPTAINERENV_A=1'" in text.replace("'env'", "env")
    assert "'A=1'" not in text


def test_no_launcher_has_a_customers_variables(tmp_path: Path) -> None:
    """Neither one that we know nor another: of such a one env(1) is started inside, and the program has its
    variables all the same."""
    (tmp_path / "podman").write_text('#!/bin/sh\necho "launcher: ${DOCKER_HOST-none}"\nshift 2\nexec "$@"\n')
    (tmp_path / "podman").chmod(0o755)
    for launcher in (f"{tmp_path}/podman", f"{tmp_path}/apptainer"):
        (tmp_path / "apptainer").write_bytes((tmp_path / "podman").read_bytes())
        (tmp_path / "apptainer").chmod(0o755)
        batch = replace(
            BATCH,
            environment=(("DOCKER_HOST", "mine"),),
            launcher=(launcher, "run", "image"),
            argv=("printenv", "DOCKER_HOST"),
        )
        said = run(batch, tmp_path).stdout.decode().split("\n")
        assert said[0] == "launcher: none"
        assert launcher.endswith("apptainer") or said[1] == "mine"


@pytest.mark.parametrize("where", ["argv", "environment"])
def test_one_word_is_as_long_as_linux_takes_it(tmp_path: Path, where: str) -> None:
    """The longest runs; one byte more would end in the job, so it is refused before."""
    for more in (0, 1):
        text = "é" + "x" * (MAX_WORD_BYTES - 2 - len("A=") * (where == "environment") + more)
        batch = (
            replace(BATCH, argv=("true", text))
            if where == "argv"
            else replace(BATCH, environment=(("A", text),))
        )
        if more:
            with pytest.raises(Refused, match=str(MAX_WORD_BYTES)):
                render(batch)
        else:
            assert run(batch, tmp_path).returncode == 0


@pytest.mark.parametrize("value", ["a\nb", "a\0b", "a\rb"])
@pytest.mark.parametrize("where", ["argv", "environment", "working_directory"])
def test_newline_and_nul(value: str, where: str) -> None:
    """They are refused wherever a customer may write."""
    changes = {"argv": ("echo", value), "environment": (("A", value),), "working_directory": value}
    with pytest.raises(Refused, match="newlines"):
        render(replace(BATCH, **{where: changes[where]}))  # type: ignore[arg-type]


@pytest.mark.parametrize("argv", [(), ("",), ("A=b", "x")])
def test_no_program(argv: tuple[str, ...]) -> None:
    """Without a program name there is no job; one with '=' would be a variable."""
    with pytest.raises(Refused, match="command"):
        render(replace(BATCH, argv=argv))


def test_size_limit() -> None:
    """A script that SLURM might not take is refused before it travels."""
    with pytest.raises(Refused, match=str(MAX_SCRIPT_BYTES)):
        render(replace(BATCH, argv=("echo", *["x" * (MAX_WORD_BYTES // 2)] * 5)))


@pytest.mark.parametrize(
    ("asked", "got"),
    [("", "./"), ("/", "./"), ("/data/x", "./data/x"), ("a//b/.", "./a/b"), ("-p", "./-p"), ("~", "./~")],
)
def test_working_directory_is_below_the_job(asked: str, got: str) -> None:
    """An absolute path means below the job's directory."""
    assert relative(asked) == got


@pytest.mark.parametrize("asked", ["..", "/..", "a/../..", "../x"])
def test_working_directory_stays_inside(asked: str) -> None:
    """No way leads out of the job's directory."""
    with pytest.raises(Refused, match=r"\.\."):
        relative(asked)


def test_working_directory_is_made(tmp_path: Path) -> None:
    """The program starts in it, hostile name and all."""
    done = run(replace(BATCH, working_directory="/a $(touch pwned)/b", argv=("pwd",)), tmp_path)
    assert done.stdout.decode().strip() == f"{tmp_path}/a $(touch pwned)/b"
    assert [path.name for path in tmp_path.iterdir()] == ["a $(touch pwned)"]


@pytest.mark.parametrize("program", ["--help", "-k", "--"])
def test_program_that_looks_like_an_option(tmp_path: Path, program: str) -> None:
    """It is refused: some launcher would read it as one. Behind a path it is a program like any other."""
    with pytest.raises(Refused, match="cannot begin with '-'"):
        render(replace(BATCH, argv=(program,)))
    assert run(replace(BATCH, argv=(f"./{program}",)), tmp_path).returncode == 127


def test_wall_limit_to_the_second(tmp_path: Path) -> None:
    """The program is ended after wall_seconds with timeout's exit code."""
    assert run(replace(BATCH, wall_seconds=1, argv=("sleep", "20")), tmp_path).returncode == 124


def test_exit_code_passes(tmp_path: Path) -> None:
    """The job's exit code is the program's."""
    assert run(replace(BATCH, argv=("sh", "-c", "exit 3")), tmp_path).returncode == 3


@given(TEXT)
def test_quote_is_one_word(text: str) -> None:
    """A quoted value is a single shell word without any active character outside quotes."""
    assert quote(text).replace("'\\''", "").strip("'").count("'") == 0


def test_a_program_that_ignores_its_limit_is_killed(tmp_path: Path) -> None:
    """As many seconds later as it is given, and its end is known as a kill."""
    stubborn = (
        sys.executable,
        "-c",
        "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(200)",
    )
    began = time.monotonic()
    done = run(replace(BATCH, argv=stubborn, wall_seconds=1, kill_after=1), tmp_path)
    assert (done.returncode, time.monotonic() - began < 100) == (-9, True)


@pytest.mark.parametrize("change", [{"argv": ("echo", "\udc80")}, {"environment": (("A", "\ud800"),)}])
def test_a_word_that_is_not_unicode_is_refused(change: dict[str, object]) -> None:
    """A lone surrogate has no bytes that a program could get."""
    with pytest.raises(Refused, match="valid Unicode"):
        render(replace(BATCH, **change))  # type: ignore[arg-type]
