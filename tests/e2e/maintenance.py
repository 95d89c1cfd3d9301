"""A customer shops by the catalogue, and the operator plans maintenance, beside the running daemon.

Nothing that is refused costs a fee: the balances before and after are the same.
"""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

from tests.e2e.shell import Shell, same
from tests.expect import Wrong
from tests.waiting import until

HOUR = 3600
SUBMIT = "provd tx hpc submit-job --offering OFF-1"
JOB = "--nodes 1 --cpus 1 --memory-gb 1 --max-price 1000000uvirt"
PROGRAM = "--command hostname --max-runtime 600"


def shop(shell: Shell, image: str, people: dict[str, str]) -> None:
    """The catalogue shows what runs; whatever does not is refused before it is signed."""
    asyncio.run(until("the catalogue is on chain", lambda: on_chain(shell), limit=120, pause=1))
    found = shell.json("provd query hpc offering OFF-1")
    same("images in the catalogue", [each["pattern"] for each in found["catalogue"]["images"]], [image])
    (offering,) = found["catalogue"]["offerings"]
    rates = {queue["name"]: queue["rates"]["cpu_core_hour"] for queue in offering["queues"]}
    same("prices of a core-hour", rates, {"standard": "10000", "gpu": "10000"})
    same("usable nodes", found["availability"]["nodes_usable"], 4)
    before = balances(shell, people["bob"])
    program, base = (
        f"--image {image} {PROGRAM}",
        f"provd tx hpc submit-job --offering OFF-1 --from bob -y {JOB}",
    )
    for line in (
        f"{base} --queue nowhere {program}",
        f"{base} --queue standard {program} --nodes 9",
        f"{base} --queue standard --image ghcr.io/other:1 {PROGRAM}",
        f"{base} --queue standard --template mpi-standard --set program=./solver",
        f"{base} --queue standard {program} --max-price 5uvirt",
        f"{base} --queue standard --image {image} --max-runtime 600",
    ):
        shell.run(line, expect=2)
    same("bob's balance after six refusals", balances(shell, people["bob"]), before)


def maintain(shell: Shell, image: str, people: dict[str, str], site: str) -> None:
    """Plans a window beside SLURM's own reservation: customers read of it, and no job runs into it."""
    start = int(time.time()) + HOUR
    shell.run(
        f"provd lab exec {site} scontrol create reservation reservationname=switches starttime=uts{start} "
        f"endtime=uts{start + HOUR} users=root flags=maint,ignore_jobs nodes=ALL"
    )
    times = f"--from {moment(start)} --to {moment(start + HOUR)}"
    planned = shell.json(f'provd maintenance add HPC-1 {times} --reason "new switches"')
    asyncio.run(until("customers know", lambda: len(windows(shell)) == 2, limit=90, pause=1))
    same("windows", sorted(each["source"] for each in windows(shell)), ["operator", "slurm"])
    same("reasons", sorted(each["reason"] for each in windows(shell)), ["new switches", "switches"])
    asyncio.run(until("the catalogue has them", lambda: len(announced(shell)) == 2, limit=90, pause=1))
    before = balances(shell, people["bob"])
    line = (
        f"provd tx hpc submit-job --offering OFF-1 --queue standard --image {image} --command hostname {JOB}"
    )
    shell.run(f"{line} --max-runtime 7200 --from bob -y", expect=2)
    same("bob's balance after the refusal", balances(shell, people["bob"]), before)
    shell.run(f"provd maintenance remove HPC-1 {planned['number']}")
    shell.run(f"provd lab exec {site} scontrol delete reservation=switches")
    same("planned windows", [each for each in windows(shell) if each["source"] == "operator"], [])


def moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def windows(shell: Shell) -> list[dict[str, Any]]:
    return list(shell.json("provd maintenance list"))


def announced(shell: Shell) -> list[Any]:
    return list(shell.json("provd query hpc cluster HPC-1").get("maintenance", []))


def on_chain(shell: Shell) -> bool:
    found = shell.json("provd query hpc offering OFF-1")
    return bool(found.get("catalogue_hash_on_chain"))


def balances(shell: Shell, address: str) -> dict[str, str]:
    found = shell.json(f"provd query bank balances {address}")
    if not found:
        raise Wrong(f"no balances of {address}")
    return {coin["denom"]: coin["amount"] for coin in found["balances"]}
