"""Command lines, as a person types them, and their output."""

import json
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import expect
from tests.expect import Wrong


@dataclass
class Shell:
    """A shell.

    `env` contains exported variables. Each line is printed before it runs; `provd` is that of this
    environment.
    """

    directory: Path
    env: dict[str, str] = field(default_factory=dict)
    lines: int = 0

    def run(self, line: str, *, expect: int = 0, stdin: str = "") -> str:
        """Returns the standard output. Raises Wrong for another exit code."""
        print(f"$ {line}", flush=True)
        self.lines += 1
        words = shlex.split(line)
        assert words[0] == "provd"
        done = subprocess.run(
            [sys.executable, "-m", "provider_daemon", *words[1:]],
            input=stdin,
            capture_output=True,
            text=True,
            env={**os.environ, **self.env},
            timeout=180,
            check=False,
        )
        if done.returncode != expect:
            raise Wrong(
                f"{line}: exit code {done.returncode} instead of {expect}\n{done.stdout}{done.stderr}"
            )
        if expect:
            print("  " + done.stderr.strip().splitlines()[-1], flush=True)
        return done.stdout

    def json(self, line: str) -> Any:
        return json.loads(self.run(f"{line} -o json"))

    def file(self, name: str, text: str, mode: int = 0o600) -> Path:
        path = self.directory / name
        path.write_text(text)
        path.chmod(mode)
        return path


def same(what: str, found: object, wanted: object) -> None:
    """Raises Wrong unless they are equal."""
    expect.same(what, found, wanted)
    print(f"  {what}: {found}", flush=True)
