"""The restrictions of the unit and what passes them: files, the sandbox, the journal."""

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from tests.expect import same
from tests.systemd.machine import Machine
from tests.systemd.service import CONFIG, EXPOSURE, HERE, UNIT, Service, line_of
from tests.systemd.stage import Stage
from tests.unit.docs import column, page

STATE = "/var/lib/provd"
CREDENTIAL = "/run/credentials/provd.service/provd-key"
PRIORITY = {"info": "6", "warning": "4", "error": "3"}
MAY = {
    "write StateDirectory", "write /tmp", "sqlite in WAL mode", "threads", "subprocess",
    "resolve and connect", "listen",
    "read /etc/provd", "read known_hosts", "read the credential",
}  # fmt: skip

_CLOSED = re.compile(
    r"600 provd:provd .*|640 provd:provd .*/ledger\.sqlite(-wal|-shm)?|700 provd:provd .*/audit"
)


@dataclass(frozen=True, slots=True)
class Closed:
    machine: Machine
    service: Service
    stage: Stage

    def steps(self) -> dict[str, Callable[[], Awaitable[str]]]:
        return {
            "systemd-analyze": self.analyzed,
            "the state directory and the key": self.files,
            "the sandbox, from inside": self.sandbox,
            "the sandbox, as the kernel has it": self.kernel,
        }

    async def analyzed(self) -> str:
        complaints = await self.machine.run(
            "systemd-analyze", "verify", "--man=no", f"/etc/systemd/system/{UNIT.name}"
        )
        same("systemd-analyze verify", complaints, "")
        told = await self.machine.run("systemd-analyze", "security", "--no-pager", "provd")
        exposure = float(told.rpartition("provd.service: ")[2].split()[0])
        same(f"whether an exposure of {exposure} is at most {EXPOSURE}", exposure <= EXPOSURE, True)
        return f"verify is silent; exposure level {exposure} of 10"

    async def files(self) -> str:
        """The group reads only the ledger; the key is on disk only as encrypted by systemd."""
        modes = await self.machine.run("sh", "-c", f"stat -c '%a %U:%G %n' {STATE} {STATE}/*")
        same("state directory", modes.splitlines()[0], f"750 provd:provd {STATE}")
        same(
            "other modes than 600, 640 of the ledger, and 700 of the audit log",
            [line for line in modes.splitlines()[1:] if not _CLOSED.fullmatch(line)],
            [],
        )
        for user in ("nobody", "daemon"):
            await self.machine.run("setpriv", f"--reuid={user}", "--clear-groups", "cat", CREDENTIAL, code=1)
        clear = await self.machine.run(
            "sh", "-c", f"grep -rlF {self.stage.market.secret.hex()} /etc /var /root || true"
        )
        same("files that hold the key in the clear", clear, "")
        return f"{len(modes.splitlines())} modes and owners; the key is in the clear nowhere on the disk"

    async def sandbox(self) -> str:
        """The shipped unit with a program in place of the daemon.

        The program tries what the daemon needs and what it must not do.
        """
        await self.machine.put("/opt/probe.py", (HERE / "probe.py").read_bytes())
        await self.machine.run("touch", "/tmp/of-another", "/home/someone", "/root/something")
        await self.machine.run(
            "sh",
            "-c",
            (
                "mkdir -m 1777 /etc/open /opt/open /run/open /srv/open /usr/open /var/open && chmod 755 "
                "/root /home"
            ),
        )
        unit = UNIT.read_text().replace("Type=notify", "Type=oneshot").replace("Restart=on-failure\n", "")
        unit = unit.replace(
            f"provd run --config {CONFIG}", f"python3 /opt/probe.py localhost {self.stage.market.port}"
        )
        await self.machine.put(
            "/etc/systemd/system/probe.service",
            unit.replace("StateDirectory=provd\n", "StateDirectory=probe\n").encode(),
        )
        await self.machine.run("systemctl", "daemon-reload")
        await self.machine.run("systemctl", "start", "probe")
        (entry,) = await self.machine.journal("probe.service")
        found = json.loads(entry["MESSAGE"])
        same(
            "attempts with another outcome",
            {name: what for name, what in found.items() if (what == "ok") is not (name in MAY)},
            {},
        )
        return f"{len(MAY)} things that it needs work, {len(found) - len(MAY)} that it must not do fail"

    async def kernel(self) -> str:
        status = await self.machine.run("cat", f"/proc/{await self.service.pid()}/status")
        values = {line.split(":")[0]: line.split(":")[1].split() for line in status.splitlines()}
        wanted = {
            "NoNewPrivs": ["1"],
            "Seccomp": ["2"],
            **{f"Cap{name}": ["0" * 16] for name in ("Inh", "Prm", "Eff", "Bnd", "Amb")},
        }
        same("/proc/PID/status", {name: values[name] for name in wanted}, wanted)
        uids = (await self.machine.run("id", "-u", "provd")).strip()
        same("user and its ids", values["Uid"], [uids] * 4)
        return f"{', '.join(wanted)} of the running process"

    async def journal(self) -> str:
        """Every entry is a line of JSON with an event of the guide and its priority.

        Other entries are configuration errors that kept provd from starting.
        """
        entries = await self.service.entries()
        plain = [entry["MESSAGE"] for entry in entries if not entry["MESSAGE"].startswith("{")]
        same(
            "lines that are no JSON",
            [line.split(":")[0] for line in plain],
            ["/etc/provd/provd.toml", "key (credential provd-key)"],
        )
        lines = [(line_of(entry), entry["PRIORITY"]) for entry in entries if entry["MESSAGE"].startswith("{")]
        words = {line["event"] for line, _ in lines}
        same(
            "words that the guide does not have",
            words - set(column(page("operators-guide.md"), "event")),
            set(),
        )
        same(
            "lines of another priority",
            [line for line, priority in lines if priority != PRIORITY[line["level"]]],
            [],
        )
        everything = await self.machine.run("journalctl", "--all", "--output=json")
        same(
            "secrets in the journal",
            [number for number, secret in enumerate(self._secrets()) if secret in everything],
            [],
        )
        return f"{len(lines)} lines of JSON with {len(words)} words, no secret"

    def _secrets(self) -> list[str]:
        """Returns the account's key, and each line of the SSH key."""
        lines = Path(str(self.stage.site.ssh["key_file"])).read_text().splitlines()
        return [
            self.stage.market.secret.hex(),
            *(line for line in lines if line and not line.startswith("-----")),
        ]
