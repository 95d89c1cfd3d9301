"""The formats of times, amounts and node lists in the output of SLURM's programs."""

import time
from collections.abc import Mapping

from provider_daemon.lab.simulated.model import SimulatedJob


def moment(value: float | None, environment: Mapping[str, str], unset: str) -> str:
    """Formats a time as SLURM_TIME_FORMAT requests."""
    if value is None:
        return unset
    wanted = environment.get("SLURM_TIME_FORMAT", "standard")
    return time.strftime("%Y-%m-%dT%H:%M:%S" if wanted in ("", "standard") else wanted, time.localtime(value))


def short_elapsed(seconds: int) -> str:
    """Formats an elapsed time as squeue does: `0:03`, `1:00:00`, `1-02:03:04`."""
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days}-{hour:02}:{minute:02}:{second:02}"
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute}:{second:02}"


def long_elapsed(seconds: int) -> str:
    """Formats an elapsed time as sacct does: `00:00:03`, `1-02:03:04`."""
    days, rest = divmod(seconds, 86400)
    text = f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
    return f"{days}-{text}" if days else text


def memory(mebibytes: int, *, convert: bool = True) -> str:
    return f"{mebibytes // 1024}G" if convert and mebibytes and mebibytes % 1024 == 0 else f"{mebibytes}M"


def tres(job: SimulatedJob, gpu_type: str, *, convert: bool) -> str:
    """Formats what the job holds on all its nodes, in sacct's order."""
    request = job.request
    parts = {
        "billing": str(request.cpus * request.nodes),
        "cpu": str(request.cpus * request.nodes),
        f"gres/gpu:{gpu_type}": str(request.gpus * request.nodes),
        "gres/gpu": str(request.gpus * request.nodes),
        "mem": memory(request.mebibytes * request.nodes, convert=convert),
        "node": str(request.nodes),
    }
    return ",".join(f"{name}={value}" for name, value in parts.items() if value != "0")


def node_list(names: tuple[str, ...]) -> str:
    """Formats n1,n2,n3 as n[1-3] if the numbers have no gap; otherwise lists the names."""
    if len(names) < 2:
        return "".join(names)
    prefix = names[0].rstrip("0123456789")
    numbers = [name.removeprefix(prefix) for name in names]
    if all(number.isdecimal() for number in numbers) and [int(number) for number in numbers] == list(
        range(int(numbers[0]), int(numbers[0]) + len(names))
    ):
        return f"{prefix}[{numbers[0]}-{numbers[-1]}]"
    return ",".join(names)
