"""Batch scripts as processes, started, stopped and ended according to the cluster's jobs."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from provider_daemon.lab.simulated.amounts import node_list
from provider_daemon.lab.simulated.cluster import SimulatedCluster
from provider_daemon.lab.simulated.model import SimulatedJob

KILL_WAIT = 2.0  # seconds between SIGTERM to a job's processes and SIGKILL
_ELSEWHERE = "slurmstepd: error: couldn't chdir to `{}': No such file or directory: going to /tmp instead\n"
NO_OUTPUT = (0, 53)  # how a job ends if its output file cannot be created


class Execution:
    """Runs the batch scripts.

    `spool` contains the scripts; `programs` is the directory of the stand-in programs. `poke` is called
    whenever a job has ended.
    """

    def __init__(
        self, cluster: SimulatedCluster, spool: Path, now: Callable[[], float], poke: Callable[[], None]
    ) -> None:
        self._cluster, self._spool, self._now, self._poke = cluster, spool, now, poke
        self._running: dict[int, asyncio.Task[None]] = {}
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._asked_to_end: dict[int, float] = {}

    def follow(self) -> None:
        """Starts and stops processes according to the jobs."""
        for job in self._cluster.start_waiting(self._now()):
            self._running[job.id] = asyncio.create_task(self._run(job))
        for number, process in list(self._processes.items()):
            self._steer(self._cluster.jobs[number], process)

    def _steer(self, job: SimulatedJob, process: asyncio.subprocess.Process) -> None:
        if job.state == "SUSPENDED":
            _signal(process, signal.SIGSTOP)
        elif job.state == "RUNNING":
            _signal(process, signal.SIGCONT)
        elif job.ending:
            asked = self._asked_to_end.setdefault(job.id, time.monotonic())
            at_once = job.ending in ("NODE_FAIL", "OUT_OF_MEMORY") or time.monotonic() - asked > KILL_WAIT
            for number in (signal.SIGCONT, signal.SIGKILL if at_once else signal.SIGTERM):
                _signal(process, number)

    async def stop(self) -> None:
        """Ends every process of every job.

        The scripts are gone when this returns. What they started is killed too, and gone a moment later.
        """
        processes = list(self._processes.values())
        for process in processes:
            _signal(process, signal.SIGKILL)
        await asyncio.gather(*(process.wait() for process in processes))
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, job: SimulatedJob) -> None:
        code, number = await self._process(job)
        self._running.pop(job.id, None)
        self._asked_to_end.pop(job.id, None)
        self._cluster.ended(job, code, number, self._now())
        self._poke()

    async def _process(self, job: SimulatedJob) -> tuple[int, int]:
        """Runs the batch script and returns its (exit code, signal)."""
        script = self._spool / f"{job.id}.sh"
        script.write_bytes(job.request.script)
        script.chmod(0o700)
        there = os.path.isdir(job.request.directory)
        directory = job.request.directory if there else "/tmp"
        umask = int(job.request.environment.get("SLURM_UMASK", "0022"), 8)
        try:
            output = os.open(
                _output(job, directory, self._cluster.owner(job)),
                os.O_WRONLY | os.O_CREAT | os.O_TRUNC,
                0o666 & ~umask,
            )
        except OSError:
            return NO_OUTPUT
        if not there:
            os.write(output, _ELSEWHERE.format(job.request.directory).encode())
        try:
            process = await asyncio.create_subprocess_exec(
                str(script), stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, cwd=directory,
                env=self._environment(job), start_new_session=True, umask=umask,
            )  # fmt: skip
        except OSError:
            return 0, 8  # the script's interpreter does not exist
        finally:
            os.close(output)
        return await self._until_gone(job, process)

    async def _until_gone(self, job: SimulatedJob, process: asyncio.subprocess.Process) -> tuple[int, int]:
        self._processes[job.id] = process
        self._poke()
        try:
            code = await process.wait()
        finally:
            _signal(process, signal.SIGKILL)  # processes that the script left running end with it
            self._processes.pop(job.id, None)
        return (code, 0) if code >= 0 else (0, -code)

    def _environment(self, job: SimulatedJob) -> dict[str, str]:
        request, names = job.request, node_list(job.nodes)
        environment = {
            **request.environment,
            "SLURM_JOB_ID": str(job.id),
            "SLURM_JOBID": str(job.id),
            "SLURM_JOB_NAME": request.name,
            "SLURM_JOB_PARTITION": self._cluster.partition_of(job).name,
            "SLURM_JOB_ACCOUNT": request.account or self._cluster.account,
            "SLURM_JOB_NODELIST": names,
            "SLURM_NODELIST": names,
            "SLURM_JOB_NUM_NODES": str(request.nodes),
            "SLURM_NNODES": str(request.nodes),
            "SLURM_NTASKS": str(request.tasks),
            "SLURM_CPUS_ON_NODE": str(request.cpus),
            "SLURM_SUBMIT_DIR": request.directory,
            "SLURM_CLUSTER_NAME": "simulated",
            "SLURM_NODEID": "0",
            "SLURM_PROCID": "0",
            "SLURM_LOCALID": "0",
            "SLURMD_NODENAME": job.nodes[0],
            "SIMULATED_NODES": " ".join(job.nodes),
        }
        if request.gpus:
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(str(number) for number in range(request.gpus))
        return environment


def _output(job: SimulatedJob, directory: str, user: str) -> str:
    parts = {
        "%%": "%",
        "%j": str(job.id),
        "%A": str(job.id),
        "%x": job.request.name,
        "%u": user,
        "%N": job.nodes[0],
        "%n": "0",
    }
    path = job.request.output
    for pattern, value in parts.items():
        path = path.replace(pattern, value)
    return os.path.join(directory, path)


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
