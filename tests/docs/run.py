"""Runs the commands of docs/install.md and docs/first-job.md in an empty Debian.

    python -m tests.docs.run [SUITE]      bookworm by default, or trixie

It runs until the first job is reported. It prints each command with its time, and the total until the report
is on chain. It exits with 0 only if every command succeeded and the report is there.
"""

import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.docs.debian import ROOT, shell, unpacked
from tests.docs.typed import commands
from tests.expect import Wrong

PAGES = ("docs/install.md", "docs/first-job.md")
PORTS = (9090, 9464)  # the default ports of the devnet and the daemon
LIMIT_SECONDS = 1200
_END = "provd-docs-command-ended"
_REPORTED = re.compile(r"^JOB-1 completed +verified  tx [0-9A-F]{64}$", re.MULTILINE)


class Session:
    """A shell, as the reader has. `printed` is the output of the last command."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.printed = ""

    def type(self, command: str) -> float:
        """Returns the seconds until the shell would show its prompt again.

        Raises Wrong for an exit code other than 0.
        """
        print(f"$ {command}", flush=True)
        began = time.monotonic()
        self._write(f"{command}\nprintf '\\n%s %s\\n' {_END} $?\n")
        code = self._read()
        took = time.monotonic() - began
        if code:
            raise Wrong(f"exit code {code}\n{self.printed[-3000:]}")
        print(f"{took:8.1f} s", flush=True)
        return took

    def _write(self, text: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(text)
        self._process.stdin.flush()

    def _read(self) -> int:
        assert self._process.stdout
        self.printed = ""
        for line in self._process.stdout:
            if found := re.match(rf"{_END} (\d+)", line):
                return int(found[1])
            self.printed += line
        raise Wrong(f"the shell ended, or {LIMIT_SECONDS} s were over\n{self.printed[-3000:]}")


def play(root: Path) -> float:
    """Returns the seconds until the report was there, and runs the rest of the page too. Raises Wrong."""
    process = shell(root)
    over = threading.Timer(LIMIT_SECONDS, process.kill)
    over.start()
    try:
        session = Session(process)
        total, reported = 0.0, 0.0
        for page in PAGES:
            for command in commands(ROOT / page):
                total += session.type(command)
                if _REPORTED.search(session.printed):
                    reported = reported or total
        if not reported:
            raise Wrong("no report of JOB-1 on chain")
        return reported
    finally:
        over.cancel()
        process.kill()
        process.wait()


def in_use() -> list[int]:
    """Returns the pages' ports on which something listens already: the machine's network is used."""
    found = []
    for port in PORTS:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                found.append(port)
    return found


def main(suite: str = "bookworm") -> int:
    if taken := in_use():
        print(
            f"the pages need these ports, and something else listens there: {', '.join(map(str, taken))}",
            file=sys.stderr,
        )
        return 1
    with unpacked(suite) as root:
        try:
            seconds = play(root)
        except Wrong as error:
            print(f"WRONG: {error}", file=sys.stderr)
            return 1
    print(f"ok: from nothing to a reported job in {seconds:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
