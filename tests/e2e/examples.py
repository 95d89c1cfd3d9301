"""Submits every job file of docs/examples to the demo's site with one command, and prints what happened.

    python -m tests.e2e.examples

Each command runs in an empty directory of its own, as a customer types it, against a private SLURM site and a
devnet, without the internet. It exits with 0 only if each command ended with the exit status of its job and
left the verified results on disk.
"""

import asyncio
import hashlib
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from provider_daemon.demo.environment import PASSPHRASE_FILE, Environment, build
from provider_daemon.demo.sites import choose
from tests.expect import Wrong, same

EXAMPLES = Path(__file__).parents[2] / "docs/examples"
AT_A_TIME = 6
SUBMIT_SECONDS = 120
FAILING = """image: docker.io/library/alpine:3
run: echo half a result > part.txt; exit 3
max_runtime: 10m
"""


@dataclass(frozen=True, slots=True)
class Play:
    """A job file, its exit status, and for each file of its results some text that it must contain."""

    file: Path
    results: dict[str, str]
    status: int = 0


PLAYS = (
    Play(EXAMPLES / "hello.yaml", {"output.txt": "hello from the cluster\n"}),
    Play(EXAMPLES / "with-inputs.yaml", {"output.txt": "4 job\n", "counts.txt": "2 scheduler\n"}),
    Play(EXAMPLES / "container.yaml", {"output.txt": "3 rows\n", "out/measurements.json": '"watts": "344"'}),
    Play(EXAMPLES / "gpu.yaml", {"output.txt": "GPUs: 0,1\n", "model.json": '"slope": 3.0'}),
    Play(EXAMPLES / "template.yaml", {"output.txt": "7\n"}),
)


@dataclass(frozen=True, slots=True)
class Done:
    """A command that ended: its exit status, standard output and standard error."""

    status: int
    printed: str
    said: str


async def provd(stage: Environment, directory: Path, *words: str) -> Done:
    """Runs one command as the first customer, in that directory. Raises Wrong after SUBMIT_SECONDS."""
    env = {
        "PROVD_NODE": f"127.0.0.1:{stage.market.port}",
        "PROVD_FROM": str(stage.directory / "customer-1.armor"),
        "PROVD_PASSPHRASE_FILE": str(stage.directory / PASSPHRASE_FILE),
        "PROVD_GATEWAY": stage.url,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "provider_daemon", *words),
        cwd=directory,
        env={**os.environ, **env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(SUBMIT_SECONDS):
            printed, said = await process.communicate()
    except TimeoutError:
        process.kill()
        raise Wrong(f"provd {' '.join(words)}: not ended after {SUBMIT_SECONDS} s") from None
    assert process.returncode is not None
    return Done(process.returncode, printed.decode(), said.decode())


async def play(stage: Environment, played: Play, directory: Path) -> str:
    """Runs one command and returns a line about it. Raises Wrong."""
    began = time.monotonic()
    done = await provd(stage, directory, "submit", str(played.file), "--yes", "--output", "results")
    if done.status != played.status:
        raise Wrong(f"{played.file.name}: exit status {done.status}\n{done.said}")
    _check(played, directory, done.printed, done.said)
    files = sorted(
        str(path.relative_to(directory)) for path in directory.glob("results/**/*") if path.is_file()
    )
    return (
        f"{played.file.name}: exit status {done.status} after {time.monotonic() - began:.0f} s, "
        f"verified: {' '.join(files)}"
    )


async def play_parts(stage: Environment, directory: Path) -> str:
    """Runs the commands that do the parts alone, on JOB-1 and on one upload. Raises Wrong."""
    directory.mkdir()
    sent, name = EXAMPLES / "words.txt", hashlib.sha256((EXAMPLES / "words.txt").read_bytes()).hexdigest()

    async def good(*words: str) -> str:
        done = await provd(stage, directory, *words)
        if done.status:
            raise Wrong(f"provd {' '.join(words)}: exit status {done.status}\n{done.said}")
        return done.printed

    same("data put", await good("data", "put", str(sent)), f"{name}  {sent}\n")
    listed, log, files, *_ = await asyncio.gather(
        good("data", "ls"),
        good("logs", "-f", "JOB-1"),
        good("results", "ls", "JOB-1"),
        good("results", "get", "JOB-1"),
        good("data", "get", name, "--output", "again.txt"),
    )
    same("data ls has the upload", name in listed, True)
    same("data get", (directory / "again.txt").read_text(), sent.read_text())
    same("logs -f", log, (directory / "JOB-1/output.txt").read_text())
    same("results ls has the output", "output.txt" in files, True)
    await good("data", "rm", name)
    same("data get after rm", (await provd(stage, directory, "data", "get", name)).status, 1)
    return "data put, ls, get, rm; logs -f; results ls, get: all as expected"


def _check(played: Play, directory: Path, printed: str, said: str) -> None:
    """The log is on standard output, and the results are complete and proven."""
    if "verified: every file" not in said:
        raise Wrong(f"{played.file.name}: the results are not verified\n{said}")
    same(f"{played.file.name}: files outside results/", os.listdir(directory), ["results"])
    for name, text in played.results.items():
        if text not in (directory / "results" / name).read_text():
            raise Wrong(f"{played.file.name}: {name} does not contain {text!r}")
    same(f"{played.file.name}: its output", printed, (directory / "results/output.txt").read_text())


async def play_all(stage: Environment, directory: Path) -> list[str]:
    """Plays every example, one failing job, and the parts alone. Returns the problems."""
    same("the examples", sorted(EXAMPLES.glob("*.yaml")), sorted(each.file for each in PLAYS))
    failing = directory / "failing.yaml"
    failing.write_text(FAILING)
    gate = asyncio.Semaphore(AT_A_TIME)

    async def one(played: Play) -> str:
        place = directory / played.file.stem
        place.mkdir()
        async with gate:
            try:
                print(await play(stage, played, place), flush=True)
            except Wrong as error:
                print(f"WRONG: {error}", flush=True)
                return played.file.name
        return ""

    plays = (*PLAYS, Play(failing, {"part.txt": "half a result\n"}, 3))
    wrong = [name for name in await asyncio.gather(*map(one, plays)) if name]
    try:
        print(await play_parts(stage, directory / "parts"), flush=True)
    except Wrong as error:
        print(f"WRONG: {error}", flush=True)
        wrong.append("the parts")
    return wrong


async def _main() -> int:
    with tempfile.TemporaryDirectory(prefix="provd-examples.", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        directory.chmod(0o755)
        site = await choose(directory, simulated=False, say=print)
        stage = await build(directory, site, "published", print)
        try:
            (directory / "customer").mkdir()
            wrong = await play_all(stage, directory / "customer")
        finally:
            await stage.close()
    print(
        f"WRONG: {', '.join(wrong)}"
        if wrong
        else f"ok: {len(PLAYS)} examples, a failing job and the parts alone"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(_main()))
