"""The transport for a daemon on the login node: the same programs and stdin as over SSH, without SSH."""

import asyncio
import contextlib
import os
import shlex
from collections.abc import AsyncIterator, Mapping, Sequence

from provider_daemon.errors import Transient
from provider_daemon.slurm.conversation import converse
from provider_daemon.slurm.streams import ProgramStream, started
from provider_daemon.slurm.transport import CommandResult, command_line, stdin, with_path

_KEPT = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "SLURM_CONF")
_BUFFER = 1024 * 1024  # bytes of stdout that are read ahead


class LocalTransport:
    """`environment` replaces the daemon's PATH, HOME, USER, LOGNAME, SHELL and SLURM_CONF.

    No other variable is passed on. `path` lists directories that are put before that PATH. `user`: the Unix
    user of the programs, through sudo, which sets all of them except SLURM_CONF; "" for the daemon's own.
    """

    def __init__(
        self, environment: Mapping[str, str] | None = None, path: Sequence[str] = (), user: str = ""
    ) -> None:
        self._path = tuple(path)
        self._start_as = ("sudo", "-n", "-u", user, "--") if user else ()
        source = os.environ if environment is None else environment
        self._environment = {name: source[name] for name in _KEPT if name in source}
        slurm_conf = self._environment.get("SLURM_CONF")
        self._before = f"export SLURM_CONF={shlex.quote(slurm_conf)}\n" if user and slurm_conf else ""

    async def run(self, program: str, payload: bytes, timeout: float) -> CommandResult:
        program = self._before + with_path(program, self._path)
        return await _converse(await self._start(program), stdin(program, payload), timeout)

    @contextlib.asynccontextmanager
    async def stream(self, program: str) -> AsyncIterator[ProgramStream]:
        program = self._before + with_path(program, self._path)
        process = await self._start(program)
        try:
            async with started(ProgramStream(_pipes(process), lambda: _ended(process)), program) as stream:
                yield stream
        finally:
            _pipes(process)[0].close()
            await _end(process)

    async def _start(self, program: str) -> asyncio.subprocess.Process:
        try:
            return await asyncio.create_subprocess_exec(
                *self._start_as,
                "/bin/sh",
                "-c",
                command_line(program),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=_BUFFER,
                env=self._environment,
                start_new_session=True,
            )
        except OSError as error:
            raise Transient(f"cannot start /bin/sh: {error.strerror}") from None

    async def close(self) -> None:
        """Does nothing: no connection stays open between two programs."""


def _pipes(
    process: asyncio.subprocess.Process,
) -> tuple[asyncio.StreamWriter, asyncio.StreamReader, asyncio.StreamReader]:
    assert process.stdin
    assert process.stdout
    assert process.stderr
    return process.stdin, process.stdout, process.stderr


async def _ended(process: asyncio.subprocess.Process) -> int | None:
    code = await process.wait()
    return code if code >= 0 else None  # ended by a signal


async def _converse(process: asyncio.subprocess.Process, text: bytes, seconds: float) -> CommandResult:
    try:
        return await converse(_pipes(process), lambda: _ended(process), text, seconds)
    finally:
        if process.returncode is None:
            await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ends the process and discards its remaining output: a process with a full pipe would never end.

    sudo runs as root and cannot be ended; its program ends at its own time limit.
    """
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, 15)
    for pipe in (process.stdout, process.stderr):
        while pipe is not None and await pipe.read(2**16):
            continue
    await process.wait()
