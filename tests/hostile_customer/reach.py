"""What a job can reach on its node, with and without the built-in launcher."""

from tests.expect import Wrong, same
from tests.hostile_customer.stage import CONTAINED, NATIVE, Stage, attack


def _probes(stage: Stage, file: str) -> dict[str, str]:
    """Returns name -> a command of bash that succeeds if the job reaches it."""
    layout = stage.site.slurm.layout
    return {
        "a neighbour's file": f"cat {file}",
        "the names of others' directories": f"ls {stage.work_root}",
        "the ledger's directory": f"ls {stage.directory}",
        "the host's home directories": "ls -d /home /root",
        "munge's socket": f"test -S {layout.munge_socket}",
        "slurm.conf": f"test -e {layout.slurm_conf}",
        "$SLURM_CONF": 'test -n "$SLURM_CONF"',
        "sbatch": "sbatch --version",
        "squeue": "squeue -h",
        "the gRPC port of the chain": f"exec 3<>/dev/tcp/127.0.0.1/{stage.market.port}",
        "another's processes": "test $(ls -d /proc/[0-9]* | wc -l) -gt 20",
        "the launcher's environment": "tr '\\0' '\\n' </proc/1/environ | grep SLURM",
        "a file outside": f"touch {stage.work_root}/outside",
        "a directory of programs": "test -w /usr/bin",
        "another user namespace": "unshare --user true",
        "100 processes": "for n in $(seq 100); do sleep 1 & done; test $(jobs -p | wc -l) -ge 100",
        "its own directory": "touch mine && test -e mine",
    }


REACHED_CONTAINED = ["its own directory"]
# of the lab's site, whose jobs run as one user with the site's own programs
REACHED_NATIVELY = ["a neighbour's file", "munge's socket", "sbatch", "squeue", "the gRPC port of the chain"]


async def reached(stage: Stage, image: str, file: str) -> list[str]:
    """Returns the names of what a job in the image reached."""
    tries = "; ".join(
        f'( {command} ) >/dev/null 2>&1 && echo "reached {name}"'
        for name, command in _probes(stage, file).items()
    )
    ended = await stage.run(attack("/bin/bash", "-c", f"{tries}; exit 0", image=image))
    if ended.refused:
        raise Wrong(f"refused: {ended.message}")
    return [
        line.removeprefix("reached ") for line in ended.output.splitlines() if line.startswith("reached ")
    ]


async def contained(stage: Stage) -> str:
    """The same commands reach nothing outside with the launcher, and without it they do."""
    file = str(stage.neighbour("reach"))
    same("reached in the container", await reached(stage, CONTAINED, file), REACHED_CONTAINED)
    natively = await reached(stage, NATIVE, file)
    if missing := [name for name in REACHED_NATIVELY if name not in natively]:
        raise Wrong(f"a native job does not reach {', '.join(missing)}: the probes prove nothing")
    return f"only its own directory; natively {len(natively)} of {len(_probes(stage, file))}"
