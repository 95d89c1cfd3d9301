"""What an operator does beside the running daemon: prices, blocks, pauses, ends, refuses and drains.

Every command goes through the daemon: without --force, and without an alarm about a foreign transaction or a
difference between SLURM, ledger and chain.
"""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path

from tests.e2e.shell import Shell, same
from tests.waiting import until

PATIENCE_SECONDS = 90
IMAGE = "docker.io/library/alpine:3"
ALARMS = ("foreign_tx", "loop_dead", "tick_crashed", "job_parked", "reconciliation_difference")


def play(shell: Shell, people: Mapping[str, str], log: Path) -> None:
    """`log`: the daemon's. Raises Wrong."""
    change_prices(shell)
    block(shell, people["bob"])
    end_and_refuse(shell, people["alice"])
    drain(shell)
    check_audit(shell)
    check_alarms(shell, log)


def change_prices(shell: Shell) -> None:
    """The next job is billed by the new prices; the key of the daemon signs nothing beside it."""
    prices = (
        "--cpu-price 30000 --memory-price 2000 --gpu-price 200000 --minimum-charge 10000 --currency uvirt"
    )
    shell.run(f"provd tx hpc update-offering OFF-1 {prices} --from provider -y")
    offering = shell.json("provd query hpc offering OFF-1")["offering"]
    same("price of a core-hour", offering["pricing"]["cpu_core_hour_price"], "30000")


def block(shell: Shell, bob: str) -> None:
    shell.run(f'provd customer block {bob} --reason "unpaid bills"')
    job_id = submit(shell, "bob", "true")
    until_state(shell, job_id, "failed")
    message = shell.json(f"provd query hpc job {job_id}")["job"]["status_message"]
    same(
        "the blocked customer's job", message, "this provider accepts no jobs from this account: unpaid bills"
    )
    shell.run(f"provd customer allow {bob} --reason paid")
    job_id = submit(shell, "bob", "true")
    until_state(shell, job_id, "completed")


def end_and_refuse(shell: Shell, alice: str) -> None:
    """Of two jobs of a customer who may have one in SLURM, the waiting one is refused, the running one is
    ended: both fail with the reason, and the first is billed for what it used."""
    shell.run(f"provd customer limit {alice} --max-jobs 1")
    running = submit(shell, "alice", "sleep 600")
    until_state(shell, running, "running")
    waiting = submit(shell, "alice", "sleep 600")
    asyncio.run(
        until(
            f"{waiting} waits in the ledger",
            lambda: waiting in shell.run("provd jobs"),
            PATIENCE_SECONDS,
            1,
        )
    )
    shell.run(f"provd job end {waiting} --reason x", expect=1)
    shell.run(f'provd job refuse {waiting} --reason "no licence for it"')
    until_state(shell, waiting, "failed")
    refused = shell.json(f"provd query hpc job {waiting}")["job"]
    same("the refused job", (refused["status_message"], refused["slurm_job_id"]), ("no licence for it", ""))
    shell.run(f'provd job end {running} --reason "node n1 must be repaired"')
    until_state(shell, running, "failed")
    ended = shell.json(f"provd query hpc job {running}")["job"]
    same("the ended job", ended["status_message"].startswith("node n1 must be repaired"), True)
    explained = [line.split()[2] for line in shell.run(f"provd job explain {running}").splitlines()[1:]]
    same("its usage, and who ended it", {"usage", "operator"} <= set(explained), True)
    shell.run(f"provd customer limit {alice} --reset")


def drain(shell: Shell) -> None:
    """A paused cluster is draining: its job runs on, and the chain accepts no other one."""
    running = submit(shell, "alice", "sleep 15")
    until_state(shell, running, "running")
    shell.run('provd pause HPC-1 --reason "power maintenance"')
    until_cluster(shell, "draining")
    command = f"provd tx hpc submit-job {job('true')} --from alice -y"
    shell.run(command, expect=2)
    until_state(shell, running, "completed")
    shell.run("provd resume HPC-1 --reason done")
    until_cluster(shell, "active")
    until_state(shell, submit(shell, "alice", "true"), "completed")


def check_audit(shell: Shell) -> None:
    """Each act is recorded with who and why, in a chain that verifies."""
    shell.run("provd audit verify")
    records = [json.loads(line) for line in shell.run("provd audit export").splitlines()]
    acts = {record["action"]: record["detail"] for record in records if record["actor_kind"] == "operator"}
    wanted = {
        "customer_blocked": "unpaid bills",
        "customer_allowed": "paid",
        "customer_limited": "as configured",
        "job_refused": "no licence for it",
        "job_ended": "node n1 must be repaired",
        "cluster_paused": "power maintenance",
        "cluster_resumed": "done",
    }
    same("audit log", {action: acts.get(action) for action in wanted}, wanted)
    same("transactions in it", "MsgUpdateOffering" in acts["message_sent"], True)


def check_alarms(shell: Shell, log: Path) -> None:
    events = [json.loads(line)["event"] for line in log.read_text().splitlines() if line.startswith("{")]
    same("alarms", sorted({event for event in events if event in ALARMS}), [])
    shell.run("provd reconcile")  # fails for any difference


def job(line: str) -> str:
    return (
        f"--offering OFF-1 --queue standard --nodes 1 --cpus 1 --memory-gb 1 --image {IMAGE} "
        f"--command /bin/sh --arg=-c --arg {line!r} --max-runtime 600 --max-price 100000uvirt"
    )


def submit(shell: Shell, customer: str, line: str) -> str:
    made = shell.json(f"provd tx hpc submit-job {job(line)} --from {customer} -y")
    return str(made["ids"]["job_id"])


def until_state(shell: Shell, job_id: str, state: str) -> None:
    asyncio.run(
        until(
            f"{job_id} is {state}",
            lambda: (
                shell.json(f"provd query hpc job {job_id}")["job"]["state"] == f"JOB_STATE_{state.upper()}"
            ),
            PATIENCE_SECONDS,
            1,
        )
    )


def until_cluster(shell: Shell, state: str) -> None:
    asyncio.run(
        until(
            f"the cluster is {state}",
            lambda: (
                shell.json("provd query hpc cluster HPC-1")["cluster"]["state"]
                == f"CLUSTER_STATE_{state.upper()}"
            ),
            PATIENCE_SECONDS,
            1,
        )
    )
