"""Bytes in and out, compared with scp and rclone between the same directories in the same run.

`python -m tests.load.data` measures this alone; `make bench` includes it. The customer's side, the site's and
sshd are on this machine, so that processors are the limit. scp and rclone only copy; provd also hashes at
both ends, and its gateway is one more process on the way. The gateway serves plain HTTP, as behind a proxy.
"""

import asyncio
import hashlib
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from provider_daemon.client.downloads import Download, measured
from provider_daemon.client.meter import NoMeter
from provider_daemon.client.uploads import local_file, send_all
from provider_daemon.client.verify import ResultFile
from provider_daemon.log import configure
from tests.ending import until_told
from tests.load.data_place import Place, place, reference, resident

GB, FILES, FILE_BYTES, ROUNDS = 10**9, 10_000, 1000, 3
JOBS = 10  # that share the small inputs
GOAL_LARGE, GOAL_MANY, GOAL_MB = 0.8, 3.0, 120

Say = Callable[[str], None]


@dataclass
class Figure:
    """Seconds of each round, by what did the work. `goal`: at least so many times as fast as scp."""

    what: str
    size: int
    goal: float
    seconds: dict[str, list[float]] = field(default_factory=dict)

    async def take(self, who: str, work: Callable[[], Awaitable[float | None]]) -> None:
        """Measures once; the work may return its seconds itself."""
        os.sync()
        began = time.monotonic()
        own = await work()
        self.seconds.setdefault(who, []).append(time.monotonic() - began if own is None else own)

    async def copy(self, who: str, command: list[str]) -> None:
        async def run() -> None:
            await asyncio.to_thread(subprocess.run, command, check=True)

        await self.take(who, run)

    def ratio(self, who: str = "scp") -> float:
        """Returns how many times as fast as `who` provd is: the median of the rounds."""
        pairs = zip(self.seconds[who], self.seconds["provd"], strict=True)
        return statistics.median(theirs / ours for theirs, ours in pairs)

    @property
    def last(self) -> str:
        """The seconds of the last round."""
        return f"{self.what} " + ", ".join(f"{who} {times[-1]:.1f}" for who, times in self.seconds.items())

    @property
    def met(self) -> bool:
        return self.ratio() >= self.goal

    def __str__(self) -> str:
        medians = {who: statistics.median(times) for who, times in self.seconds.items()}
        cells = ", ".join(
            f"{who} {seconds:.1f} s ({self.size / seconds / 1e6:.0f} MB/s)"
            for who, seconds in medians.items()
        )
        others = [f"{self.ratio(who):.2f} of {who}" for who in medians if who not in ("scp", "provd")]
        return f"{self.what}: {cells}: " + ", ".join(
            [f"{self.ratio():.2f} of scp (goal >= {self.goal})", *others]
        )


