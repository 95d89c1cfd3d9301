"""provd-gateway.service and provd-mover.service beside the daemon: started, used, killed and stopped."""

import json
from dataclasses import dataclass
from pathlib import Path

from provider_daemon.demo.jobs import DemoJob
from provider_daemon.demo.market import CHAIN_ID
from provider_daemon.job import signed_words
from provider_daemon.job.state import State
from tests.expect import Wrong, same
from tests.systemd.course import Steps
from tests.systemd.machine import WAIT_SECONDS, Machine
from tests.systemd.service import CONFIG, EXPOSURE, Service
from tests.systemd.stage import Stage
from tests.unit.docs import ROOT
from tests.waiting import until

UNITS = ("provd-gateway", "provd-mover")
TABLES = """
[gateway]
url = "http://127.0.0.1:8443"
ssh_key_file = "/etc/provd/provd-gateway.key"

[data]
ssh_key_file = "/etc/provd/provd-mover.key"
"""
FETCH = (
    "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:8443/v1/info').read().decode())"
)


@dataclass(frozen=True, slots=True)
class DataServices:
    machine: Machine
    service: Service
    stage: Stage

    def steps(self) -> Steps:
        return {
            "start of gateway and mover": self.start,
            "a job whose results are signed": self.results,
            "kill -9 of gateway and mover": self.kill,
            "stop of gateway and mover": self.stop,
        }

    async def start(self) -> str:
        """Each has a user and an SSH key of its own, and is active only after READY=1."""
        run, put = self.machine.run, self.machine.put
        for unit in UNITS:
            await run("useradd", "--system", "--no-create-home", "--gid", "provd", unit)
            key = Path(str(self.stage.site.ssh["key_file"])).read_bytes()
            await put(f"/etc/provd/{unit}.key", key, "600")
            await run("chown", unit, f"/etc/provd/{unit}.key")
            await put(f"/etc/systemd/system/{unit}.service", _unit(unit))
        await put(CONFIG, (await run("cat", CONFIG)).encode() + TABLES.encode())
        await run("systemctl", "daemon-reload")
        await self.service.systemctl("restart")
        for unit in UNITS:
            await run("systemctl", "start", unit)
            wanted = {"ActiveState": "active", "SubState": "running", "Type": "notify", "User": unit}
            same(f"systemctl show {unit}", await self.machine.shown(unit, *wanted), wanted)
        return ", ".join([await self._exposure(unit) for unit in UNITS])

    async def results(self) -> str:
        """The mover reads the daemon's ledger, the daemon the mover's database, the gateway both."""
        job_id = await self.stage.submit(DemoJob("", 0, State.COMPLETED, 0, arguments=("-c", "echo hello")))
        await self.stage.becomes(job_id, State.COMPLETED)
        record = await self.stage.market.chain.query.job(job_id)
        assert record is not None
        results = signed_words.parse(record.status_message).results
        if results is None:
            raise Wrong(f"no signed results in {record.status_message!r}")
        same("the gateway's chain", await self._chain(), CHAIN_ID)
        return f"{job_id}: {results.files} files, {results.bytes} bytes"

    async def kill(self) -> str:
        """systemd starts both again."""
        seconds = []
        for unit in UNITS:
            pid = (await self.machine.shown(unit, "MainPID"))["MainPID"]
            await self.machine.run("systemctl", "kill", "--kill-whom=main", "--signal=KILL", unit)
            seconds.append(await self._started_again(unit, pid))
        same("the gateway's chain", await self._chain(), CHAIN_ID)
        return "active again after " + " and ".join(f"{each:.1f} s" for each in seconds)

    async def stop(self) -> str:
        """Both end with exit code 0; the daemon then serves without them, as before."""
        for unit in UNITS:
            await self.machine.run("systemctl", "stop", unit)
            wanted = {"ActiveState": "inactive", "Result": "success", "ExecMainStatus": "0"}
            same(f"systemctl show {unit}", await self.machine.shown(unit, *wanted), wanted)
        await self.service.configure(TABLES, "")
        await self.service.systemctl("restart")
        return "exit codes 0"

    async def _chain(self) -> str:
        return str(json.loads(await self.machine.run("python3", "-c", FETCH))["chain_id"])

    async def _exposure(self, unit: str) -> str:
        text = await self.machine.run("systemd-analyze", "security", "--no-pager", unit)
        level = float(text.rpartition(": ")[2].split()[0])
        if level > EXPOSURE:
            raise Wrong(f"exposure of {unit} is {level}, more than {EXPOSURE}")
        return f"{unit} active, exposure {level}"

    async def _started_again(self, unit: str, after: str) -> float:
        async def there() -> bool:
            shown = await self.machine.shown(unit, "MainPID", "ActiveState")
            return shown["ActiveState"] == "active" and shown["MainPID"] not in ("0", after)

        return await until(f"systemd has started {unit} again", there, WAIT_SECONDS)


def _unit(name: str) -> bytes:
    return (ROOT / f"deploy/systemd/{name}.service").read_bytes()
