"""Tests docker-compose.slurm.yml, from nothing to a reported job and back to nothing.

`make compose-test` starts it beside an engine.

    tools/images/engine .venv/bin/python -m tests.compose.run

It prints a line per step. It exits with 0 only if every step succeeded.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from tests.compose.containers import ROOT, Containers, docker
from tests.expect import Wrong, same
from tests.waiting import until

OWN_BASE = "provd-slurm-base:bookworm"
IMAGES = ("provd-slurm-site", "provd-slurm-provd", "provd-slurm-prometheus")
# A layer must not contain any of these: each is created at a site's first start.
SECRETS = ("munge.key", "ssh_host_*", "id_ed25519*", "keyring-file", "passphrase")
JOB_IMAGE = "docker.io/library/debian:bookworm-slim"
UP_SECONDS = 150
WAIT_SECONDS = 180  # seconds for what should happen soon


def main() -> int:
    began, site = time.monotonic(), Containers("provd-slurm-test")
    try:
        asyncio.run(play(site))
    except Wrong as error:
        print(f"WRONG: {error}", file=sys.stderr)
        return 1
    finally:
        with contextlib.suppress(Wrong):
            site.compose("down", "-v", "--timeout", "5")
    print(f"ok: from chain to report in containers, {time.monotonic() - began:.0f} s")
    return 0


async def play(site: Containers) -> None:
    with step("images built"):
        site.env.update(base())
        site.compose("build")
    with step("no secret in an image"):
        for image in IMAGES:
            same(f"secrets in {image}", secrets_in(image), [])
    with step("everything is up and healthy"):
        bring_up(site)
    with step("each node's agent is on chain, with its key and the node's hardware"):
        await until(
            "both are on chain", lambda: all(reported(site, host) for host in ("c1", "c2")), WAIT_SECONDS
        )
    with step("a job of two nodes is reported, and billed as SLURM counted it"):
        first = submit(site, "standard", "hostname; sleep 3", "--nodes", "2", "--cpus", "2")
        ended(site, first)
        counted(site, first, cores=4, gpus=0)
        same("what it wrote", site.run("login", "sh", "-c", f"cat /scratch/*-{first}.*/output.txt"), "c1\n")
    with step("a GPU job ends while provd is killed, and is reported once"):
        gpus = ("--gpus", "2", "--gpu-type", "nvidia-a100")
        second = submit(
            site, "gpu", "until [ -e /scratch/go ]; do sleep 1; done", "--nodes", "1", "--cpus", "1", *gpus
        )
        await until("it runs", lambda: state(site, second) == "JOB_STATE_RUNNING", WAIT_SECONDS)
        site.compose("kill", "--signal", "KILL", "provd")
        site.run("login", "touch", "/scratch/go")
        await until(
            "it is over in SLURM",
            lambda: [row["State"] for row in records(site, second)] == ["COMPLETED"],
            WAIT_SECONDS,
        )
        same("state on chain with provd dead", state(site, second), "JOB_STATE_RUNNING")
        site.compose("start", "provd")
        ended(site, second)
        counted(site, second, cores=1, gpus=2)
    with step("the status page shows both jobs, Prometheus scrapes and evaluates every rule"):
        await shown(site)
    with step("everything is taken down, and nothing is left"):
        site.compose("down", "-v", "--timeout", "5")
        same("left on the engine", site.left(), [])


@contextlib.contextmanager
def step(what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    print(f"{time.monotonic() - began:5.1f} s  {what}", flush=True)


def base() -> dict[str, str]:
    """Returns the build arguments. Root builds Debian's base image, because a registry may be out of reach.

    For other users the engine pulls it.
    """
    if os.geteuid():
        return {}
    if not docker("image", "ls", "-q", OWN_BASE).strip():
        tar = subprocess.run(
            [ROOT / "tools/images/base", "bookworm"], stdout=subprocess.PIPE, text=True, check=True
        ).stdout.strip()
        docker("import", tar, OWN_BASE)
    return {"BASE": OWN_BASE}


def secrets_in(image: str) -> list[str]:
    names = [word for name in SECRETS for word in ("-o", "-name", name)][1:]
    return docker(
        "run", "--rm", "--network", "none", "--user", "0", "--entrypoint", "find", image, "/", "-xdev", *names
    ).split()


def bring_up(site: Containers) -> None:
    try:
        site.compose("up", "-d", "--wait", "--wait-timeout", str(UP_SECONDS), limit=UP_SECONDS + 60)
    except Wrong as error:
        raise Wrong(f"{error}\n{site.ailing()}") from None


def submit(site: Containers, queue: str, line: str, *resources: str) -> str:
    """Submits a job of alice and returns its id."""
    program = ("--image", JOB_IMAGE, "--command", "/bin/sh", "--arg=-c", "--arg", line)
    terms = (
        "--memory-gb",
        "1",
        "--max-runtime",
        "600",
        "--max-price",
        "1000000uvirt",
        "--from",
        "alice",
        "-y",
    )
    made = site.provd(
        "tx", "hpc", "submit-job", "--offering", "OFF-1", "--queue", queue, *program, *resources, *terms
    )
    return str(made["ids"]["job_id"])


def reported(site: Containers, host: str) -> bool:
    """Reports whether the chain's record of the node has what only its agent knows."""
    record = site.provd("query", "hpc", "node-metadata", f"compose.{host}")["node"]
    hardware = record["hardware"] or {}
    return bool(record["agent_pubkey"] and record["hardware_fingerprint"] and hardware.get("cpu_arch"))


