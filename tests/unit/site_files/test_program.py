"""How the program gets to the site and starts there."""

import ast
import asyncio
import contextlib
import os
from importlib import resources
from pathlib import Path

import pytest

from provider_daemon.clock import SystemClock
from provider_daemon.errors import Transient, TurnedAway, Unreadable
from provider_daemon.lab.simulated.ssh import SshServer
from provider_daemon.site_files import program, workers
from provider_daemon.site_files.files import SiteFiles
from provider_daemon.slurm.local import LocalTransport
from provider_daemon.slurm.login import LoginError
from provider_daemon.slurm.ssh import SshTransport

FOLDER = resources.files(program.REMOTE)
SOURCES = {each.name: each.read_text() for each in FOLDER.iterdir() if each.name.endswith(".py")}


@pytest.mark.parametrize("name", SOURCES)
def test_old_interpreters_can_parse_it(name: str) -> None:
    """The text is Python 3.6: the interpreter of the oldest supported sites."""
    ast.parse(SOURCES[name], name, feature_version=(3, 6))


def test_nothing_but_the_standard_library() -> None:
    """Each module is sent, after those that it imports, and imports nothing that a site may lack."""
    assert {f"{name}.py" for name in program.MODULES} | {"__init__.py"} == set(SOURCES)
    known = set[str]()
    for name in program.MODULES:
        for node in ast.walk(ast.parse(SOURCES[f"{name}.py"])):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(program.REMOTE):
                module = (node.module or "").removeprefix(program.REMOTE).removeprefix(".")
                assert known.issuperset([module] if module else [each.name for each in node.names])
            elif isinstance(node, ast.ImportFrom | ast.Import):
                first = (
                    [node.module] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names]
                )
                assert not any((each or "").startswith("provider_daemon") for each in first)
        known.add(name)


def bin_with(directory: Path, **scripts: str) -> str:
    """Returns a directory with only the utilities that the program needs, and `scripts`."""
    directory.mkdir()
    for name, text in scripts.items():
        (directory / name).write_text(f"#!/bin/sh\n{text}\n")
        (directory / name).chmod(0o755)
    return str(directory)


async def test_site_without_python(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator reads what to install; it is no passing failure."""
    monkeypatch.setattr(program, "INTERPRETERS", ("python3-that-is-not-there", "/nowhere/python"))
    files = SiteFiles(LocalTransport())
    with pytest.raises(TurnedAway, match="install python3"):
        await files.list(str(root))
    await files.close()


async def test_old_python_is_skipped(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter that is too old is not used where a newer one exists."""
    old = bin_with(tmp_path / "old", python3="exit 1")
    monkeypatch.setattr(program, "INTERPRETERS", (f"{old}/python3", "python3"))
    files = SiteFiles(LocalTransport())
    assert not (await files.list(str(root))).entries
    await files.close()


async def test_output_of_login_files(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What they print before the program starts is skipped, and a flood is refused."""
    shell = program.shell()
    monkeypatch.setattr(program, "shell", lambda: f"echo 'Welcome, h'; echo; echo provd\n{shell}")
    files = SiteFiles(LocalTransport())
    assert not (await files.list(str(root))).entries
    await files.close()
    monkeypatch.setattr(program, "shell", lambda: f"head -c 100000 /dev/zero\n{shell}")
    with pytest.raises(Unreadable, match="login shell printed"):
        await files.list(str(root))


async def test_environment_of_the_account(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules of the account's home and PYTHONPATH are never imported."""
    (root / "json.py").write_text("raise SystemExit(9)")
    shell = program.shell()
    monkeypatch.setattr(program, "shell", lambda: f"export PYTHONPATH={root}\n{shell}")
    files = SiteFiles(LocalTransport({"PATH": os.environ["PATH"], "HOME": str(root)}))
    assert len((await files.list(str(root))).entries) == 1
    await files.close()


async def test_one_program_serves_many_requests(root: Path, tmp_path: Path) -> None:
    """Requests in a row share a program, and after a lost connection another one is started."""
    server = SshServer(tmp_path / "keys", "customer", {"PATH": os.environ["PATH"], "HOME": str(tmp_path)})
    await server.start()
    transport = SshTransport(clock=SystemClock(), **server.ssh)  # type: ignore[arg-type] # by name
    files = SiteFiles(transport)
    for _ in range(5):
        await files.list(str(root))
    assert transport.counts.channels == 1
    await server.cut()
    with contextlib.suppress(Transient):  # the loss may not be noticed yet
        await files.list(str(root))
    while transport.connected:
        await asyncio.sleep(0)
    assert not (await files.list(str(root))).entries
    assert transport.counts.channels == 2
    await files.close()
    await transport.close()
    await server.stop()


async def test_program_that_does_not_respond(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hanging file system becomes a transient failure, and its program is ended."""
    monkeypatch.setattr(workers, "SILENT_SECONDS", 0.05)
    monkeypatch.setattr(program, "shell", lambda: "sleep 60\n")
    files = SiteFiles(LocalTransport())
    with pytest.raises(Transient, match="did not respond"):
        await files.list(str(root))
    await files.close()


async def test_login_files_that_read_stdin(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is run, and the operator reads why."""
    monkeypatch.setattr("provider_daemon.slurm.streams.stdin", lambda program, payload: b"consumed\n")
    files = SiteFiles(LocalTransport())
    with pytest.raises(LoginError, match="login files"):
        await files.list(str(root))
    await files.close()


async def test_idle_programs_end(root: Path) -> None:
    """A program that no request used for a while is ended; the next request starts one."""
    made = workers.Workers(LocalTransport(), 1, idle_seconds=0)
    async with made.worker() as (first, _):
        assert not first.ended
    while not first.ended:
        await asyncio.sleep(0)
    async with made.worker() as (second, _):
        assert second is not first
    await made.close()
