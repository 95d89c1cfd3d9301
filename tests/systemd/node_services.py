"""provd-collector.service beside the daemon, and provd-agent.service as on a compute node."""

import json
from dataclasses import dataclass
from typing import Any

from tests.expect import Wrong, same
from tests.systemd.course import Steps
from tests.systemd.machine import WAIT_SECONDS, Machine
from tests.systemd.service import CONFIG, EXPOSURE, Service
from tests.unit.docs import ROOT
from tests.waiting import until

COLLECTOR, AGENT = "provd-collector", "provd-agent"
UNITS = (COLLECTOR, AGENT)
TABLE = """
[collector]
url = "http://127.0.0.1:8444"
heartbeat_seconds = 10
"""
STATE = f"/var/lib/{AGENT}"
# Of 10: the agent's sandbox leaves open what it measures.
AGENT_EXPOSURE = 2.0


@dataclass(slots=True)
class NodeServices:
    machine: Machine
    service: Service
    host: str = ""

    def steps(self) -> Steps:
        return {
            "start of the collector and a node's agent": self.start,
            "what the agent measures in its sandbox": self.measured,
            "kill -9 of collector and agent": self.kill,
            "stop of collector and agent": self.stop,
        }

    async def start(self) -> str:
        """The agent waits without a token; with one, it registers and deletes the token."""
        run, put = self.machine.run, self.machine.put
        await run("useradd", "--system", "--no-create-home", "--gid", "provd", COLLECTOR)
        await run("useradd", "--system", "--no-create-home", AGENT)
        await run("ln", "-sf", f"/opt/provd/bin/{AGENT}", f"/usr/local/bin/{AGENT}")
        for unit in UNITS:
            await put(f"/etc/systemd/system/{unit}.service", _unit(unit))
        await put(CONFIG, (await run("cat", CONFIG)).encode() + TABLE.encode())
        await run("systemctl", "daemon-reload")
        await self.service.systemctl("restart")
        await until("SLURM's nodes are known", self._known, WAIT_SECONDS)
        await run("install", "-d", f"/etc/{AGENT}")
        await put(f"/etc/{AGENT}/agent.toml", f'hostname = "{self.host}"\n'.encode())
        for unit in UNITS:
            await run("systemctl", "start", unit)
            wanted = {"ActiveState": "active", "SubState": "running", "Type": "notify", "User": unit}
            same(f"systemctl show {unit}", await self.machine.shown(unit, *wanted), wanted)
        _, _, token = (await run("provd", "node", "token", self.host)).strip().partition(" ")
        await put(f"{STATE}/token", token.encode(), "600", AGENT)
        seconds = await until("the agent is active", self._active, WAIT_SECONDS)
        same("files", sorted((await run("ls", STATE)).split()), ["agent.key", "state.json"])
        exposures = [await self._exposure(COLLECTOR, EXPOSURE), await self._exposure(AGENT, AGENT_EXPOSURE)]
        return f"{self.host} after {seconds:.1f} s; {', '.join(exposures)}"

    async def measured(self) -> str:
        """Processors, memory and load of the machine; and it sees that no slurmd runs here."""
        report = (await self._json("show", self.host))["report"]
        beat = report["heartbeat"]
        capacity, health = beat["capacity"], beat["health"]
        same("cores and memory", capacity["cpu_cores_total"] > 0 < capacity["memory_gb_total"], True)
        same("hardware", bool(report["hardware"]["cpu_model"] or report["hardware"]["cpu_arch"]), True)
        same("uptime", health["uptime_seconds"] > 0, True)
        same("slurmd", beat["services"]["slurmd_running"], False)
        same("health", health["status"], "unhealthy")
        memory = await self.machine.run("sh", "-c", f"grep VmRSS /proc/{await self._pid(AGENT)}/status")
        return (
            f"{capacity['cpu_cores_total']} cores, {health['last_error_message']}; {' '.join(memory.split())}"
        )

    async def kill(self) -> str:
        """systemd starts both again; the registration and the sequence survive."""
        before = await self._sequence()
        for unit in UNITS:
            pid = await self._pid(unit)
            await self.machine.run("systemctl", "kill", "--kill-whom=main", "--signal=KILL", unit)

            async def again(unit: str = unit, pid: str = pid) -> bool:
                return await self._pid(unit) not in ("0", pid)

            await until(f"systemd has started {unit} again", again, WAIT_SECONDS)

        async def later() -> bool:
            return await self._sequence() > before

        seconds = await until("a later heartbeat is accepted", later, WAIT_SECONDS)
        return f"a heartbeat after sequence {before} accepted {seconds:.1f} s later"

    async def stop(self) -> str:
        """Both end with exit code 0; the daemon then serves without them, as before."""
        for unit in reversed(UNITS):
            await self.machine.run("systemctl", "stop", unit)
            wanted = {"ActiveState": "inactive", "Result": "success", "ExecMainStatus": "0"}
            same(f"systemctl show {unit}", await self.machine.shown(unit, *wanted), wanted)
        await self.service.configure(TABLE, "")
        await self.service.systemctl("restart")
        return "exit codes 0"

    async def _known(self) -> bool:
        nodes = await self._nodes()
        self.host = str(nodes[0]["host"]) if nodes else ""
        return bool(nodes)

    async def _active(self) -> bool:
        return any(
            each["host"] == self.host and each["seen_seconds"] is not None for each in await self._nodes()
        )

    async def _nodes(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self._json("list")
        return found

    async def _json(self, *words: str) -> Any:
        """Returns what `provd node` prints to standard output: it warns while there is no collector yet."""
        command = f"provd node {' '.join(words)} -o json 2>/dev/null"
        return json.loads(await self.machine.run("sh", "-c", command))

    async def _sequence(self) -> int:
        shown = await self._json("show", self.host)
        return int(shown["report"]["heartbeat"]["sequence_number"])

    async def _pid(self, unit: str) -> str:
        return (await self.machine.shown(unit, "MainPID"))["MainPID"]

    async def _exposure(self, unit: str, most: float) -> str:
        text = await self.machine.run("systemd-analyze", "security", "--no-pager", unit)
        level = float(text.rpartition(": ")[2].split()[0])
        if level > most:
            raise Wrong(f"exposure of {unit} is {level}, more than {most}")
        return f"{unit} active, exposure {level}"


def _unit(name: str) -> bytes:
    return (ROOT / f"deploy/systemd/{name}.service").read_bytes()
