"""The whole life of a cluster and five jobs on real SLURM and the devnet, by `provd` commands alone.

    python -m tests.e2e.cli

Every amount is checked to the uvirt. It exits with 0 only if every command succeeded and every balance
matches the bills.
"""

import asyncio
import shutil
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import Any

from provider_daemon.demo.processes import Process
from tests.e2e import books, maintenance, money, nodes, operator
from tests.e2e.shell import Shell, same
from tests.expect import Wrong
from tests.unit.daemons import free_port
from tests.waiting import until

CHAIN_ID = "virtengine-localnet-1"
FUNDS = 10**12
ESCROW = 1_000_000  # uvirt per job
SETTLE_SECONDS = 20  # from a job's end: a dispute can stop the payment until then
IMAGE = "docker.io/library/alpine:3"
JOBS = {
    "JOB-1": (
        "completed",
        "alice",
        "--queue gpu --nodes 2 --cpus 8 --memory-gb 16 --gpus 2 --gpu-type nvidia-a100",
        "hostname; sleep 45",
        600,
    ),
    "JOB-2": ("failed", "bob", "--queue standard --nodes 1 --cpus 2 --memory-gb 2", "sleep 2; exit 3", 600),
    "JOB-3": ("cancelled", "bob", "--queue standard --nodes 1 --cpus 4 --memory-gb 4", "sleep 600", 600),
    "JOB-4": ("timeout", "alice", "--queue standard --nodes 1 --cpus 1 --memory-gb 1", "sleep 600", 60),
    "JOB-5": (
        "failed",
        "bob",
        "--queue standard --nodes 1 --cpus 1 --memory-gb 1 --workdir ../elsewhere",
        "true",
        600,
    ),
}
EXIT = {"JOB-1": 0, "JOB-2": 3, "JOB-3": 123, "JOB-4": 124, "JOB-5": 122}


def main() -> int:
    directory = Path(tempfile.mkdtemp(prefix="provd-e2e."))
    directory.chmod(0o755)
    shell, children, began = Shell(directory), list[Process](), time.monotonic()
    try:
        play(shell, children)
    except Wrong as error:
        print(f"WRONG: {error}\nlogs are left in {directory}", file=sys.stderr)
        return 1
    finally:
        for child in reversed(children):
            child.stop()
        if (directory / "slurm").exists():
            shell.run(f"provd lab down {directory}/slurm")
    shutil.rmtree(directory, ignore_errors=True)
    print(
        f"ok: {shell.lines} command lines, five jobs, {time.monotonic() - began:.0f} s, balances right "
        "to the uvirt"
    )
    return 0


def play(shell: Shell, children: list[Process]) -> None:
    people = make_people(shell)
    site = shell_json(shell, f"provd lab up {shell.directory}/slurm")
    start_chain(shell, children, people)
    open_shop(shell)
    daemon = start_daemon(shell, children, site)
    start_gateway(shell, children)
    maintenance.shop(shell, IMAGE, people)
    maintenance.maintain(shell, IMAGE, people, f"{shell.directory}/slurm")
    dispute_id = run_jobs(shell)
    disputed = dispute(shell, people, dispute_id)
    money.check(shell, people, JOBS, FUNDS, ESCROW, disputed)
    books.check(shell, people, len(JOBS))
    look_around(shell, people)
    nodes.play(shell, children)
    operator.play(shell, people, daemon.log)
    close_shop(shell, daemon)


def shell_json(shell: Shell, line: str) -> Any:
    import json

    return json.loads(shell.run(line))


def make_people(shell: Shell) -> dict[str, str]:
    """Creates all keys in one keyring and returns name -> address."""
    shell.file("passphrase", "a passphrase of the test\n")
    shell.env |= {
        "PROVD_KEYRING_DIR": f"{shell.directory}/ring",
        "PROVD_PASSPHRASE_FILE": f"{shell.directory}/passphrase",
    }
    people = {
        name: shell.run(f"provd keys add {name}").strip() for name in ("provider", "alice", "bob", "governor")
    }
    listed = {entry["name"]: entry["address"] for entry in shell.json("provd keys list")}
    same("keys", listed, people)
    return people


