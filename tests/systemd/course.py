"""The steps of provd.service on a booted machine, in order, with their expected results.

Each step returns what it observed.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from provider_daemon.demo.jobs import DemoJob
from provider_daemon.demo.market import CLUSTER
from provider_daemon.job.state import State
from tests.expect import Wrong, same
from tests.systemd.machine import WAIT_SECONDS, Machine
from tests.systemd.service import CONFIG, HERE, KEY, Service
from tests.systemd.stage import Stage
from tests.unit.docs import blocks, column, page
from tests.waiting import until

SEEN = (State.QUEUED, State.RUNNING, State.COMPLETED)
FORGED = "provd_stopped"
HOSTILE = f'a"}}\n{{"event": "{FORGED}", "level": "error"}}\r\x1b[2K\x1b[1A\u2028\u202e<0>'
WATCHDOG = 5  # seconds, in a drop-in
Steps = dict[str, Callable[[], Awaitable[str]]]
NOTIFY_RELOAD_SINCE = 253
SERVING = {"ActiveState": "active", "SubState": "running"}


@dataclass(frozen=True, slots=True)
class Course:
    machine: Machine
    service: Service
    stage: Stage

    def serving(self) -> Steps:
        return {
            "systemctl start": self.start,
            "a job": self.job,
            "/metrics": self.metrics,
            "hostile words": self.hostile,
            "systemctl status": self.status,
            "systemctl reload": self.reload,
        }

    def ending(self) -> Steps:
        return {
            "kill -9": self.kill,
            "kill -STOP": self.hang,
            "a loop that is dead": self.dead_loop,
            "systemctl stop": self.stop,
            "a dry run with the service's key": self.dry_run,
            "a broken configuration": self.broken,
            "no key": self.no_key,
            "a key that cannot be decrypted": self.foreign_key,
            "Type=notify-reload": self.waiting_reload,
            'transport = "local"': self.local,
        }

    async def start(self) -> str:
        """The service is active only after READY=1."""
        await self.service.systemctl("start")
        await self.service.shows(**SERVING, Type="notify", Result="success", User="provd")
        await self.service.says("provd_started")
        return "active"

    async def status(self) -> str:
        """The status line shows the daemon's condition and is updated every ten seconds."""

        async def ready() -> bool:
            return (await self.machine.shown("provd", "StatusText"))["StatusText"] == "ready"

        return f"STATUS=ready after {await until('the status is ready', ready, WAIT_SECONDS):.1f} s more"

    async def job(self) -> str:
        job_id = await self.stage.submit(DemoJob("", 0, State.COMPLETED, 0, arguments=("-c", "true")))
        seconds = await self.stage.becomes(job_id, State.COMPLETED)
        return (
            f"{job_id} from chain to report in {seconds:.1f} s: "
            f"{await self.stage.reported_once(job_id, *SEEN)}"
        )

    async def metrics(self) -> str:
        """The metrics include the process's own, which need more of /proc than the sandbox shows."""
        fetch = (
            "import urllib.request; "
            "print(urllib.request.urlopen('http://127.0.0.1:9464/metrics').read().decode())"
        )
        names = {
            line.split("{")[0].split()[0]
            for line in (await self.machine.run("python3", "-c", fetch)).splitlines()
            if line
        }
        documented = set(column(page("metrics.md").partition("## The process")[2], "metric"))
        same("missing in the sandbox", documented - names, set())
        return f"all {len(documented)} figures of the process"

    async def dry_run(self) -> str:
        """The command of the operator's guide works: only services have the credential."""
        (command,) = (
            line for line in page("operators-guide.md").splitlines() if line.startswith("systemd-run ")
        )
        job_id = await self.stage.submit(DemoJob("", 0, State.COMPLETED, 0))
        told = await self.machine.run("sh", "-c", command)
        for wanted in (f"-{job_id}\n", f'"job_id": "{job_id}"'):
            if wanted not in told:
                raise Wrong(f"no {wanted.strip()!r} in {told}")
        return f"batch script and transaction of {job_id}"

    async def hostile(self) -> str:
        """A job's image and another's queue contain line breaks, and no log line is split.

        The reason of each refusal contains them.
        """
        order = DemoJob("", 0, State.FAILED, None)
        jobs = {
            await self.stage.submit(hostile)
            for hostile in (replace(order, image=HOSTILE), replace(order, queue=HOSTILE))
        }
        for job_id in jobs:
            await self.stage.becomes(job_id, State.FAILED)
        told = [line for line in await self.service.lines() if FORGED in json.dumps(line)]
        same("jobs whose words are in the log", {line.get("job") for line in told}, jobs)
        same(f"lines that claim to be {FORGED}", [line for line in told if line["event"] == FORGED], [])
        return f"those of {' and '.join(sorted(jobs))} are in the log, escaped; no line is forged"

    async def reload(self) -> str:
        pid = await self.service.pid()
        await self.service.configure("poll_seconds = 1\n\n[keys", "poll_seconds = 0.5\n\n[keys")
        await self.service.systemctl("reload")
        changed = (await self.service.says("config_reloaded"))["changed"]
        same("changed", changed, ["chain.poll_seconds"])
        same("process", await self.service.pid(), pid)
        await self.service.configure('level = "info"', 'level = "loud"')
        await self.service.systemctl("reload")
        (why,) = (await self.service.says("config_not_reloaded"))["why"]
        await self.service.configure('level = "loud"', 'level = "info"')
        return f"{changed[0]} is taken, the same process goes on; then {why!r} is refused"

    async def kill(self) -> str:
        """A job that ends while no daemon runs is reported once."""
        job_id, gate = await self.stage.submit_gated()
        await self.stage.becomes(job_id, State.RUNNING)
        pid = await self.service.pid()
        await self.machine.run("systemctl", "kill", "--kill-whom=main", "--signal=KILL", "provd")
        gate.touch()
        seconds = await self.service.started_again(pid)
        await self.service.shows(**SERVING, NRestarts="1")
        await self.stage.becomes(job_id, State.COMPLETED)
        return (
            f"active again after {seconds:.1f} s; {job_id} once each: "
            f"{await self.stage.reported_once(job_id, *SEEN)}"
        )

    async def hang(self) -> str:
        """A stopped process sends no watchdog ping.

        systemd kills it after WatchdogSec, and starts another.
        """
        await self.service.drop_in(f"WatchdogSec={WATCHDOG}\nRestartSec=0.5\n")
        await self.service.systemctl("restart")
        job_id, gate = await self.stage.submit_gated()
        await self.stage.becomes(job_id, State.RUNNING)
        pid = await self.service.pid()
        await self.machine.run("systemctl", "kill", "--kill-whom=main", "--signal=STOP", "provd")
        gate.touch()
        seconds = await self.service.started_again(pid)
        same("ends by the watchdog", await self.service.ended_by("watchdog"), 1)
        await self.stage.becomes(job_id, State.COMPLETED)
        return (
            f"killed by the watchdog and active again after {seconds:.1f} s; "
            f"{await self.stage.reported_once(job_id, *SEEN)}"
        )

    async def dead_loop(self) -> str:
        """With one dead loop all others continue, but the watchdog ping is withheld."""
        await self.machine.put("/opt/ending.py", (HERE / "ending.py").read_bytes())
        command = f"/opt/provd/bin/python /opt/ending.py run --config {CONFIG}"
        await self.service.drop_in(
            f"WatchdogSec={WATCHDOG}\nRestartSec=0.5\nSyslogIdentifier=provd\nExecStart=\nExecStart={command}\n"
        )
        await self.service.systemctl("restart")
        pid = await self.service.pid()
        await self.machine.run("touch", "/var/lib/provd/end-intake")
        seconds = await self.service.started_again(pid)
        same("ends by the watchdog", await self.service.ended_by("watchdog"), 2)
        dead = await self.service.says("loop_dead", loop="intake")
        await self.service.drop_nothing_in()
        return f"intake: {dead['why']}; killed by the watchdog and active again after {seconds:.1f} s"

    async def stop(self) -> str:
        await self.service.systemctl("restart")
        await self.service.systemctl("stop")
        await self.service.shows(
            ActiveState="inactive", SubState="dead", Result="success", ExecMainStatus="0"
        )
        same("last line", (await self.service.lines())[-1]["event"], "provd_stopped")
        return "exit code 0, the last line is provd_stopped"

    async def broken(self) -> str:
        """An invalid file ends the daemon without a restart: the file would be invalid again."""
        await self.service.configure('level = "info"', 'level = "loud"')
        await self._rests()
        await self.service.configure('level = "loud"', 'level = "info"')
        return f"exit code 2, no restart: {await self._last_line()}"

    async def no_key(self) -> str:
        await self.machine.run("mv", KEY, "/root/provd-key")
        await self._rests()
        return f"exit code 2, no restart: {await self._last_line()}"

    async def foreign_key(self) -> str:
        """A credential of another machine, or a busy TPM: systemd retries until it can be decrypted.

        The waiting work is done then.
        """
        await self.machine.put(KEY, b"A" * 200)
        await self.service.systemctl("start", code=1)
        await self.service.shows(ActiveState="activating", SubState="auto-restart", ExecMainStatus="243")
        await self.machine.run("mv", "/root/provd-key", KEY)
        seconds = await self.service.started_again("0")
        await self.stage.becomes(self.stage.jobs[-1], State.COMPLETED)
        return (
            f"243/CREDENTIALS, tried again; active {seconds:.1f} s after it was put right, "
            f"{self.stage.jobs[-1]} is completed"
        )

    async def local(self) -> str:
        """SLURM's programs run in the daemon's sandbox, with the shipped drop-in and no other exception."""
        await self.service.systemctl("stop")
        logins = self.stage.site.sshd.connections
        await self.service.give_site(self.stage)
        job_id = await self.stage.submit(DemoJob("", 0, State.COMPLETED, 0, arguments=("-c", "true")))
        await self.service.systemctl("start")
        await self.stage.becomes(job_id, State.COMPLETED)
        same("logins over SSH", self.stage.site.sshd.connections, logins)
        return f"{job_id}: {await self.stage.reported_once(job_id, *SEEN)}"

    async def waiting_reload(self) -> str:
        """With the guide's drop-in `systemctl reload` returns when the daemon has read its file."""
        version = int((await self.machine.run("systemctl", "--version")).split()[1])
        if version < NOTIFY_RELOAD_SINCE:
            return f"systemd {version} does not know it, {NOTIFY_RELOAD_SINCE} does"
        (drop_in,) = (
            block for block in blocks(page("operators-guide.md"), "ini") if "notify-reload" in block
        )
        await self.service.drop_in(drop_in)
        await self.service.systemctl("restart")
        await self.service.configure("heartbeat_seconds = 15", "heartbeat_seconds = 14")
        await self.service.systemctl("reload")
        same(
            "last line",
            (await self.service.lines())[-1].get("changed"),
            [f"clusters.{CLUSTER}.heartbeat_seconds"],
        )
        return "the file is read when `systemctl reload` ends"

    async def _rests(self) -> None:
        await self.service.systemctl("start", code=1)
        await self.service.shows(
            ActiveState="failed", SubState="failed", Result="exit-code", ExecMainStatus="2", NRestarts="0"
        )

    async def _last_line(self) -> str:
        return str((await self.machine.journal("provd.service"))[-1]["MESSAGE"])
