"""provd.service on the machine, as the operator's guide installs it, and its observable state."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provider_daemon import __version__
from tests.expect import Wrong, same
from tests.systemd.machine import WAIT_SECONDS, Machine
from tests.systemd.stage import Stage, configuration
from tests.unit.docs import ROOT
from tests.waiting import until

UNIT = ROOT / "deploy/systemd/provd.service"
LOCAL = ROOT / "deploy/systemd/local.conf"
# maximum, as `systemd-analyze security` counts; 10 is a service without any sandbox
EXPOSURE = 1.5
HERE = Path(__file__).parent
CONFIG = "/etc/provd/provd.toml"
KEY = "/etc/credstore.encrypted/provd-key"
PROGRAMS = "/opt/slurm/bin"
_DROP_IN = "/etc/systemd/system/provd.service.d/test.conf"


def line_of(entry: dict[str, Any]) -> dict[str, Any]:
    """Parses a line of the log. Raises Wrong for an invalid or incomplete line."""
    try:
        line: dict[str, Any] = json.loads(entry["MESSAGE"])
    except ValueError:
        raise Wrong(f"no JSON: {entry['MESSAGE']!r}") from None
    return line


@dataclass(frozen=True, slots=True)
class Service:
    machine: Machine

    async def install(self, stage: Stage, wheel: bytes) -> str:
        """Installs program, user, key as an encrypted credential, SSH key, configuration, unit."""
        run, put = self.machine.run, self.machine.put
        file = f"/tmp/provd-{__version__}-py3-none-any.whl"
        await put(file, wheel)
        await run(
            "uv",
            "pip",
            "install",
            "-q",
            "--offline",
            "--no-deps",
            "--compile-bytecode",
            "--python",
            "/opt/provd/bin/python",
            file,
        )
        await run("useradd", "--system", "--home-dir", "/var/lib/provd", "--no-create-home", "provd")
        await run("install", "-d", "-m", "750", "-g", "provd", "/etc/provd")
        await run("install", "-d", "-m", "700", "/etc/credstore.encrypted")
        await run(
            "systemd-creds", "encrypt", "--name=provd-key", "-", KEY, stdin=stage.market.secret.hex().encode()
        )
        await put("/etc/provd/id_ed25519", Path(str(stage.site.ssh["key_file"])).read_bytes(), "600", "provd")
        await put("/etc/provd/known_hosts", Path(str(stage.site.ssh["known_hosts"])).read_bytes())
        await put(CONFIG, configuration(stage).encode())
        await put(f"/etc/systemd/system/{UNIT.name}", UNIT.read_bytes())
        await run("systemctl", "daemon-reload")
        return (await run("provd", "--version")).strip()

    async def give_site(self, stage: Stage) -> None:
        """Makes the machine the login node: SLURM's programs in provd's PATH, and its shared directory."""
        site, run = stage.site.directory, self.machine.run
        uid = int(await run("id", "-u", "provd"))
        site.chmod(0o755)
        (site / "slurm.sock").chmod(0o666)
        # as if the jobs of before had been submitted by this user
        for place in (stage.site.work_root, *stage.site.work_root.glob(".provd-*")):
            os.chown(place, uid, uid)
        # with the machine's Python: the service does not see the path of this one
        for program in (site / "bin").glob("[!.]*"):
            text = re.sub(r"^#!\S+/\.python\b", "#!/usr/bin/python3", program.read_text())
            await self.machine.put(f"{PROGRAMS}/{program.name}", text.encode(), "755")
        text = re.sub(r"\[clusters\.ssh\]\n(.+\n)+", "", configuration(stage))
        await self.machine.put(
            CONFIG, text.replace("[[clusters]]\n", '[[clusters]]\ntransport = "local"\n').encode()
        )
        drop_in = LOCAL.read_text().replace("/scratch/provd", str(stage.site.work_root))
        await self.drop_in(f"Environment=PATH={PROGRAMS}:/usr/bin:/bin\n{drop_in}")

    async def configure(self, before: str, after: str) -> None:
        text = await self.machine.run("cat", CONFIG)
        if before not in text:
            raise Wrong(f"{CONFIG} has no {before!r}")
        await self.machine.put(CONFIG, text.replace(before, after).encode())

    async def drop_in(self, text: str) -> None:
        await self.machine.put(_DROP_IN, f"[Service]\n{text}".encode())
        await self.machine.run("systemctl", "daemon-reload")

    async def drop_nothing_in(self) -> None:
        await self.machine.run("rm", "-f", _DROP_IN)
        await self.machine.run("systemctl", "daemon-reload")

    async def systemctl(self, verb: str, code: int = 0) -> str:
        return await self.machine.run("systemctl", verb, "provd", code=code)

    # --- observable state ---

    async def shows(self, **wanted: str) -> dict[str, str]:
        shown = await self.machine.shown("provd", *wanted)
        same("systemctl show", shown, wanted)
        return shown

    async def pid(self) -> str:
        return (await self.machine.shown("provd", "MainPID"))["MainPID"]

    async def started_again(self, after: str, limit: float = WAIT_SECONDS) -> float:
        """Returns the seconds until another process than `after` is active. Raises Wrong."""

        async def there() -> bool:
            shown = await self.machine.shown("provd", "MainPID", "ActiveState")
            return shown["ActiveState"] == "active" and shown["MainPID"] not in ("0", after)

        return await until("systemd has started it again", there, limit)

    async def ended_by(self, result: str) -> int:
        """Returns how often systemd reported that the unit failed with this result."""
        text = await self.machine.run(
            "journalctl", "--output=json", "UNIT=provd.service", f"UNIT_RESULT={result}", code=None
        )
        return len([line for line in text.splitlines() if line.startswith("{")])

    async def entries(self) -> list[dict[str, Any]]:
        """Returns the journal entries of provd.

        systemd's own child logs some in the unit's name before it executes provd.
        """
        return [
            entry
            for entry in await self.machine.journal("provd.service")
            if entry["SYSLOG_IDENTIFIER"] == "provd"
        ]

    async def lines(self) -> list[dict[str, Any]]:
        """Returns the log of every process so far."""
        return [line_of(entry) for entry in await self.entries() if entry["MESSAGE"].startswith("{")]

    async def says(self, event: str, **values: object) -> dict[str, Any]:
        """Returns the newest line of that event with those values. Raises Wrong if there is none in time."""
        found: list[dict[str, Any]] = []

        async def there() -> bool:
            found[:] = [
                line
                for line in await self.lines()
                if line["event"] == event and values.items() <= line.items()
            ]
            return bool(found)

        await until(f"the journal has {event} {values or ''}", there, WAIT_SECONDS)
        return found[-1]
