"""The batch script. Directives first; whatever a customer wrote is data in single quotes, or the job is
refused with a reason.

The program's time is held to the second by `timeout`; SLURM's own limit, which counts in minutes, stands
behind it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from provider_daemon import names
from provider_daemon.errors import Refused
from provider_daemon.job.lifecycle import KILL_AFTER
from provider_daemon.job.words import unsafe_word

MAX_WORD_BYTES = 128 * 1024 - 1  # Linux's MAX_ARG_STRLEN, without the byte that ends it
MAX_SCRIPT_BYTES = 256 * 1024  # SLURM's own default ends at 4 MB; a script travels with every submission
_PLAIN = r"^[A-Za-z0-9_./:@+-]+$"  # neither "," nor "=": a GPU type, which a customer names, is one resource
_DIRECTIVES = {"partition": names.PARTITIONS, "chdir": names.PATH, "output": names.PATH}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_FORBIDDEN = re.compile(r"[\0\r\n]")
# Variables that change what loads, finds or contains the program, or what SLURM believes of the job.
_LOADERS = ("LD_", "GLIBC_", "GCONV_", "BASH")
_LAUNCHERS = ("SLURM", "SBATCH", "SRUN_", "SQUEUE_", "SACCT_", "PMI_", "PMIX_", "APPTAINER", "SINGULARITY")
_RESERVED = frozenset({"PATH", "HOME", "USER", "LOGNAME", "SHELL", "ENV", "IFS"})
# Launchers that give their container an empty environment take its variables under a prefix of their own.
_CONTAINER_PREFIXES = {"apptainer": "APPTAINERENV_", "singularity": "SINGULARITYENV_"}


@dataclass(frozen=True, slots=True)
class Batch:
    """`directory` is the job's own, absolute; `working_directory` the customer's, below it; `argv` is the
    program with its arguments.

    Memory in GiB; 0 and "" leave a directive out. `prologue` and `epilogue`: lines of bash by the site and by
    whom it trusts; the exit code stays the program's. `wrapper`, an srun or mpirun, starts `launcher`, the
    image's, and that starts `argv`. `kill_after`: seconds that the program has to end by itself at its limit.
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
    kill_after: int = KILL_AFTER


def render(batch: Batch) -> str:
    """The script; raises Refused with a sentence that the customer can act on."""
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
        "ntasks-per-node": str(batch.tasks_per_node),
        "cpus-per-task": str(batch.cpus_per_node // batch.tasks_per_node or ""),
        "mem": f"{batch.memory_gb_per_node}G" if batch.memory_gb_per_node else "",
        "gres": _gres(batch),
        "time": str(-(-batch.wall_seconds // 60)),
        "chdir": batch.directory,
        "output": f"{batch.directory}/output.txt",
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
    # SECONDS counts the clock's ticks since the script began: the first of them may be no whole second, so it
    # is given back.
    left = f"$((SECONDS < {batch.wall_seconds} ? {batch.wall_seconds} - SECONDS + (SECONDS > 0) : 1))"
    return [
        "unset LC_ALL SLURM_TIME_FORMAT",
        "export SLURM_EXPORT_ENV=ALL",  # so that an srun inside the job passes the job's own environment on
        *batch.prologue,
        *([f"mkdir -p -- {where} && cd -- {where} || exit 72"] if batch.working_directory else []),
        *_run(batch, f"timeout --kill-after={batch.kill_after} {left} {' '.join(_command(batch))}"),
    ]


def _run(batch: Batch, command: str) -> list[str]:
    return [command, "code=$?", *batch.epilogue, "exit $code"] if batch.epilogue else [f"exec {command}"]


def _command(batch: Batch) -> Iterable[str]:
    """The variables go through env(1), never through the shell: bash evaluates what it assigns to RANDOM,
    OPTIND and their like.

    A launcher never sees them as its own: they have its prefix, or env(1) stands behind it, inside of what it
    starts."""
    if unsafe := unsafe_word(batch.argv, launched=bool(batch.launcher or batch.wrapper)):
        raise Refused(unsafe)
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


def _word(value: str) -> str:
    if len(value.encode()) > MAX_WORD_BYTES:
        raise Refused(
            f"one argument or variable has {len(value.encode())} bytes; Linux allows at most "
            f"{MAX_WORD_BYTES}: put data into files"
        )
    return quote(value)


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
    """One word of POSIX shell that is exactly `value`; raises Refused for what no such word can hold
    safely."""
    if _FORBIDDEN.search(value):
        raise Refused(
            "newlines and NUL are not allowed in command, arguments, environment or working directory: "
            "put them into a file"
        )
    return "'" + value.replace("'", "'\\''") + "'"


def relative(working_directory: str) -> str:
    """Below the job's own directory: `/data` is its `data`; a way out of it is refused."""
    parts = [part for part in working_directory.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise Refused("working_directory must be below the job's directory: '..' is not allowed")
    return "./" + "/".join(parts)
