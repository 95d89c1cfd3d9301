"""Debian's Chromium without a screen, driven by its DevTools protocol."""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import tempfile
from base64 import b64decode
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp

PATIENCE_SECONDS = 40.0
_FLAGS = (
    "--headless=new",
    "--remote-debugging-port=0",
    "--no-first-run",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
)
_KEYS = {"Tab": 9, "Enter": 13, "Escape": 27}


class Tab:
    """A page.

    `problems` collects the console's errors, warnings, uncaught exceptions and policy violations.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._session = ""
        self.problems: list[str] = []

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        answered = self._answers[number] = asyncio.get_running_loop().create_future()
        message = {
            "id": number,
            "method": method,
            "params": parameters,
            **({"sessionId": self._session} if self._session else {}),
        }
        await self._socket.send_json(message)
        answer = await asyncio.wait_for(answered, PATIENCE_SECONDS)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return dict(answer["result"])

    async def listen(self) -> None:
        async for message in self._socket:
            said = message.json()
            if "id" in said:
                self._answers.pop(said["id"]).set_result(said)
            elif said["method"] in ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled"):
                self.problems.append(str(said["params"]))

    async def begin(self) -> None:
        target = await self.call("Target.createTarget", url="about:blank")
        self._session = (await self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True))[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log"):
            await self.call(f"{domain}.enable")

    # --- user actions ---

    async def go(self, url: str) -> None:
        """Opens the address and returns once the page is loaded and its script has run."""
        await self.call("Page.navigate", url=url)
        await self.until("document.readyState === 'complete'")

    async def run(self, expression: str) -> Any:
        """Returns the value of a JavaScript expression."""
        answer = await self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def until(self, expression: str) -> None:
        """Waits until the expression is true."""
        waiting = (
            f"new Promise(done => {{ const look = () => ({expression}) ? done(true) : setTimeout(look, "
            f"50); look(); }})"
        )
        await self.run(waiting)

    async def press(self, key: str) -> None:
        named = (
            {"key": key, "code": key, "windowsVirtualKeyCode": _KEYS[key]}
            if key in _KEYS
            else {"key": key, "text": key}
        )
        text = {"text": "\r"} if key == "Enter" else {}
        await self.call("Input.dispatchKeyEvent", type="keyDown", **named, **text)
        await self.call(
            "Input.dispatchKeyEvent",
            type="keyUp",
            **{name: value for name, value in named.items() if name != "text"},
        )

    async def size(self, width: int, height: int = 800) -> None:
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    async def scheme(self, word: str) -> None:
        """Sets the system's colour scheme: `light` or `dark`."""
        await self.call(
            "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": word}]
        )

    async def shoot(self, path: Path) -> None:
        """Returns a PNG of the window."""
        path.write_bytes(b64decode((await self.call("Page.captureScreenshot", format="png"))["data"]))


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Tab]:
    """A new browser without a profile; `tools/bootstrap browser` installs it."""
    program = shutil.which("chromium")
    assert program, "no chromium: run tools/bootstrap browser"
    profile = tempfile.mkdtemp(prefix="provd-chromium.")
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    process = await asyncio.create_subprocess_exec(
        program,
        *_FLAGS,
        *root,
        f"--user-data-dir={profile}",
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        address = await asyncio.wait_for(_address(process), PATIENCE_SECONDS)
        async with aiohttp.ClientSession() as session, session.ws_connect(address, max_msg_size=0) as socket:
            tab = Tab(socket)
            listening = asyncio.create_task(tab.listen())
            await tab.begin()
            yield tab
            listening.cancel()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        shutil.rmtree(profile, ignore_errors=True)


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    async for line in process.stderr:
        if found := re.search(rb"DevTools listening on (ws://\S+)", line):
            return found[1].decode()
    raise AssertionError("chromium ended before it listened")
