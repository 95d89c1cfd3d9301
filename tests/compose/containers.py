"""The containers of docker-compose.slurm.yml, as a person asks them: `docker compose`, and the ports that it
publishes."""

import json
import os
import subprocess
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from provider_daemon.lab.site.layout import free_ports
from tests.expect import Wrong

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.slurm.yml"
PORTS = ("PROVD_PORT", "PROMETHEUS_PORT", "DEVNET_GRPC_PORT", "DEVNET_REST_PORT")
PATIENCE = 600.0  # seconds for a build on a slow mirror; everything else has its own limit


def docker(*words: str, env: dict[str, str] | None = None, limit: float = PATIENCE) -> str:
    """Standard output. Raises Wrong with the end of what it said for another exit code than 0, and when it
    takes too long."""
    try:
        done = subprocess.run(
            ["docker", *words],
            capture_output=True,
            text=True,
            env={**os.environ, **(env or {})},
            cwd=ROOT,
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Wrong(f"docker {' '.join(words)}: not over after {limit:g} s") from None
    if done.returncode:
        said = (done.stdout + done.stderr).strip().splitlines()[-15:]
        raise Wrong("\n".join([f"docker {' '.join(words)}: exit code {done.returncode}", *said]))
    return done.stdout


def with_ports() -> dict[str, str]:
    """Ports that nothing else on this machine has, so that a site which somebody runs for himself is not in
    the way."""
    return dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))


@dataclass(frozen=True, slots=True)
class Containers:
    """A project of its own. `env` fills the variables of the file in."""

    project: str
    env: dict[str, str] = field(default_factory=with_ports)

    def compose(self, *words: str, limit: float = PATIENCE) -> str:
        return docker("compose", "-f", str(FILE), "-p", self.project, *words, env=self.env, limit=limit)

    def run(self, service: str, *words: str, limit: float = 60) -> str:
        return self.compose("exec", "-T", service, *words, limit=limit)

    def provd(self, *words: str, limit: float = 60) -> Any:
        """A command line of provd, as a customer types it, with its JSON."""
        return json.loads(self.run("customer", "provd", *words, "-o", "json", limit=limit))

    def get(self, port: str, path: str, **parameters: str) -> bytes:
        """From a published port. Raises OSError when it is refused, or not answered with 200."""
        query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.env[port]}{path}{query}", timeout=10) as answer:
            return bytes(answer.read())

    def prometheus(self, path: str, **parameters: str) -> Any:
        return json.loads(self.get("PROMETHEUS_PORT", f"/api/v1/{path}", **parameters))["data"]

    def left(self) -> list[str]:
        """What of this project is still on the engine."""
        only = ("--filter", f"label=com.docker.compose.project={self.project}", "--format")
        return [
            *docker("ps", "-a", *only, "{{.Names}}").split(),
            *docker("volume", "ls", *only, "{{.Name}}").split(),
            *docker("network", "ls", *only, "{{.Name}}").split(),
        ]

    def ailing(self) -> str:
        """The state of every container, and the last words of those that are not well."""
        shown = [json.loads(line) for line in self.compose("ps", "-a", "--format", "json").splitlines()]
        bad = [each["Service"] for each in shown if each["Health"] not in ("", "healthy") or each["ExitCode"]]
        states = [f"{each['Service']}: {each['Status']}" for each in shown]
        return "\n".join([*states, self.compose("logs", "--no-color", "--tail", "15", *bad) if bad else ""])
