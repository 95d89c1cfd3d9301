"""The containers of docker-compose.slurm.yml, used as a person uses them.

That is by `docker compose` and the published ports.
"""

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
PATIENCE = 600.0  # seconds for a build on a slow mirror; all else has its own limit


def docker(*words: str, env: dict[str, str] | None = None, limit: float = PATIENCE) -> str:
    """Runs docker and returns its standard output.

    Raises Wrong with the end of the output for an exit code other than 0, and on a timeout.
    """
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
    """Returns variables with free ports, so that a running site of the same machine does not conflict."""
    return dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))


@dataclass(frozen=True, slots=True)
class Containers:
    """The containers of one compose project. `env` fills the variables of the file."""

    project: str
    env: dict[str, str] = field(default_factory=with_ports)

    def compose(self, *words: str, limit: float = PATIENCE) -> str:
        return docker("compose", "-f", str(FILE), "-p", self.project, *words, env=self.env, limit=limit)

    def run(self, service: str, *words: str, limit: float = 60) -> str:
        return self.compose("exec", "-T", service, *words, limit=limit)

    def provd(self, *words: str, limit: float = 60) -> Any:
        """Runs a provd command line, as a customer types it, and returns its JSON."""
        return json.loads(self.run("customer", "provd", *words, "-o", "json", limit=limit))

    def get(self, port: str, path: str, **parameters: str) -> bytes:
        """Reads from a published port. Raises OSError if it is refused or the status is not 200."""
        query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.env[port]}{path}{query}", timeout=10) as answer:
            return bytes(answer.read())

    def prometheus(self, path: str, **parameters: str) -> Any:
        return json.loads(self.get("PROMETHEUS_PORT", f"/api/v1/{path}", **parameters))["data"]

    def left(self) -> list[str]:
        """Returns what the engine still has of this project."""
        only = ("--filter", f"label=com.docker.compose.project={self.project}", "--format")
        return [
            *docker("ps", "-a", *only, "{{.Names}}").split(),
            *docker("volume", "ls", *only, "{{.Name}}").split(),
            *docker("network", "ls", *only, "{{.Name}}").split(),
        ]

    def ailing(self) -> str:
        """Returns the state of every container, and the last log lines of unhealthy ones."""
        shown = [json.loads(line) for line in self.compose("ps", "-a", "--format", "json").splitlines()]
        bad = [each["Service"] for each in shown if each["Health"] not in ("", "healthy") or each["ExitCode"]]
        states = [f"{each['Service']}: {each['Status']}" for each in shown]
        return "\n".join([*states, self.compose("logs", "--no-color", "--tail", "15", *bad) if bad else ""])