class Bench:
    def __init__(self, here: Place, size: int, files: int) -> None:
        self._here, self._size, self._files = here, size, files
        self._mine = here.directory / "mine"  # the customer's originals
        large, many = f"1 file of {size // 10**6} MB", f"{files:,} files of 1 kB"
        total = files * FILE_BYTES
        self.download = Figure(f"download, {large}", size, GOAL_LARGE)
        self.downloads = Figure(f"download, {many}", total, GOAL_MANY)
        self.upload = Figure(f"upload, {large}", size, GOAL_LARGE)
        self.uploads = Figure(f"upload, {many} (packed first)", total, GOAL_MANY)
        self.stage = Figure(f"stage-in, {large}", size, GOAL_LARGE)
        self.stages = Figure(f"stage-in, {files:,} inputs of 1 kB, {JOBS} jobs", total, GOAL_MANY)

    @property
    def figures(self) -> tuple[Figure, ...]:
        return self.download, self.downloads, self.upload, self.uploads, self.stage, self.stages

    async def round(self, number: int) -> None:
        """Each round has new content, because content that is known is neither sent nor staged again."""
        large, many = await asyncio.to_thread(self._content, number)
        await self._upload(large, many)
        await self._stage(number, large, many)
        await self._download(number, large, many)
        for directory in (self._mine, self._here.work, self._here.local, self._here.uploads):
            await asyncio.to_thread(_empty, directory)

    def _content(self, number: int) -> tuple[Path, Path]:
        large, many = self._mine / "large", self._mine / "many"
        many.mkdir(parents=True)
        with large.open("wb") as file:
            for _ in range(0, self._size, 10**6):
                file.write(os.urandom(10**6))
        for index in range(self._files):
            (many / f"{number}-{index}").write_bytes(os.urandom(FILE_BYTES))
        return large, many

    async def _upload(self, large: Path, many: Path) -> None:
        """scp copies to the site's directory; provd's client hashes, sends, and the gateway checks."""
        here = self._here
        packed = self._mine / "many.tar"

        async def sent(path: Path) -> None:
            async with here.client() as gateway:
                await send_all(gateway, [await local_file(path, path.name)], NoMeter())

        async def packed_and_sent() -> None:
            await asyncio.to_thread(_pack, many, packed)
            await sent(packed)

        await self.upload.copy("scp", here.scp(str(large), here.remote(here.work / "scp")))
        await self.upload.copy("rclone", here.rclone(str(large), f":sftp:{here.work}/rclone"))
        await self.upload.take("provd", lambda: sent(large))
        await self.uploads.copy("scp", here.scp("-r", str(many), here.remote(here.work / "scp-many")))
        await self.uploads.take("provd", packed_and_sent)

    async def _stage(self, number: int, large: Path, many: Path) -> None:
        """From the upload directory into the site, by the mover, which syncs each file to the disk.

        Compared with the uploads by scp of the same round; for the large file also with a sync after it.
        """
        here = self._here
        self.stage.seconds.setdefault("scp", []).append(self.upload.seconds["scp"][-1])
        await self.stage.copy(
            "scp and sync", _synced(here.scp(str(large), here.remote(here.work / "durable")))
        )
        self.stages.seconds.setdefault("scp", []).append(self.uploads.seconds["scp"][-1])
        with large.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        wanted = [reference(sha256, self._size, "large")]

        async def one() -> float:
            here.wanting({f"LARGE-{number}": wanted})
            return await here.staged([f"LARGE-{number}"])

        await self.stage.take("provd", one)
        parts = list(_parts(await asyncio.to_thread(_put_into, here.uploads, many), JOBS))
        names = [f"MANY-{number}-{index}" for index in range(len(parts))]

        async def all_of_them() -> float:
            here.wanting(
                {
                    name: [reference(sha256, FILE_BYTES, sha256) for sha256 in part]
                    for name, part in zip(names, parts, strict=True)
                }
            )
            return await here.staged(names)

        await self.stages.take("provd", all_of_them)

    async def _download(self, number: int, large: Path, many: Path) -> None:
        """The client fetches what a manifest lists, and checks each file's hash."""
        here = self._here
        one, all_of_them = here.work / "one.00c0ffee", here.work / "all.00c0ffee"  # as job directories
        one.mkdir()
        shutil.move(large, one / "large")
        shutil.move(many, all_of_them)
        results = {2 * number: one, 2 * number + 1: all_of_them}
        for index, directory in results.items():
            here.results(index, directory)
        await self.download.copy("scp", here.scp(here.remote(one / "large"), str(here.local / "scp")))
        await self.download.copy("rclone", here.rclone(f":sftp:{one}", str(here.local / "rclone")))
        await self.download.take("provd", lambda: self._fetched(2 * number, one))
        await self.downloads.copy("scp", here.scp("-r", here.remote(all_of_them), str(here.local / "many")))
        await self.downloads.take("provd", lambda: self._fetched(2 * number + 1, all_of_them))

    async def _fetched(self, number: int, directory: Path) -> float:
        """Returns the seconds without those for the list of files, which is a manifest otherwise."""
        files: list[ResultFile] = await asyncio.to_thread(
            lambda: [measured(path.name, path) for path in sorted(directory.iterdir())]
        )
        began = time.monotonic()
        async with self._here.client() as gateway:
            target = self._here.local / f"provd-{number}"
            await Download(gateway, f"JOB-{number}", target, NoMeter()).fetch(files)
        return time.monotonic() - began


def _synced(command: list[str]) -> list[str]:
    return ["sh", "-c", f"{shlex.join(command)} && sync"]


def _empty(directory: Path) -> None:
    for path in directory.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _pack(directory: Path, target: Path) -> None:
    with tarfile.open(target, "w") as archive:
        archive.add(directory, arcname="many")


def _put_into(uploads: Path, many: Path) -> list[str]:
    """Puts the files where the gateway keeps whole uploads, and returns their hashes."""
    found = []
    for path in many.iterdir():
        content = path.read_bytes()
        found.append(hashlib.sha256(content).hexdigest())
        (uploads / found[-1]).write_bytes(content)
    return found


def _parts(names: list[str], count: int) -> Iterator[list[str]]:
    size = -(-len(names) // count)
    for start in range(0, len(names), size):
        yield names[start : start + size]


async def data_figures(say: Say, size: int = GB, files: int = FILES, rounds: int = ROUNDS) -> bool:
    """Returns whether all goals were met."""
    directory = Path(tempfile.mkdtemp(prefix="provd-bench-data."))
    directory.chmod(0o755)
    try:
        async with place(directory) as here:
            bench, processes = Bench(here, size, files), (here.gateway, here.mover)
            idle = [resident(process)[0] for process in processes]
            for number in range(1, rounds + 1):
                await bench.round(number)
                say(f"round {number}: " + "; ".join(figure.last for figure in bench.figures))
            peaks = [resident(process)[1] for process in processes]
    finally:
        await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)
    for figure in bench.figures:
        say(str(figure))
    for process, before, peak in zip(processes, idle, peaks, strict=True):
        say(f"{process.name}: {before} MB resident when idle, {peak} MB at most (goal < {GOAL_MB})")
    return all(figure.met for figure in bench.figures) and max(peaks) < GOAL_MB


if __name__ == "__main__":
    configure("console", "warning")
    numbers = [int(text) for text in sys.argv[1:]]
    asyncio.run(until_told(data_figures(lambda text: print(text, flush=True), *numbers)))
