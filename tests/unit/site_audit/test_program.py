"""The program of the probe jobs, run on this machine."""

import ast
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

from provider_daemon.site_audit import program
from provider_daemon.site_audit.answers import Outcome, read
from provider_daemon.site_audit.rows import AFTER
from provider_daemon.slurm.script import MAX_WORD_BYTES

NUMBER, MARK = "12" * 16, "ab" * 8


@pytest.mark.parametrize("name", program.MODULES)
def test_it_is_python_3_6(name: str) -> None:
    """The oldest Python of a site's nodes."""
    text = resources.files(program.REMOTE).joinpath(f"{name}.py").read_text()
    ast.parse(text, feature_version=(3, 6))


def test_it_is_one_command_line() -> None:
    """A job's arguments have no line breaks and a largest size."""
    words = program.argv({"role": "after"}, "word")
    assert words[-1] == "word"
    assert all(len(word) <= MAX_WORD_BYTES and word.isprintable() for word in words)


def test_nothing_was_left_behind(tmp_path: Path) -> None:
    """The third job runs from its arguments alone, and its answers are read."""
    asked = {"role": "after", "number": NUMBER, "mark": MARK, "key": 0xABABABA}
    words = program.argv(asked)
    done = subprocess.run(
        [sys.executable, "-I", "-S", *words[1:]], cwd=tmp_path, capture_output=True, check=True
    )
    found = read(done.stdout, NUMBER, AFTER)
    assert {question: answer.outcome for question, answer in found.found.items()} == dict.fromkeys(
        AFTER, Outcome.ABSENT
    )
    assert (found.odd, found.foreign) == ({}, 0)
