"""The transport of a daemon that runs on the login node itself: the same programs, the same stdin, no SSH."""

import asyncio
import contextlib
import os
from collections.abc import Mapping, Sequence

from provider_daemon.errors import Transient
from provider_daemon.slurm.transport import TOO_MUCH, Answer, TooMuch, command_line, keep, stdin, with_path

_KEPT = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "SLURM_CONF")


class LocalTransport:
    """`environment` replaces the daemon's own PATH, HOME, USER, LOGNAME, SHELL and SLURM_CONF; nothing else is passed on.

    `path`: directories in front of that PATH.
    """

    def __init__(self, environment: Mapping[str, str] | None = None, path: Sequence[str] = ()) -> None:
        self._path = tuple(path)
        source = os.environ if environment is None else environment
        self._environment = {name: source[name] for name in _KEPT if name in source}

    async def run(self, program: str, payload: bytes, timeout: float) -> Answer:
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
        """Nothing stays open between two programs."""


async def _converse(process: asyncio.subprocess.Process, text: bytes, seconds: float) -> Answer:
    out, err = bytearray(), bytearray()
    assert process.stdin
    assert process.stdout
    assert process.stderr
    cut = False
    try:
        async with asyncio.timeout(seconds):
            async with asyncio.TaskGroup() as group:
                for work in (_feed(process.stdin, text), _collect(process.stdout, out), _collect(process.stderr, err)):
                    group.create_task(work)
            await process.wait()
    except* TimeoutError:
        cut = True
    except* TooMuch:
        cut, err = True, bytearray(TOO_MUCH)
    finally:
        if process.returncode is None:
            await _end(process)
    code = process.returncode
    return Answer(None if cut or code is None or code < 0 else code, out.decode(errors="replace"), err.decode(errors="replace"))


async def _end(process: asyncio.subprocess.Process) -> None:
    """Whatever it still says is thrown away: a process with a full pipe is waited for in vain."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, 15)
    for pipe in (process.stdout, process.stderr):
        while pipe is not None and await pipe.read(2**16):
            continue
    await process.wait()


async def _feed(pipe: asyncio.StreamWriter, text: bytes) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        pipe.write(text)
        await pipe.drain()
    pipe.close()


async def _collect(pipe: asyncio.StreamReader, into: bytearray) -> None:
    while chunk := await pipe.read(2**16):
        keep(chunk, into)
