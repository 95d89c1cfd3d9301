"""Renders the batch script: directives, then the claim (job/claim.py), then everything else.

Whatever the customer wrote is data in single quotes, or the job is refused with a reason. `timeout` limits
the program's time to the second; SLURM's limit, which counts minutes, is the second safeguard.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from provider_daemon import names
from provider_daemon.errors import Refused
from provider_daemon.job.claim import CLAIMED, UNCLAIMED, claims_directory, root_of
from provider_daemon.job.lifecycle import KILL_AFTER
from provider_daemon.job.words import unsafe_word
from provider_daemon.slurm import sweeper

MAX_WORD_BYTES = 128 * 1024 - 1  # Linux's MAX_ARG_STRLEN without the final NUL
MAX_SCRIPT_BYTES = 256 * 1024  # SLURM's default limit is 4 MB; each submission transfers the script
_PLAIN = r"^[A-Za-z0-9_./:@+-]+$"  # no "," or "=": a GPU type, which the customer chooses, is one resource
_DIRECTIVES = {"partition": names.PARTITIONS, "chdir": names.PATH, "output": names.PATH, "error": names.PATH}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_FORBIDDEN = re.compile(r"[\0\r\n]")
_NOT_TEXT = re.compile(r"[\ud800-\udfff]")
# Variables that change how the program is loaded, found or contained, or what SLURM assumes about the job.
_LOADERS = ("LD_", "GLIBC_", "GCONV_", "BASH")
_LAUNCHERS = ("SLURM", "SBATCH", "SRUN_", "SQUEUE_", "SACCT_", "PMI_", "PMIX_", "APPTAINER", "SINGULARITY")
_RESERVED = frozenset({"PATH", "HOME", "USER", "LOGNAME", "SHELL", "ENV", "IFS"})
# Launchers that start a container with an empty environment pass on variables that have their prefix.
_CONTAINER_PREFIXES = {"apptainer": "APPTAINERENV_", "singularity": "SINGULARITYENV_"}


@dataclass(frozen=True, slots=True)
class Batch:
    """`directory` is the job's own, absolute; `working_directory` is the customer's, below it.

    `argv` is the program with its arguments. Memory is in GiB; 0 and "" omit a directive. `prologue` and
    `epilogue` are lines of bash from the site and from parties it trusts; the exit code stays the program's.
    `wrapper` (srun or mpirun) starts `launcher`, the image's, which starts `argv`. `contained`: the launcher
    is a built-in one (launchers.py). `kill_after` is how many seconds the program has to end at its time
    limit before it is killed. `node`: where the job must run, "" for
    any node. `dedicated`: the job's Unix user serves one customer alone.
    """

    name: str
    partition: str
    account: str
    qos: str
    nodes: int
    cpus_per_node: int
    memory_gb_per_node: int
    gpus_per_node: int
    gpu_type: str
    wall_seconds: int
    directory: str
    working_directory: str
    environment: tuple[tuple[str, str], ...]
    argv: tuple[str, ...]
    launcher: tuple[str, ...] = ()
    prologue: tuple[str, ...] = ()
    epilogue: tuple[str, ...] = ()
    wrapper: tuple[str, ...] = ()
    tasks_per_node: int = 1
    exclusive: bool = False
    contained: bool = False
    dedicated: bool = False
    kill_after: int = KILL_AFTER
    node: str = ""


def render(batch: Batch) -> str:
    """Returns the script; raises Refused with a reason that the customer can act on."""
    text = "\n".join([*_directives(batch), "", *_body(batch), ""])
    if len(text.encode()) > MAX_SCRIPT_BYTES:
        raise Refused(
            f"command, arguments and environment make a script of {len(text.encode())} bytes; the "
            f"maximum is {MAX_SCRIPT_BYTES}"
        )
    return text


def _directives(batch: Batch) -> list[str]:
    options = {
        "job-name": batch.name,
        "partition": batch.partition,
        "account": batch.account,
        "qos": batch.qos,
        "nodes": str(batch.nodes),
        "nodelist": batch.node,
        "ntasks-per-node": str(batch.tasks_per_node),
        "cpus-per-task": str(batch.cpus_per_node // batch.tasks_per_node or ""),
        "mem": f"{batch.memory_gb_per_node}G" if batch.memory_gb_per_node else "",
        "gres": _gres(batch),
        "time": str(-(-batch.wall_seconds // 60)),
        "chdir": batch.directory,
        "output": f"{batch.directory}/output.txt",
        "error": f"{batch.directory}/error.txt",
    }
    return [
        "#!/bin/bash",
        *(f"#SBATCH --{key}={_directive(key, value)}" for key, value in options.items() if value),
        *(["#SBATCH --exclusive"] if batch.exclusive else []),
        "#SBATCH --no-requeue",
    ]


def _gres(batch: Batch) -> str:
    if not batch.gpus_per_node:
        return ""
    return f"gpu:{batch.gpu_type}:{batch.gpus_per_node}" if batch.gpu_type else f"gpu:{batch.gpus_per_node}"


def _directive(key: str, value: str) -> str:
    if not names.matches(_DIRECTIVES.get(key, _PLAIN), value) or value.startswith("-"):
        raise Refused(f"{key} {value!r} has characters that are not accepted in a SLURM option")
    return value


def _body(batch: Batch) -> list[str]:
    where = quote(relative(batch.working_directory))
    # SECONDS counts ticks of the clock since the script started. The first may be less than a second, so it
    # is added back.
    left = f"$((SECONDS < {batch.wall_seconds} ? {batch.wall_seconds} - SECONDS + (SECONDS > 0) : 1))"
    return [
        *_claim(batch),
        *_swept(batch),
        "unset LC_ALL SLURM_TIME_FORMAT",
        "export SLURM_EXPORT_ENV=ALL",  # lets an srun inside the job pass on the job's environment
        *batch.prologue,
        *([f"mkdir -p -- {where} && cd -- {where} || exit 72"] if batch.working_directory else []),
        *_run(batch, f"timeout --kill-after={batch.kill_after} {left} {' '.join(_command(batch))}"),
    ]


def _swept(batch: Batch) -> list[str]:
    """Returns the lines that end what a native program leaves behind; a built-in launcher needs none."""
    if batch.contained:
        return []
    return sweeper.lines(batch.directory, batch.wall_seconds, dedicated=batch.dedicated)


def _claim(batch: Batch) -> list[str]:
    """Returns the lines that end the script unless its SLURM job has, or gets, the claim."""
    own = f'"$SLURM_JOB_ID:"{quote(PurePosixPath(batch.directory).name)}'
    link = quote(f"{claims_directory(root_of(batch.directory))}/{batch.name}")
    return [
        f"if ! why=$(ln -sT -- {own} {link} 2>&1); then",
        f"  case $(readlink -- {link}) in",
        f"    {own}) ;;",  # requeued
        f'    "") echo "provd: nothing was run, the job could not be claimed: $why" >&2; exit {UNCLAIMED} ;;',
        f'    *) echo "provd: nothing was run, another SLURM job runs this job" >&2; exit {CLAIMED} ;;',
        "  esac",
        "fi",
    ]


def _run(batch: Batch, command: str) -> list[str]:
    return [command, "code=$?", *batch.epilogue, "exit $code"] if batch.epilogue else [f"exec {command}"]


def _command(batch: Batch) -> Iterable[str]:
    """Returns the words of the command. Variables are passed through env(1), never through the shell.

    bash evaluates assignments to RANDOM, OPTIND and similar variables. A launcher never sees the customer's
    variables as its own: they have its prefix, or env(1) follows the launcher.
    """
    if unsafe := unsafe_word(batch.argv, launched=bool(batch.launcher or batch.wrapper)):
        raise Refused(unsafe)
    if batch.contained:
        return [*map(_site_word, (*batch.wrapper, *batch.launcher)), *map(_word, _contained(batch))]
    prefix = _CONTAINER_PREFIXES.get(PurePosixPath(batch.launcher[0]).name, "") if batch.launcher else ""
    variables = [f"{prefix}{_variable(name)}={value}" for name, value in batch.environment]
    env = ["env", *variables] if variables else []
    inside = bool(batch.launcher) and not prefix
    words = (
        [*batch.wrapper, *batch.launcher, *env, *batch.argv]
        if inside
        else [*env, *batch.wrapper, *batch.launcher, *batch.argv]
    )
    return map(_word, words)


def _contained(batch: Batch) -> Iterable[str]:
    """Returns the words behind a built-in launcher, which sets the variables inside the container."""
    return (*(f"{_variable(name)}={value}" for name, value in batch.environment), "--", *batch.argv)


def _word(value: str) -> str:
    quoted = quote(value)
    if len(value.encode()) > MAX_WORD_BYTES:
        raise Refused(
            f"one argument or variable has {len(value.encode())} bytes; Linux allows at most "
            f"{MAX_WORD_BYTES}: put data into files"
        )
    return quoted


def _variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name):
        raise Refused(
            f"invalid environment variable name {name!r}: only letters, digits and _, not starting with "
            "a digit"
        )
    if name in _RESERVED or name.startswith(_LOADERS + _LAUNCHERS):
        raise Refused(f"environment variable {name} is reserved by the site and cannot be set")
    return name


def quote(value: str) -> str:
    """Quotes `value` as one POSIX shell word; raises Refused if that is not safely possible."""
    if _FORBIDDEN.search(value):
        raise Refused(
            "newlines and NUL are not allowed in command, arguments, environment or working directory: "
            "put them into a file"
        )
    if _NOT_TEXT.search(value):
        raise Refused("command, arguments, environment and working directory must be valid Unicode text")
    return _site_word(value)


def _site_word(value: str) -> str:
    """Quotes a word of the site's own, which may have several lines."""
    return "'" + value.replace("'", "'\\''") + "'"


def relative(working_directory: str) -> str:
    """Returns the path below the job's directory (`/data` is its `data`); refuses `..`."""
    parts = [part for part in working_directory.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise Refused("working_directory must be below the job's directory: '..' is not allowed")
    return "./" + "/".join(parts)
