"""systemd as far as the package's scripts use it.

A systemctl asks this process, which runs the unit's command as its user. The unit is tested under a real
systemd elsewhere; here its scripts are tested, and what happens between a stop and a start.
"""

import asyncio
import configparser
import shlex
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Self

from tests.packages.debian import Debian
from tests.waiting import until

UNIT = "provd.service"
STOP_SECONDS = 60
_SOCKET = "/run/systemctl.sock"
_SYSTEMCTL = f"""#!/usr/bin/python3 -SEB
import socket, sys
with socket.socket(socket.AF_UNIX) as manager:
    manager.connect({_SOCKET!r})
    manager.sendall(" ".join(sys.argv[1:]).encode() + b"\\n")
    code, _, text = manager.makefile().read().partition(" ")
sys.stdout.write(text)
sys.exit(int(code))
"""


class Service:
    """The service.

    `asked` contains the arguments of every call; `meanwhile` is awaited once, after the next stop of the
    daemon and before systemctl returns. `others`: the other units that count as running; no process runs.
    """

    def __init__(self, debian: Debian, log: Path) -> None:
        self.asked: list[str] = []
        self.others: set[str] = set()
        self.meanwhile: Callable[[], Awaitable[None]] | None = None
        self._debian = debian
        self._log = log
        self._daemon: subprocess.Popen[bytes] | None = None
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        root = self._debian.root
        program = root / "usr/bin/systemctl"
        program.write_text(_SYSTEMCTL)
        program.chmod(0o755)
        (root / "run/systemd/system").mkdir(parents=True)
        self._log.touch()
        self._server = await asyncio.start_unix_server(self._answer, str(root) + _SOCKET)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        assert self._server
        self._server.close()

    async def start(self) -> bool:
        """Starts the daemon as Type=notify: returns once it serves, or has ended."""
        if self.running:
            return True
        mark = self._log.stat().st_size
        with self._log.open("ab") as log:
            self._daemon = subprocess.Popen(
                self._debian.argv(*self._command(), user="provd"),
                env=self._debian.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

        def settled() -> bool:
            return not self.running or b'"provd_started"' in self._log.read_bytes()[mark:]

        await until("the daemon serves or ends", settled, limit=60)
        return self.running

    async def stop(self) -> None:
        if self.running:
            assert self._daemon
            self._daemon.terminate()
            await asyncio.to_thread(self._daemon.wait, STOP_SECONDS)

    @property
    def running(self) -> bool:
        return self._daemon is not None and self._daemon.poll() is None

    def lines(self) -> list[str]:
        return self._log.read_text(errors="replace").splitlines()

    def _command(self) -> list[str]:
        unit = configparser.RawConfigParser(strict=False)
        unit.optionxform = str  # type: ignore[assignment,method-assign]
        unit.read(self._debian.root / "usr/lib/systemd/system" / UNIT)
        return shlex.split(unit["Service"]["ExecStart"])

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        words = (await reader.readline()).decode().split()
        self.asked.append(" ".join(words))
        code, text = await self._do(words)
        writer.write(f"{code} {text}".encode())
        await writer.drain()
        writer.close()

    async def _do(self, words: list[str]) -> tuple[int, str]:
        match words:
            case ["is-active", unit] if unit != UNIT:
                return (0, "active\n") if unit in self.others else (3, "inactive\n")
            case ["stop", unit] if unit != UNIT:
                self.others.discard(unit)
                return 0, ""
            case ["start", unit] if unit != UNIT:
                self.others.add(unit)
                return 0, ""
            case ["is-active", _]:
                return (0, "active\n") if self.running else (3, "inactive\n")
            case ["stop", _]:
                await self.stop()
                if self.meanwhile:
                    todo, self.meanwhile = self.meanwhile, None
                    await todo()
                return 0, ""
            case ["start", _]:
                return (0, "") if await self.start() else (1, "")
            case ["daemon-reload"] | ["--quiet", "disable", *_]:
                return 0, ""
        return 64, f"nobody asks systemctl {' '.join(words)} here\n"