def state(site: Containers, job_id: str) -> str:
    return str(site.provd("query", "hpc", "job", job_id)["job"]["state"])


def ended(site: Containers, job_id: str) -> None:
    """Waits for the job's end as a customer does, and checks the signature of each report.

    The check uses the chain's data alone.
    """
    site.run("customer", "provd", "query", "hpc", "job", job_id, "--watch", limit=90)
    same(f"state of {job_id}", state(site, job_id), "JOB_STATE_COMPLETED")
    reports = site.provd("evidence", "verify", job_id)
    same(f"reports of {job_id} that do not hold", [each for each in reports if not each["ok"]], [])
    told = [each["state"] for each in reports]
    same(
        f"reports of {job_id}, a state once each and its end last",
        told,
        [*dict.fromkeys(told[:-1]), "completed"],
    )


def records(site: Containers, job_id: str) -> list[dict[str, str]]:
    """Returns SLURM's accounting records of the job, as queried on the login node."""
    fields = ("JobName", "State", "ElapsedRaw", "AllocCPUS", "AllocTRES")
    said = site.run("login", "sacct", "-aXDnP", "-S", "now-1hour", "-o", ",".join(fields)).splitlines()
    rows = [dict(zip(fields, line.split("|"), strict=True)) for line in said]
    return [row for row in rows if row["JobName"].endswith(f"-{job_id}")]


def accounting(site: Containers, job_id: str) -> Any:
    return site.provd("query", "hpc", "job-accounting", job_id)["accounting"]


def counted(site: Containers, job_id: str, *, cores: int, gpus: int) -> None:
    """Checks that SLURM ran the job once, on the given resources, and that the chain bills the same time."""
    found = records(site, job_id)
    same(f"times that SLURM ran {job_id}", len(found), 1)
    seconds = int(found[0]["ElapsedRaw"])
    usage = accounting(site, job_id)["usage_metrics"]
    wanted = {
        "wall_clock_seconds": seconds,
        "cpu_core_seconds": cores * seconds,
        "gpu_seconds": gpus * seconds,
    }
    same(f"usage of {job_id}", {name: int(usage[name]) for name in wanted}, wanted)
    same(f"{job_id} used some", seconds > 0, True)


async def shown(site: Containers) -> None:
    await until("Prometheus scrapes provd", lambda: value(site, 'up{job="provd"}') == 1, WAIT_SECONDS)
    cost = float(accounting(site, "JOB-2")["total_cost"][0]["amount"])
    await until(
        "it has what provd billed since its start",
        lambda: value(site, "sum(provd_billed_total)") == cost,
        WAIT_SECONDS,
    )
    rules = [rule for group in site.prometheus("rules")["groups"] for rule in group["rules"]]
    same("rules that cannot be evaluated", [rule["name"] for rule in rules if rule["health"] == "err"], [])
    same("there are rules", len(rules) > 20, True)
    same("the page", site.get("PROVD_PORT", "/").startswith(b"<!doctype html>"), True)
    jobs = json.loads(site.get("PROVD_PORT", "/status/jobs"))["jobs"]
    same("jobs on the page", sorted(job["job_id"] for job in jobs), ["JOB-1", "JOB-2"])


def value(site: Containers, expression: str) -> float:
    result = site.prometheus("query", query=expression)["result"]
    return float(result[0]["value"][1]) if result else 0.0


if __name__ == "__main__":
    sys.exit(main())
