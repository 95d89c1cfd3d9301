"""The transport for a daemon on the login node: the same programs and stdin as over SSH, without SSH."""

import asyncio
import contextlib
import os
from collections.abc import Mapping, Sequence

from provider_daemon.errors import Transient
from provider_daemon.slurm.conversation import converse
from provider_daemon.slurm.transport import CommandResult, command_line, stdin, with_path

_KEPT = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "SLURM_CONF")


class LocalTransport:
    """`environment` replaces the daemon's PATH, HOME, USER, LOGNAME, SHELL and SLURM_CONF.

    No other variable is passed on. `path` lists directories that are put before that PATH.
    """

    def __init__(self, environment: Mapping[str, str] | None = None, path: Sequence[str] = ()) -> None:
        self._path = tuple(path)
        source = os.environ if environment is None else environment
        self._environment = {name: source[name] for name in _KEPT if name in source}

    async def run(self, program: str, payload: bytes, timeout: float) -> CommandResult:
        program = with_path(program, self._path)
        try:
            process = await asyncio.create_subprocess_exec(
                "/bin/sh",
                "-c",
                command_line(program),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=self._environment,
                start_new_session=True,
            )
        except OSError as error:
            raise Transient(f"cannot start /bin/sh: {error.strerror}") from None
        return await _converse(process, stdin(program, payload), timeout)

    async def close(self) -> None:
        """Does nothing: no connection stays open between two programs."""


async def _converse(process: asyncio.subprocess.Process, text: bytes, seconds: float) -> CommandResult:
    assert process.stdin
    assert process.stdout
    assert process.stderr

    async def ended() -> int | None:
        code = await process.wait()
        return code if code >= 0 else None  # ended by a signal

    try:
        return await converse((process.stdin, process.stdout, process.stderr), ended, text, seconds)
    finally:
        if process.returncode is None:
            await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ends the process and discards its remaining output: a process with a full pipe would never end."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, 15)
    for pipe in (process.stdout, process.stderr):
        while pipe is not None and await pipe.read(2**16):
            continue
    await process.wait()
