"""Screenshots of the customers' page for docs/pictures, over a real gateway with jobs of an example customer.

Run `python -m tests.browser.customers_shots docs/pictures`.
"""

import asyncio
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from provider_daemon.job.job import Job
from provider_daemon.job.spec import Resources, Workload
from provider_daemon.job.state import State
from provider_daemon.job.usage import Usage
from provider_daemon.ledger.ledger import Ledger
from tests.browser import wallet
from tests.browser.chromium import Tab, chromium
from tests.fakes.chain import ALICE
from tests.unit.gateway.conftest import Running, serving

STATES = {
    12: State.PENDING,
    11: State.QUEUED,
    10: State.RUNNING,
    9: State.COMPLETED,
    8: State.FAILED,
    7: State.COMPLETED,
    6: State.TIMEOUT,
    5: State.CANCELLED,
}
AGES = {12: 25, 11: 340, 10: 1800, 9: 9000, 8: 90_000, 7: 180_000, 6: 420_000, 5: 900_000}  # seconds
PICTURES = {  # name -> width, height, scheme, fragment
    "customers-jobs": (1000, 640, "light", "#jobs"),
    "customers-job-dark": (1000, 900, "dark", "#job=JOB-10"),
    "customers-phone": (390, 844, "light", "#job=JOB-9"),
}
WORKLOAD = Workload(
    image="docker.io/library/python:3.12", command="python3", arguments=("train.py", "--epochs", "40")
)
RESOURCES = Resources(
    nodes=2, cpus_per_node=16, memory_gb_per_node=64, gpus_per_node=2, gpu_type="nvidia-a100"
)
USAGE = Usage(
    wall_clock_seconds=5430,
    cpu_core_seconds=173_760,
    memory_gb_seconds=695_040,
    gpu_seconds=21_720,
    storage_gb_hours=12,
    network_bytes_in=20_971_520,
    node_hours=3,
    nodes_used=2,
)


def fill(running: Running) -> None:
    for number, state in sorted(STATES.items()):
        job = running.job(number)
        began = running.clock.now() - AGES[number]
        spec = replace(
            job.spec,
            workload=WORKLOAD,
            resources=RESOURCES,
            max_runtime_seconds=14_400,
            created_ns=int(began * 1e9),
        )
        running.save(_in(replace(job, spec=spec, state=state, reported=state), began))
        _write(running, job)


def _in(job: Job, began: float) -> Job:
    if job.state in (State.PENDING, State.QUEUED):
        return replace(job, directory="")
    started = replace(job, chain_started_at=int(began) + 60)
    if job.state is State.RUNNING:
        return started
    failed = job.state is State.FAILED
    return replace(started, usage=USAGE, closed_at=began + 5600, exit_code=137 if failed else 0)


def _write(running: Running, job: Job) -> None:
    epochs = (
        f"epoch {number:2d}/40  loss {2.3 * 0.93**number:.4f}  accuracy {1 - 0.9 * 0.93**number:.3f}  41.2 s"
        for number in range(1, 24)
    )
    text = "\n".join(["dataset.tar: 1204 samples", "2 nodes, 4 GPUs", *epochs, ""])
    running.write(job, "output.txt", text.encode())
    running.write(job, "error.txt", b"")
    running.write(job, "metrics.csv", bytes(48_211))
    running.write(job, "model.safetensors", bytes(2_400_000))
    running.write(job, "checkpoints/epoch-10.pt", bytes(1_200_000))


async def shoot(tab: Tab, running: Running, directory: Path) -> list[Path]:
    await wallet.install(tab, ALICE)
    await tab.go(f"http://{running.address[0]}:{running.address[1]}/")
    await tab.until("document.querySelector('#connect') !== null")
    await tab.run("document.querySelector('#connect').click()")
    await wallet.sign(tab, ALICE)
    await tab.until("document.querySelectorAll('tbody tr').length > 5")
    await tab.run("document.querySelector('#host').textContent = 'gateway.example.org'")
    for name, (width, height, scheme, fragment) in PICTURES.items():
        await tab.size(width, height)
        await tab.scheme(scheme)
        await tab.run(f"location.hash = '{fragment}'")
        shows = "document.querySelector('.log')?.textContent" if "job=" in fragment else "true"
        await tab.until(f"document.activeElement.tagName === 'H1' && {shows}")
        await asyncio.sleep(0.5)  # the log is drawn
        await tab.shoot(directory / f"{name}.png")
    return [directory / f"{name}.png" for name in PICTURES]


async def main(directory: Path) -> None:
    with tempfile.TemporaryDirectory() as place:
        ledger = Ledger.open(Path(place) / "ledger.sqlite")
        async with serving(Path(place), ledger) as running, chromium() as tab:
            running.clock.time = time.time()
            fill(running)
            for path in await shoot(tab, running, directory):
                print(path, path.stat().st_size)
        ledger.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
