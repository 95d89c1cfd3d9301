"""Compares every uvirt: the bill of each job's usage, its accounting record, and the accounts."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from tests.e2e.shell import Shell, same

# how it ends, whose job it is, what it requests, what it runs, its longest time
Job = tuple[str, str, str, str, int]


def dumps(value: object) -> str:
    return json.dumps(value)


def check(
    shell: Shell,
    people: Mapping[str, str],
    jobs: Mapping[str, Job],
    funds: int,
    escrow: int,
    decided: Mapping[str, str],
) -> None:
    """Checks all amounts.

    `decided` is the usage of JOB-1 after the dispute. Raises Wrong at the first difference.
    """
    moved: Counter[str] = Counter()
    for job_id, (state, customer, asked, *_) in jobs.items():
        accounting = shell.json(f"provd query hpc job-accounting {job_id}")["accounting"]
        same(f"{job_id} settlement", accounting["settlement_status"] in ("settled", "corrected"), True)
        if job_id == "JOB-1":
            same("JOB-1 usage", {name: accounting["usage_metrics"][name] for name in decided}, dict(decided))
        cost, reward, fee = (
            uvirt(accounting[name]) for name in ("total_cost", "provider_reward", "platform_fee")
        )
        # that job is billed on its request, with node-hours for which the record has no field
        if state != "cancelled":
            bill = billed(
                shell, job_id, accounting["usage_metrics"], "nvidia-a100" if "--gpus" in asked else ""
            )
            same(f"{job_id} cost, reward, fee", (cost, reward, fee), bill)
        # the remainder after truncation stays with the customer
        moved.update({customer: -(reward + fee), "provider": reward, "platform": fee})
        same(
            f"{job_id} is within its escrow, and paid but for what truncation left over",
            0 <= cost - reward - fee <= 1 and cost <= escrow,
            True,
        )
    for name in ("alice", "bob", "provider"):
        same(f"balance of {name}", balance(shell, people[name]), funds + moved[name])
    same("balance of the platform", balance(shell, platform(shell)), moved["platform"])
    same("nothing is made or lost", sum(moved.values()), 0)


def billed(shell: Shell, job_id: str, usage: Mapping[str, Any], gpu_type: str) -> tuple[int, int, int]:
    """Returns total, reward and fee of the usage by `provd bill estimate`, with the offering's prices.

    They are zero for a job that never ran.
    """
    used = {name: int(value) for name, value in usage.items()}
    if not any(used.values()):
        return 0, 0, 0
    path = shell.file(f"{job_id}.usage.json", dumps({**used, **({"gpu_type": gpu_type} if gpu_type else {})}))
    queue = "gpu" if gpu_type else "standard"
    bill = shell.json(f"provd bill estimate --usage {path} --offering OFF-1 --queue {queue}")
    return bill["total"], bill["provider_reward"], bill["platform_fee"]


def platform(shell: Shell) -> str:
    """Returns the platform's address, from the payments for JOB-1."""
    (reward,) = shell.json("provd query hpc rewards-by-job JOB-1")["rewards"]
    return next(str(each["address"]) for each in reward["recipients"] if each["recipient_type"] == "platform")


def balance(shell: Shell, address: str) -> int:
    return uvirt(shell.json(f"provd query bank balances {address}")["balances"])


def uvirt(coins: list[dict[str, str]]) -> int:
    return sum(int(coin["amount"]) for coin in coins if coin["denom"] == "uvirt")
