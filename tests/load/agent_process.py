"""What the whole node agent costs on this machine, as a process: part of `make sampling`.

It reports over TLS to a collector of the tests, with the system's authorities loaded, as often as a collector
may ask. Its share of a core at the usual interval follows from what one heartbeat costs.
"""

import os
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from provider_daemon.node_protocol.answer import DEFAULT_SECONDS, LEAST_SECONDS
from tests.load.sampling import GOAL_MB, GOAL_PERCENT
from tests.unit.agent.far_end import HOST, collector, token
from tests.unit.sources.far_end import Authority, authority

HEARTBEATS = 6
TICKS = os.sysconf("SC_CLK_TCK")


def trusted(directory: Path, added: Authority) -> Path:
    """Returns a file with the system's authorities and one more."""
    system = ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
    bundle = directory / "authorities.pem"
    bundle.write_bytes(Path(system).read_bytes() + added.ca.read_bytes())
    return bundle


def cpu_ms(pid: int) -> float:
    """Returns the processor time of the process and of the programs that it ran."""
    own = int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
    children = sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[13:15]))
    return own / 1e6 + children * 1000 / TICKS


def resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 1e6


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="provd-agent.") as name:
        directory, now = Path(name), int(time.time())
        made = authority(directory, "127.0.0.1")
        with collector(made.chain) as far:
            far.next_seconds = LEAST_SECONDS
            file = directory / "token"
            file.write_text(token(far.url, issued_at=now - 10, expires_at=now + 3600))
            file.chmod(0o600)
            config = directory / "agent.toml"
            config.write_text(
                f'state_directory = "{directory}/state"\ntoken_file = "{file}"\nhostname = "{HOST}"\n'
            )
            command = [str(Path(sys.executable).with_name("provd-agent")), "--config", str(config)]
            environment = {**os.environ, "SSL_CERT_FILE": str(trusted(directory, made))}
            with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
                try:
                    return measured(process.pid, far.heartbeats)
                finally:
                    process.terminate()


def measured(pid: int, heartbeats: Sequence[object]) -> int:
    """Waits for the heartbeats, and prints what those after the first one cost."""
    wait_for(heartbeats, 1)
    first = cpu_ms(pid)
    wait_for(heartbeats, 1 + HEARTBEATS)
    each = (cpu_ms(pid) - first) / HEARTBEATS
    share, memory = each / 10 / DEFAULT_SECONDS, resident_mb(pid)
    print(f"agent: start, registration, first heartbeat  {first:8.0f} ms")
    print(f"agent: each further heartbeat                {each:8.2f} ms")
    usual = f"each {DEFAULT_SECONDS} s"
    print(f"agent: share of a core, {usual}            {share:8.3f} %  (goal {GOAL_PERCENT} %)")
    print(f"agent: resident memory                       {memory:8.1f} MB (goal {GOAL_MB} MB)")
    return int(share > GOAL_PERCENT or memory > GOAL_MB)


def wait_for(heartbeats: Sequence[object], count: int) -> None:
    end = time.monotonic() + 60 + LEAST_SECONDS * count
    while len(heartbeats) < count:
        if time.monotonic() > end:
            raise SystemExit(f"only {len(heartbeats)} of {count} heartbeats arrived")
        time.sleep(0.1)
    time.sleep(0.5)  # the agent stores what was accepted


if __name__ == "__main__":
    sys.exit(main())
