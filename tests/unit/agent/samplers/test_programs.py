"""A program that fails, hangs or is missing is an error of its own, and holds nothing up."""

import os
import re
import signal
import time
from pathlib import Path

import pytest

from provider_daemon.agent.samplers.programs import Programs
from provider_daemon.errors import Refused, Transient


def script(directory: Path, text: str) -> str:
    path = directory / "program"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_what_a_program_prints_is_returned(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are replaced; messages are in English."""
    assert Programs().output([script(tmp_path, r"printf '\377%s' $LC_ALL")], 5) == "\ufffdC"


def test_a_program_that_fails_is_named_with_its_last_line_and_status(tmp_path: Path) -> None:
    """It may print its error on either stream."""
    with pytest.raises(Refused, match=r"program: no such GPU$") as failed:
        Programs().output([script(tmp_path, "echo first; echo no such GPU; exit 15")], 5)
    assert failed.value.code == 15
    with pytest.raises(OSError, match="does-not-exist"):
        Programs().output(["does-not-exist"], 5)


def test_a_program_that_hangs_is_killed(tmp_path: Path) -> None:
    """The agent goes on after the limit, and the next run is a fresh one."""
    programs, hanging = Programs(), script(tmp_path, "exec sleep 60")
    begun = time.monotonic()
    for _ in range(2):
        with pytest.raises(Transient, match=r"did not end within 0\.1 s"):
            programs.output([hanging], 0.1)
    assert time.monotonic() - begun < 5


def test_a_program_that_survives_its_kill_is_not_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A driver may hold it in the kernel: one such process is enough. After its end the next run starts."""
    programs, started = Programs(), tmp_path / "started"
    hanging = script(tmp_path, f"echo >> {started}; exec sleep 60")
    with monkeypatch.context() as patch:
        patch.setattr("subprocess.Popen.kill", lambda process: None)
        patch.setattr("provider_daemon.agent.samplers.programs._KILL_SECONDS", 0.01)
        with pytest.raises(Transient, match="did not end within"):
            programs.output([hanging], 0.5)
    with pytest.raises(Transient, match="does not end, not even when it is killed") as refused:
        programs.output([hanging], 0.5)
    assert started.read_text() == "\n"
    (number,) = map(int, re.findall(r"process (\d+)", str(refused.value)))
    os.kill(number, signal.SIGKILL)
    os.waitid(os.P_PID, number, os.WEXITED | os.WNOWAIT)
    assert programs.output([script(tmp_path, "echo fine")], 5) == "fine\n"
