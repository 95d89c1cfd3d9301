"""Makes the root file system of an image on the mover's own disk with umoci, and reads it as a tar stream."""

import asyncio
import contextlib
import os
import shutil
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from provider_daemon.config.model import Config
from provider_daemon.errors import Transient
from provider_daemon.job.containment import Launcher
from provider_daemon.mover.spool import SPARE_BYTES
from provider_daemon.slurm.launchers import ROOT, SQUASHED
from provider_daemon.sources.refusals import InputRefusal, InputRefused

UMOCI, TAR, MKSQUASHFS = "umoci", "tar", "mksquashfs"
CHUNK = 256 * 1024
WATCH_SECONDS = 1.0
UNPACK_SECONDS = 3600.0
# What the launchers mount on; the image in the cache is read-only, so it must have them.
DIRECTORIES = ("work", "proc", "sys", "dev", "tmp", "run", "var", "var/tmp", "etc")
FILES = ("etc/passwd", "etc/group", "etc/hosts", "etc/resolv.conf")


def programs(config: Config) -> tuple[str, ...]:
    """Returns the programs that this host needs for the images of the configured launchers; none without."""
    launchers = {
        image.launcher
        for cluster in config.clusters
        for image in cluster.images
        if image.launcher and not image.native
    }
    if not launchers:
        return ()
    return (UMOCI, TAR, MKSQUASHFS) if Launcher.PYXIS in launchers else (UMOCI, TAR)


async def unpack(layout: Path, image: Path, max_bytes: int, *, squash: bool) -> None:
    """Unpacks the OCI layout into `image`, a new directory; `squash`: also as a file for pyxis.

    Raises InputRefused for an image that cannot be unpacked or has more than `max_bytes`, and Transient.
    """
    await asyncio.to_thread(image.mkdir, 0o700)
    root = image / ROOT
    await _run(image, max_bytes, UMOCI, "raw", "unpack", "--rootless", "--image", f"{layout}:image", root)
    await asyncio.to_thread(_prepare, root)
    if squash:
        quiet = ("-quiet", "-no-progress", "-noappend", "-all-root")
        await _run(image, max_bytes, MKSQUASHFS, root, image / SQUASHED, *quiet)


async def _run(image: Path, max_bytes: int, *command: str | Path) -> None:
    process = await _started(*command, output=asyncio.subprocess.DEVNULL)
    watching = asyncio.create_task(_watch(image, max_bytes))
    ended = asyncio.create_task(process.communicate())
    try:
        async with asyncio.timeout(UNPACK_SECONDS):
            await asyncio.wait({ended, watching}, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                watching.result()
            _, error = await ended
    except TimeoutError:
        raise Transient(f"{command[0]} did not end within {UNPACK_SECONDS:g} s") from None
    finally:
        watching.cancel()
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await asyncio.gather(watching, ended, return_exceptions=True)
    if process.returncode:
        reason = " ".join(error.decode(errors="replace").split())[-200:]
        raise InputRefused(InputRefusal.CONTENT, f"the image cannot be unpacked: {reason}")


async def _watch(image: Path, max_bytes: int) -> None:
    """Raises when the image becomes too large, or the disk full: a small layer may hold very much."""
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        if await asyncio.to_thread(_size, image) > max_bytes:
            raise InputRefused(InputRefusal.TOO_LARGE, f"the unpacked image has more than {max_bytes} bytes")
        if shutil.disk_usage(image).free < SPARE_BYTES:
            raise Transient(f"data.spool: less than {SPARE_BYTES} bytes are free on its file system")


def _size(image: Path) -> int:
    total = 0
    for directory, _, names in os.walk(image):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(directory, name)).st_blocks * 512
    return total


def _prepare(root: Path) -> None:
    """Makes the launchers' mount points, and everything readable. Follows no link of the image.

    Raises InputRefused for an image that has something else there.
    """
    for directory, names, files in os.walk(root):
        for name in (*names, *files):
            path = os.path.join(directory, name)
            mode = os.lstat(path).st_mode
            if not stat.S_ISLNK(mode):
                os.chmod(path, stat.S_IMODE(mode) | (0o700 if stat.S_ISDIR(mode) else 0o400))
    for name in DIRECTORIES:
        if not os.path.lexists(root / name):
            (root / name).mkdir()
        elif not stat.S_ISDIR((root / name).lstat().st_mode):
            raise InputRefused(InputRefusal.CONTENT, f"in the image /{name} is not a directory")
    for name in FILES:
        if not os.path.lexists(root / name) or not stat.S_ISREG((root / name).lstat().st_mode):
            (root / name).unlink(missing_ok=True)
            (root / name).touch()


@asynccontextmanager
async def archive(image: Path) -> AsyncIterator[AsyncIterator[bytes]]:
    """Yields the directory as a tar stream: readable for all, writable for its owner, without setuid."""
    mode = "--mode=u+rwX,go+rX,go-w,a-st"
    process = await _started(TAR, "-C", image, "--create", "--sort=name", mode, "--file=-", ".")
    try:
        yield _output(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _output(process: asyncio.subprocess.Process) -> AsyncIterator[bytes]:
    assert process.stdout is not None
    while chunk := await process.stdout.read(CHUNK):
        yield chunk
    if code := await process.wait():
        raise Transient(f"tar ended with {code}")


async def _started(*command: str | Path, output: int = asyncio.subprocess.PIPE) -> asyncio.subprocess.Process:
    error = asyncio.subprocess.DEVNULL if output == asyncio.subprocess.PIPE else asyncio.subprocess.PIPE
    try:
        return await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=error
        )
    except OSError as failed:
        raise Transient(f"{command[0]} cannot be started: {failed.strerror}: install it here") from None
