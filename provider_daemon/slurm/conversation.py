"""A program's stdin, stdout and stderr over one SSH channel."""

import asyncio
import contextlib

import asyncssh

from provider_daemon.slurm.transport import TOO_MUCH, Answer, TooMuch, keep


async def converse(process: asyncssh.SSHClientProcess[bytes], text: bytes, seconds: float) -> Answer:
    """Whatever arrives in time; exit code None when it is not all."""
    out, err = bytearray(), bytearray()
    try:
        async with asyncio.timeout(seconds):
            async with asyncio.TaskGroup() as group:
                for work in (_feed(process.stdin, text), _collect(process.stdout, out), _collect(process.stderr, err)):
                    group.create_task(work)
            await process.wait_closed()
        code = process.exit_status
    except* (TimeoutError, asyncssh.Error, OSError):
        code = None
    except* TooMuch:
        code, err = None, bytearray(TOO_MUCH)
    finally:
        process.close()
    return Answer(code, out.decode(errors="replace"), err.decode(errors="replace"))


async def _feed(pipe: asyncssh.SSHWriter[bytes], text: bytes) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        pipe.write(text)
        await pipe.drain()
        pipe.write_eof()


async def _collect(pipe: asyncssh.SSHReader[bytes], into: bytearray) -> None:
    while chunk := await pipe.read(2**16):
        keep(chunk, into)