def start_chain(shell: Shell, children: list[Process], people: dict[str, str]) -> None:
    funds = [word for address in people.values() for word in ("--fund", f"{address}={FUNDS}uve,{FUNDS}uvirt")]
    rules = [
        "--chain-id",
        CHAIN_ID,
        "--authority",
        people["governor"],
        "--settle-seconds",
        str(SETTLE_SECONDS),
    ]
    where = ["--home", str(shell.directory / "chain"), "--listen", "127.0.0.1:0"]
    words = ["devnet", "start", *where, *rules, *funds]
    line = start(shell, children, "the devnet", words, "serves gRPC on 127.0.0.1:", {"PYTHONUNBUFFERED": "1"})
    port = line.split("serves gRPC on 127.0.0.1:")[1].split()[0].rstrip(",;")
    shell.env |= {
        "PROVD_NODE": f"127.0.0.1:{port}",
        "PROVD_CHAIN_ID": CHAIN_ID,
        "PROVD_CONFIG": f"{shell.directory}/provd.toml",
    }


def start(
    shell: Shell, children: list[Process], name: str, words: list[str], ready: str, env: dict[str, str]
) -> str:
    print(f"$ provd {' '.join(words)} &", flush=True)
    child = Process(name, words, shell.directory / f"{words[0]}.log", env)
    children.append(child)
    child.start()
    return child.wait_for(ready)


def open_shop(shell: Shell) -> None:
    same(
        "pending",
        "HPC-1"
        in shell.run(
            'provd tx hpc register-cluster --name "e2e" --region "us-west-2" --total-nodes 4 --from '
            "provider -y"
        ),
        True,
    )
    shell.run("provd tx hpc update-cluster HPC-1 --state active --from provider -y")
    offering = shell.file(
        "offering.yaml",
        "name: standard\nmax_runtime_seconds: 86400\nsupports_custom_workloads: true\n"
        "queue_options:\n  - {partition_name: standard, max_nodes: 4}\n  - {partition_name: gpu, "
        "max_nodes: 4}\n"
        "pricing: {cpu_core_hour_price: 10000, gpu_hour_price: 100000, currency: uvirt, "
        "minimum_charge: 10000}\n",
    )
    shell.run(f"provd tx hpc create-offering --cluster HPC-1 --file {offering} --from provider -y")
    same("cluster", shell.json("provd query hpc cluster HPC-1")["cluster"]["state"], "CLUSTER_STATE_ACTIVE")
    same(
        "offerings",
        [each["offering_id"] for each in shell.json("provd query hpc offerings --active-only")["offerings"]],
        ["OFF-1"],
    )


def start_daemon(shell: Shell, children: list[Process], site: dict[str, Any]) -> Process:
    ssh = "\n".join(
        f"{name} = {value if isinstance(value, int) else repr(str(value))}"
        for name, value in site["ssh"].items()
    )
    gateway, collector = (f"127.0.0.1:{free_port()}" for _ in range(2))
    config = shell.file(
        "provd.toml",
        f"""[chain]
id = "{CHAIN_ID}"
endpoints = ["{shell.env["PROVD_NODE"]}"]
poll_seconds = 1
[ledger]
path = "{shell.directory}/ledger.sqlite"
[keys.main]
kind = "keyring"
name = "provider"
path = "{shell.directory}/ring/keyring-file"
passphrase_file = "{shell.directory}/passphrase"
[[clusters]]
id = "HPC-1"
name = "e2e"
key = "main"
region = "us-west-2"
account = "provd"
work_root = "{site["work_root"]}"
poll_seconds = 1
heartbeat_seconds = 15
[clusters.ssh]
{ssh}
[clusters.gpu_types]
nvidia-a100 = "a100"
[[clusters.images]]
pattern = "{IMAGE}"
native = true
[gateway]
url = "http://{gateway}"
listen = "{gateway}"
uploads = "{shell.directory}/uploads"
metrics_listen = "127.0.0.1:0"
[collector]
url = "http://{collector}"
listen = "{collector}"
path = "{shell.directory}/agents.sqlite"
heartbeat_seconds = 10
metrics_listen = "127.0.0.1:0"
[metrics]
listen = "127.0.0.1:0"
""",
    )
    shell.run(f"provd config validate -c {config}")
    start(shell, children, "the daemon", ["run", "-c", str(config)], "provd_started", {})
    return children[-1]


def start_gateway(shell: Shell, children: list[Process]) -> None:
    """The customers' gateway, whose address the cluster names on chain."""
    config = tomllib.loads((shell.directory / "provd.toml").read_text())
    start(shell, children, "the gateway", ["gateway", "-c", shell.env["PROVD_CONFIG"]], "gateway_started", {})
    url = config["gateway"]["url"]
    shell.run(f"provd tx hpc update-cluster HPC-1 --gateway {url} --from provider -y")


