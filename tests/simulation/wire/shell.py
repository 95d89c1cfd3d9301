"""The login node's shell, as far as the programs of commands.py use it.

It parses them and executes them line by line, on the model.
"""

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

Program = Callable[[Sequence[str]], "Said"]


@dataclass(frozen=True)
class Said:
    stdout: str = ""
    stderr: str = ""
    exit_code: int = 0


@cache
def lines(program: str) -> tuple[tuple[str, ...], ...]:
    """Returns the words of each line inside `sh -c`."""
    body = shlex.split(program)[-1]
    return tuple(tuple(shlex.split(line)) for line in body.splitlines())


def run(program: str, payload: str, slurm: Program, now: float) -> Said:
    """Returns what the program prints and its last word; `slurm` is called for every program of SLURM."""
    variables: dict[str, str] = {}
    said, out = Said(), ""
    for words in lines(program):
        name, equals, value = words[0].partition("=")
        if words[0] == "printf":
            last = f" {said.exit_code}" if words[-1] == "$?" else ""
            out += f"\n{words[2]}{last}\n"
        elif words[0] == "date":
            out += f"{int(now)}\n"
        elif words[0] == "read":
            line, _, payload = payload.partition("\n")
            variables[words[-1]] = line
        elif equals and value == "$(cat)":
            variables[name], payload = payload.rstrip("\n"), ""
        elif words[0] != "set":
            said = slurm(_expanded(words, variables))
            out += said.stdout
    return Said(out, said.stderr, 0)


def _expanded(words: Sequence[str], variables: dict[str, str]) -> list[str]:
    return [_filled(word, variables) for word in words]


def _filled(word: str, variables: dict[str, str]) -> str:
    return re.sub(r"\$(\w+)", lambda found: variables[found[1]], word)
