"""The options of sbatch, from its command line and the script's directives, as a Request."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence

from provider_daemon.lab.simulated.model import Failure, Request

_SHORT = {
    "J": "job-name", "p": "partition", "A": "account", "q": "qos", "N": "nodes", "n": "ntasks",
    "c": "cpus-per-task", "t": "time",
    "o": "output", "e": "error", "D": "chdir", "H": "hold",
}  # fmt: skip
_FLAGS = frozenset({"parsable", "no-requeue", "requeue", "hold", "version"})
_VALUED = frozenset(
    [
        "job-name",
        "partition",
        "account",
        "qos",
        "nodes",
        "ntasks",
        "ntasks-per-node",
        "cpus-per-task",
        "mem",
        "gres",
        "time",
        "output",
        "error",
        "chdir",
        "comment",
        "wrap",
        "export",
    ]
)
_TIME = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?")
_MEMORY = re.compile(r"(\d+)([KMGT]?)B?", re.IGNORECASE)
_MIB = {"K": 1 / 1024, "": 1, "M": 1, "G": 1024, "T": 1024**2}


def options(argv: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Returns long and short options by their long names, and the arguments after them.

    Raises Failure as sbatch does.
    """
    found: dict[str, str] = {}
    words = iter(argv)
    for word in words:
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
        elif word.startswith("-") and len(word) > 1:
            name, equals, value = _SHORT.get(word[1], word[1]), word[2:], word[2:].removeprefix("=")
        else:
            return found, [word, *words]
        if name not in _FLAGS | _VALUED:
            raise Failure(
                f"sbatch: unrecognized option '{word}'\nTry \"sbatch --help\" for more information\n", 255
            )
        found[name] = "" if name in _FLAGS else value if equals else next(words, "")
    return found, []


def directives(script: bytes) -> dict[str, str]:
    """Returns the #SBATCH lines before the first command."""
    found: dict[str, str] = {}
    for words in _directive_lines(script.decode(errors="replace")):
        found |= options(words)[0]
    return found


def _directive_lines(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        if line.startswith("#SBATCH"):
            yield line.removeprefix("#SBATCH").split()
        elif line.strip() and not line.startswith("#"):
            return


def request(argv: Sequence[str], script: bytes, directory: str, environment: Mapping[str, str]) -> Request:
    """Returns the request. Raises Failure with sbatch's error text for a request that sbatch refuses."""
    given, rest = options(argv)
    if "wrap" in given:
        script = (
            b"#!/bin/sh\n# This script was created by sbatch --wrap.\n\n" + given["wrap"].encode() + b"\n"
        )
    _check_script(script)
    asked = {**directives(script), **given}
    nodes = int(asked.get("nodes", "1"))
    gpus, gpu_type = _gres(asked.get("gres", ""))
    return Request(
        name=asked.get("job-name")
        or ("wrap" if "wrap" in given else os.path.basename(rest[0]) if rest else "sbatch"),
        script=script,
        directory=asked.get("chdir", directory),
        environment=_exported(asked.get("export", "ALL"), environment),
        partition=asked.get("partition", ""),
        account=asked.get("account", ""),
        qos=asked.get("qos", "normal"),
        nodes=nodes,
        tasks=int(asked.get("ntasks", "0")) or nodes * int(asked.get("ntasks-per-node", "1")),
        cpus_per_task=int(asked.get("cpus-per-task", "1")),
        memory=_memory(asked["mem"]) if "mem" in asked else None,
        gpus=gpus,
        gpu_type=gpu_type,
        minutes=minutes(asked["time"]) if "time" in asked else None,
        output=asked.get("output", "slurm-%j.out"),
        error=asked.get("error", ""),
        comment=asked.get("comment", ""),
        requeue="no-requeue" not in asked,
        held="hold" in asked,
    )


def _check_script(script: bytes) -> None:
    if not script:
        raise Failure("sbatch: error: Batch script is empty!\n")
    if not script.startswith(b"#!"):
        raise Failure(
            "sbatch: error: This does not look like a batch script.  The first\n"
            "sbatch: error: line must start with #! followed by the path to an interpreter.\n"
            "sbatch: error: For instance: #!/bin/sh\n"
        )


def minutes(text: str) -> int:
    """Parses `90`, `1:30` (minutes:seconds), `1:30:00`, `2-0`, `2-12:00`.

    A part of a minute counts as a whole one.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        raise Failure("sbatch: error: Invalid --time specification\n", 255)
    days, *rest = (None if part is None else int(part) for part in found.groups())
    parts = [part for part in rest if part is not None]
    if days is not None:
        hours, minute, second = [*parts, 0, 0][:3]
        return days * 1440 + hours * 60 + minute + (second > 0)
    hours, minute, second = {1: [0, *parts, 0], 2: [0, *parts], 3: parts}[len(parts)]
    return hours * 60 + minute + (second > 0)


def _memory(text: str) -> int:
    found = _MEMORY.fullmatch(text)
    if found is None:
        raise Failure("sbatch: error: Invalid --mem specification\n", 255)
    return int(int(found[1]) * _MIB[found[2].upper()])


def _gres(text: str) -> tuple[int, str]:
    """Parses `gpu:2`, `gpu:a100:2` -> (2, type)."""
    if not text:
        return 0, ""
    kind, *rest = text.split(":")
    if kind != "gpu":
        raise Failure(
            "sbatch: error: Batch job submission failed: Invalid generic resource (gres) specification\n"
        )
    count = rest.pop() if rest and rest[-1].isdecimal() else "1"
    return int(count), rest[0] if rest else ""


def _exported(export: str, environment: Mapping[str, str]) -> dict[str, str]:
    if export in ("NONE", "NIL"):
        return {
            name: environment[name]
            for name in ("PATH", "HOME", "USER", "LOGNAME", "SLURM_UMASK")
            if name in environment
        }
    return dict(environment)