def run_jobs(shell: Shell) -> str:
    """Submits all jobs, cancels one while it runs, and returns the id of the dispute about JOB-1."""
    dispute_id = ""
    for job_id, (_, customer, asked, line, seconds) in JOBS.items():
        command = (
            f"--image {IMAGE} --command /bin/sh --arg=-c --arg {line!r} --max-runtime {seconds} "
            f"--max-price {ESCROW}uvirt"
        )
        made = shell.json(f"provd tx hpc submit-job --offering OFF-1 {asked} {command} --from {customer} -y")
        same("job", made["ids"]["job_id"], job_id)
        dispute_id = dispute_id or flag(shell)
    asyncio.run(until("JOB-3 runs", lambda: state(shell, "JOB-3") == "JOB_STATE_RUNNING", limit=120, pause=1))
    shell.run('provd tx hpc cancel-job JOB-3 --reason "no longer needed" --from bob -y')
    return dispute_id


def state(shell: Shell, job_id: str) -> str:
    return str(shell.json(f"provd query hpc job {job_id}")["job"]["state"])


def flag(shell: Shell) -> str:
    """The customer disputes JOB-1 before it can be paid, however busy the machine is; returns the id."""
    flagged = shell.json(
        'provd tx hpc flag-dispute JOB-1 --type usage --reason "two of the GPUs were dead" --from alice -y'
    )
    return str(flagged["ids"]["dispute_id"])


def dispute(shell: Shell, people: dict[str, str], dispute_id: str) -> dict[str, str]:
    """The provider answers the dispute about JOB-1, and the governor decides: half of the GPUs.

    The payment stops and then continues on the resolution, which is returned.
    """
    shell.run("provd query hpc job JOB-1 --watch")
    books.answer(shell, dispute_id, people["provider"])
    for job_id in JOBS:
        shell.run(f"provd query hpc job {job_id} --watch", expect=EXIT[job_id])
    time.sleep(SETTLE_SECONDS + 3)
    held = shell.json("provd query hpc job-accounting JOB-1")["accounting"]
    same("held by the dispute", held["settlement_status"], "disputed")
    usage = {name: value for name, value in held["usage_metrics"].items() if int(value)}
    usage["gpu_seconds"] = str(int(usage["gpu_seconds"]) // 2)
    decision = shell.file(
        "decision.json",
        money.dumps({"resolution": money.dumps({name: int(value) for name, value in usage.items()})}),
    )
    shell.run(
        f"provd tx hpc resolve-dispute {dispute_id} --status resolved --file {decision} --from governor -y"
    )
    same(
        "dispute",
        shell.json(f"provd query hpc dispute {dispute_id}")["dispute"]["status"],
        "DISPUTE_STATUS_RESOLVED",
    )
    return usage


def look_around(shell: Shell, people: dict[str, str]) -> None:
    for job_id, (state, *_) in JOBS.items():
        told = shell.json(f"provd query hpc job {job_id}")
        same(f"{job_id} ended", told["job"]["state"], f"JOB_STATE_{state.upper()}")
        same(f"{job_id} evidence", {report["evidence"] for report in told["reports"]}, {"verified"})
    shell.run("provd tx hpc update-params --set node_heartbeat_timeout=180 --from governor -y")
    same("params", shell.json("provd query hpc params")["params"]["node_heartbeat_timeout"], "180")
    same("alice's jobs", len(shell.json(f"provd query hpc jobs-by-customer {people['alice']}")["jobs"]), 2)
    nodes = shell.json("provd query hpc nodes-by-cluster HPC-1")["nodes"]
    same("nodes", sorted({node["state"] for node in nodes}), ["NODE_STATE_ACTIVE"])
    placed = int(
        shell.json("provd query hpc scheduling-metrics HPC-1 standard")["metrics"]["total_decisions"]
    )
    same("jobs placed, of three, or two where alice's quota was full", placed in (2, 3), True)


def close_shop(shell: Shell, daemon: Process) -> None:
    """Closes the shop: the offering beside the daemon, which sends the message, the cluster after its end."""
    shell.run("provd tx hpc update-offering OFF-1 --inactive --from provider -y")
    same("the daemon's exit code", daemon.stop(), 0)
    shell.run("provd tx hpc deregister-cluster HPC-1 --from provider -y")
    same(
        "cluster",
        shell.json("provd query hpc cluster HPC-1")["cluster"]["state"],
        "CLUSTER_STATE_DEREGISTERED",
    )


if __name__ == "__main__":
    sys.exit(main())
