"""What a native job leaves behind, on a site that does not track processes with cgroups."""

import os
import subprocess

import pytest

from provider_daemon.job.snapshot import Phase
from tests.contract.places import Place
from tests.waiting import until

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root has Unix users for customers"),
    pytest.mark.parametrize("way", [("real", "pool")], indirect=True, ids=["real-pool"]),
    pytest.mark.real,
    pytest.mark.xdist_group("real-slurm"),
]

# Leaves two processes that have left their parents, the second one without an environment, and a file and
# System V memory.
PLANT = """
python3 -c '
import os
for environment in (os.environ, {}):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for handle in (0, 1, 2):
                os.dup2(os.open(os.devnull, os.O_RDWR), handle)
            os.execve("/bin/sleep", ["sleep", "600"], environment)
        os._exit(0)
    os.wait()
'
touch /dev/shm/left-$SLURM_JOB_ID /tmp/left-$SLURM_JOB_ID
ipcmk -M 4096
echo planted
"""


def processes(user: str) -> set[str]:
    """The commands that the user runs, without zombies: process 1 may not reap here."""
    shown = subprocess.run(
        ["ps", "-u", user, "-o", "stat=,comm="], capture_output=True, text=True, check=False
    )
    rows = [line.split() for line in shown.stdout.splitlines()]
    return {command for state, command, *_ in rows if not state.startswith("Z") and command == "sleep"}


def shared_memory(user: str) -> list[str]:
    shown = subprocess.run(["ipcs", "-m", "-c"], capture_output=True, text=True, check=True)
    return [line for line in shown.stdout.splitlines() if user[:10] in line.split()]


def remains(user: str) -> list[str]:
    command = ["find", "/tmp", "/dev/shm", "-maxdepth", "1", "-name", "left-*", "-user", user]
    files = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    return [*processes(user), *files, *shared_memory(user)]


@pytest.mark.parametrize("killed", [False, True], ids=["finished", "killed"])
async def test_nothing_is_left_of_a_job(place: Place, killed: bool) -> None:
    """Of a finished and of a cancelled job of a pool user: no process, file or shared memory."""
    argv = ("sleep", "600") if killed else ("true",)
    order = place.order(*argv, prologue=(PLANT,), dedicated=True)
    (receipt,) = await place.submit(order)
    ids = {order.name: receipt.slurm_id}
    await place.until(lambda: "planted" in place.output(order))
    if killed:
        assert len(remains(place.user)) >= 3
        await place.scheduler.cancel(place.known(ids))
    await place.until_phase(order.name, Phase.ENDED, ids=ids)
    await until(f"nothing is left: {remains(place.user)}", lambda: not remains(place.user), limit=30)
